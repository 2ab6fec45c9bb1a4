import Glibc
import LinuxSystem
package import SampleModel
import Sampler

/// How lbsample finds out that a server is ready.
enum Readiness: Sendable, Hashable {
  /// Something accepts connections at this TCP port of the loopback interface.
  case port(UInt16)
  /// This shell command succeeds.
  case command(String)

  var text: String {
    switch self {
    case .port(let port): "port \(port) answers"
    case .command(let command): "\(command) succeeds"
    }
  }

  /// What is wrong while it is not ready.
  var failureText: String {
    switch self {
    case .port(let port): "port \(port) did not answer"
    case .command(let command): "\(command) did not succeed"
    }
  }
}

/// `background`: a process that runs beside the phases after it, such as the server under test.
struct BackgroundPhase: PhaseKind {
  let name = "background"

  func resolve(_ table: PlanTable, _ scope: PlanScope, _ planner: Planner) -> [PhaseNode] {
    var node = planner.node(table, name, scope)
    guard var specification = CommandPhase.specification(table, scope, planner) else { return [] }
    specification.command = table.command("command") ?? []
    if specification.command.isEmpty {
      table.problems.add(table.keyPath, "a background phase needs a command")
    }
    CommandSettings.refuseRepetitions(of: table)
    CommandSettings.leaveTerminal(&specification, table)
    // The output of a server explains its failure: it is kept unless the phase has another setting.
    if table.value("workload_output") == nil { specification.output = .keep }
    let port = table.integer("ready_port", 1...65_535).map { Readiness.port(UInt16($0)) }
    let command = table.text("ready_command").map { Readiness.command($0) }
    if port != nil, command != nil {
      table.problems.add(
        table.keyPath(of: "ready_command"), "ready_port and ready_command: only one of them")
    }
    node.actions = [
      ProcessAction(
        title: node.name, specification: specification, readiness: port ?? command,
        readyLimit: table.duration("ready_within") ?? 30_000_000_000, failsPhase: true,
        mayEnd: false)
    ]
    node.outlivesPhase = true
    return [node]
  }
}

/// Runs a process beside what is measured.
package struct ProcessAction: PhaseAction {
  package let title: String
  package var specification: RunSpecification
  let readiness: Readiness?
  /// Nanoseconds that it may take to become ready.
  let readyLimit: UInt64
  /// Whether its failure fails the phase.
  let failsPhase: Bool
  /// Whether it may end by itself, with success.
  let mayEnd: Bool
  /// The target by which it is sampled; nil where it is not.
  var target: WorkloadTarget?

  /// A description for `--dry-run`.
  package var summary: String {
    "\(title): \(specification.command.joined(separator: " "))"
      + (readiness.map { ", ready when \($0.text)" } ?? "")
  }

  /// Starts the process and waits until it is ready.
  package func enter(_ phase: PhaseContext) throws(LBError) -> PhaseEntry {
    .proceed(try start(phase))
  }

  /// Starts the process and waits until it is ready.
  func start(_ phase: PhaseContext) throws(LBError) -> any BackgroundTask {
    let process = try BackgroundProcess(self, phase.run)
    guard let readiness else { return process }
    try phase.announceWait("\(title): waiting until \(readiness.text)")
    do throws(LBError) {
      try process.wait(until: readiness, limit: readyLimit)
    } catch {
      _ = process.stop()
      throw error
    }
    return process
  }
}

/// A process that runs until it is stopped.
final class BackgroundProcess: BackgroundTask {
  private static let probePeriod: UInt64 = 20_000_000

  private let action: ProcessAction
  private let context: RunContext
  private let path: String
  private var workload: (any Workload)?
  private var capture: OutputCapture?

  /// Starts it.
  init(_ action: ProcessAction, _ context: RunContext) throws(LBError) {
    self.action = action
    self.context = context
    path = try WorkloadCommand.resolve(action.specification)
    try start()
  }

