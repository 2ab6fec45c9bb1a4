import Glibc
package import LinuxSystem
package import SampleModel
import Sampler

/// A command that is not measured: a hook, a readiness check, a notification.
package struct AuxiliaryCommand {
  /// Its name in errors: `--setup`.
  package var name: String
  package var path: String
  package var arguments: [String]
  /// Its user, environment and directory.
  package var specification: RunSpecification
  package var cpus: CPUSet
  /// Nanoseconds after which it is ended; nil: no limit.
  package var limit: UInt64?
  /// What the first stop request does; the second one always ends the command.
  package var stopBehavior = StopBehavior.end

  /// Reactions to the first stop request.
  package enum StopBehavior: Sendable {
    /// The command is ended.
    case end
    /// The command is ended, unless it was started after the request: a clean-up.
    case ignoreIfAlreadyStopping
    /// The command continues.
    case ignore
  }

  /// A shell command.
  package init(
    _ name: String, shell command: String, _ specification: RunSpecification, cpus: CPUSet
  ) {
    self.init(name, "/bin/sh", ["sh", "-c", command], specification, cpus: cpus)
  }

  /// A command with its arguments, of which the first is its own name.
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

  /// Runs the command to its end, in the run of `context`. Returns why it failed, or nil.
  func run(_ context: RunContext) -> LBError? { run(context.services, context.stopping) }

  /// Runs the command to its end, outside of a run. Returns why it failed, or nil.
  package func run(_ services: RunServices, _ stopping: StopCoordinator) -> LBError? {
    let workload: any Workload
    let capture: OutputCapture
    do throws(SystemError) {
      (workload, capture) = try WorkloadLauncher.launch(
        path, arguments, specification, cpus: cpus, captureCPUs: nil, services.spawner,
        stop: services.stop, clock: services.clock, isBackground: true)
    } catch {
      return failure("could not be started: \(error)")
    }
    let stop =
      switch stopBehavior {
      case .end: services.stop
      case .ignoreIfAlreadyStopping: services.stop.raised == nil ? services.stop : services.kill
      case .ignore: services.kill
      }
    workload.openGate()
    let interruption = wait(workload, stop, services.clock)
    if interruption != nil {
      WorkloadLauncher.terminate(workload, grace: specification.grace, services)
      // For processes of its group that ignored SIGTERM.
      workload.signalGroup(SIGKILL)
    }
    let status = workload.peekExit()
    let usage = stopping.close(name, workload.reap(until:))
    let output = capture.finishKeepingPipeOpen(services)
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
      let tail = output.lastLines()
      return failure(tail.isEmpty ? how : "\(how): \(tail)", status)
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

  /// Why the command is ended.
  private enum Interruption {
    case tookTooLong
    case stopped
  }

  /// Waits for the command's end. Returns why it has to be ended, or nil.
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
