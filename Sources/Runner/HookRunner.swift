import Glibc
import LinuxSystem
package import SampleModel

/// Commands around a run's repetitions, as hyperfine names them: each is given to /bin/sh.
package enum Hook: String, Sendable, CaseIterable {
  /// Once before everything.
  case setup
  /// Before each repetition, outside its bracket.
  case prepare
  /// After each repetition, outside its bracket.
  case conclude
  /// Once after everything, whatever happened.
  case cleanup
}

/// Runs the commands of hooks, as the workload's user, in its directory and environment.
package struct HookRunner {
  /// Bytes of a failed command's output that its error has.
  private static let tail = 500

  private let context: RunContext

  /// Hooks of one run.
  package init(_ context: RunContext) { self.context = context }

  /// Runs the command of `hook`, if there is one; gives why it failed. A stop ends it, but for
  /// `cleanup`, which ends at the limit of one repetition or after a minute.
  package func run(_ hook: Hook) -> LBError? {
    guard let command = context.specification.hooks[hook] else { return nil }
    func failure(_ message: String, _ status: ExitStatus? = nil) -> LBError {
      var error = LBError(.workload, "--\(hook.rawValue) \(message)")
      error.context.command = ["/bin/sh", "-c", command]
      error.context.exitCode = status?.code
      error.context.signal = status?.signal
      return error
    }
    let workload: any Workload
    let pump: OutputPump
    do throws(SystemError) {
      (workload, pump) = try spawn(command)
    } catch {
      return failure("could not be started: \(error)")
    }
    workload.openGate()
    let interruption = wait(workload, isLast: hook == .cleanup)
    if interruption != nil {
      let grace = min(context.specification.grace, WorkloadLauncher.cleanUpLimit)
      WorkloadLauncher.terminate(workload, grace: grace, context.services)
    }
    let status = workload.peekExit()
    _ = workload.reap(until: Clock.monotonic() + WorkloadLauncher.cleanUpLimit)
    let (output, _) = pump.finish(until: Clock.monotonic() + 200_000_000)
    switch interruption {
    case .tookTooLong: return failure("took too long and was ended", status)
    case .stopped:
      let signal = context.services.stop.raised
      var error = LBError(
        .stopRequested, "stopped by signal \(signal ?? 0) during --\(hook.rawValue)")
      error.context.signal = signal
      return error
    case nil: break
    }
    guard status?.code == 0 else {
      let how =
        status?.signal.map { "was ended by signal \($0)" }
        ?? "exited with code \(status?.code ?? -1)"
      let said = String(decoding: output.suffix(Self.tail), as: UTF8.self)
      return failure(said.isEmpty ? how : "\(how): \(said)", status)
    }
    return nil
  }

  private func spawn(_ command: String) throws(SystemError) -> (any Workload, OutputPump) {
    var specification = context.specification
    specification.input = .null
    return try WorkloadLauncher.launch(
      "/bin/sh", ["sh", "-c", command], specification, cpus: context.allowedCPUs, drainCPUs: nil,
      context.services.spawner)
  }

  /// Why a command is ended.
  private enum Interruption {
    case tookTooLong
    case stopped
  }

  /// Waits for its end; gives why it is to be ended before.
  private func wait(_ workload: any Workload, isLast: Bool) -> Interruption? {
    let services = context.services
    let limit = context.specification.timeout ?? (isLast ? 60_000_000_000 : nil)
    let stop = isLast ? services.kill : services.stop
    let ready = Poll.wait(
      readable: [workload.exitPollDescriptor, stop.pollDescriptor],
      until: limit.map { Clock.monotonic() + $0 })
    if ready.contains(0) { return nil }
    return ready.isEmpty ? .tookTooLong : .stopped
  }
}