  private func start() throws(LBError) {
    let specification = action.specification
    do throws(SystemError) {
      let (workload, capture) = try WorkloadLauncher.launch(
        path, specification.command, specification,
        cpus: specification.workloadCPUs ?? context.allowedCPUs, captureCPUs: nil,
        context.services.spawner, stop: context.services.stop,
        clock: context.services.clock, isBackground: true)
      (self.workload, self.capture) = (workload, capture)
      action.target?.retarget(to: workload.pid)
      workload.openGate()
    } catch {
      throw failure("could not be started: \(error)")
    }
  }

  private func failure(_ message: String, _ status: ExitStatus? = nil) -> LBError {
    var error = LBError(.workload, "\(action.title) \(message)")
    error.context.command = action.specification.command
    error.context.exitCode = status?.code
    error.context.signal = status?.signal
    return error
  }

  /// Waits until it is ready, at most `limit` nanoseconds.
  func wait(until readiness: Readiness, limit: UInt64) throws(LBError) {
    let services = context.services
    let deadline = services.clock.deadline(in: limit)
    while true {
      if let signal = services.stop.raised {
        throw LBError.stopped(by: signal, " while waiting until \(readiness.text)")
      }
      if let failure { throw failure }
      let now = services.clock.monotonic()
      if now < deadline, isReady(readiness, within: deadline - now) { return }
      if services.clock.monotonic() >= deadline {
        throw failure(
          "is not ready: \(readiness.failureText) within \(Durations.text(limit)) (ready_within)")
      }
      _ = services.clock.wait(
        readable: [services.stop.pollDescriptor, workload?.exitPollDescriptor ?? -1],
        until: services.clock.deadline(in: Self.probePeriod))
    }
  }

  private func isReady(_ readiness: Readiness, within limit: UInt64) -> Bool {
    switch readiness {
    case .port(let port): return TCPPort.answers(port)
    case .command(let command):
      var step = AuxiliaryCommand(
        "ready_command", shell: command, action.specification, cpus: context.allowedCPUs)
      // Bounded, so that between two tries it is checked whether the process still runs.
      step.limit = min(limit, StopCoordinator.limit)
      return step.run(context) == nil
    }
  }

  var title: String { action.title }

  var endDescriptor: Int32? { workload?.exitPollDescriptor }

  /// A warning that it ended by itself before it was stopped, which it may.
  var notice: String? {
    guard failure == nil, let status = workload?.peekExit() else { return nil }
    let how =
      status.signal.map { "was ended by signal \($0)" }
      ?? "ended with exit code \(status.code ?? -1)"
    return "\(action.title) \(how) before the measured command had ended"
  }

  var failure: LBError? {
    guard let status = workload?.peekExit() else { return nil }
    if action.mayEnd, action.specification.ignoredFailures.accepts(status) || !action.failsPhase {
      return nil
    }
    let how =
      status.signal.map { "was ended by signal \($0)" }
      ?? "exited with code \(status.code ?? -1)"
    return failure("\(how) before the phases that need it had ended\(outputTail)", status)
  }

  /// The last lines of its output after its end, for a message.
  private var outputTail: String {
    guard let capture else { return "" }
    let text = capture.finishKeepingPipeOpen(context.services).lastLines()
    return text.isEmpty ? "" : ": \(text)"
  }

  func restart() throws(LBError) {
    _ = stop()
    try start()
    if let readiness = action.readiness { try wait(until: readiness, limit: action.readyLimit) }
  }

  func stop() -> LBError? {
    guard let workload else { return nil }
    self.workload = nil
    action.target?.release()
    // It may have ended and left other processes in its group.
    if workload.isGroupAlive {
      WorkloadLauncher.terminate(
        workload, grace: action.specification.grace, context.services)
    }
    workload.signalGroup(SIGKILL)
    let usage = context.stopping.close(action.title, workload.reap(until:))
    _ = capture?.finishKeepingPipeOpen(context.services)
    capture = nil
    return usage == nil ? failure("still runs and cannot be ended") : nil
  }
}
