import Glibc
package import LinuxSystem
package import SampleModel
import Sampler

/// A command that is not measured: what prepares, fills, tells, cleans up.
package struct AuxiliaryCommand {
  /// What errors call it: `--setup`.
  package var name: String
  package var path: String
  package var arguments: [String]
  /// Its user, environment and directory.
  package var specification: RunSpecification
  package var cpus: CPUSet
  /// Nanoseconds that it may take, nil for no limit.
  package var limit: UInt64?
  /// What a first stop request does to it; a second one always ends it.
  package var atStop = AtStop.ends

  /// Reactions to a stop request.
  package enum AtStop: Sendable {
    case ends
    /// Ends, but where the stop came before it, as to what cleans up behind one.
    case endsUnlessEarlier
    case goesOn
  }

  /// A shell command.
  package init(
    _ name: String, shell command: String, _ specification: RunSpecification, cpus: CPUSet
  ) {
    self.init(name, "/bin/sh", ["sh", "-c", command], specification, cpus: cpus)
  }

  /// A command with its arguments, the name it is called by among them.
  package init(
    _ name: String, _ path: String, _ arguments: [String], _ specification: RunSpecification,
    cpus: CPUSet
  ) {
    self.name = name
    self.path = path
    self.arguments = arguments
    self.specification = specification
    self.specification.input = .null
    self.specification.output = .keep
    self.cpus = cpus
  }

  /// Runs it to its end, as a part of the run of `context`; gives why it failed.
  func run(_ context: RunContext) -> LBError? { run(context.services, context.stopping) }

  /// The same outside of a run.
  package func run(_ services: RunServices, _ stopping: StopCoordinator) -> LBError? {
    let workload: any Workload
    let pump: OutputPump
    do throws(SystemError) {
      (workload, pump) = try WorkloadLauncher.launch(
        path, arguments, specification, cpus: cpus, drainCPUs: nil, services.spawner,
        stop: services.stop, clock: services.clock, isBeside: true)
    } catch {
      return failure("could not be started: \(error)")
    }
    let stop =
      switch atStop {
      case .ends: services.stop
      case .endsUnlessEarlier: services.stop.raised == nil ? services.stop : services.kill
      case .goesOn: services.kill
      }
    workload.openGate()
    let interruption = wait(workload, stop, services.clock)
    if interruption != nil {
      WorkloadLauncher.terminate(workload, grace: specification.grace, services)
      // Those of its group that took no notice of SIGTERM.
      workload.signalGroup(SIGKILL)
    }
    let status = workload.peekExit()
    let usage = stopping.close(name, workload.reap(until:))
    let output = pump.finishLeaving(services)
    switch interruption {
    case .tookTooLong: return failure("took too long and was ended", status)
    case .stopped: return .stopped(by: services.stop.raised ?? .requested, " during \(name)")
    case nil: break
    }
    if usage == nil { return failure("still runs and cannot be ended", status) }
    guard status?.code == 0 else {
      let how =
        status?.signal.map { "was ended by signal \($0)" }
        ?? "exited with code \(status?.code ?? -1)"
      let said = output.lastWords()
      return failure(said.isEmpty ? how : "\(how): \(said)", status)
    }
    return nil
  }

  private func failure(_ message: String, _ status: ExitStatus? = nil) -> LBError {
    var error = LBError(.workload, "\(name) \(message)")
    error.context.command = [path] + arguments.dropFirst()
    error.context.exitCode = status?.code
    error.context.signal = status?.signal
    return error
  }

  /// Why it is ended.
  private enum Interruption {
    case tookTooLong
    case stopped
  }

  /// Waits for its end; gives why it is to be ended before.
  private func wait(
    _ workload: any Workload, _ stop: StopFlag, _ clock: TimeSource
  ) -> Interruption? {
    let ready = clock.wait(
      readable: [workload.exitPollDescriptor, stop.pollDescriptor],
      until: limit.map { clock.deadline(in: $0) })
    if ready.contains(0) { return nil }
    return ready.isEmpty ? .tookTooLong : .stopped
  }
}
