import LinuxSystem
import SampleModel

extension RepetitionExecutor {
  /// Sets the attempt's status and error for an ending.
  func judge(
    _ ending: Ending, _ status: ExitStatus?, _ workload: any Workload,
    _ specification: RunSpecification, result: inout AttemptResult
  ) {
    func workloadError(_ message: String) -> LBError {
      var error = LBError(.workload, message)
      error.context.command = specification.command
      error.context.exitCode = status?.code
      error.context.signal = status?.signal
      return error
    }
    let name = specification.command[0]
    // A workload may exit by itself after SIGTERM; one of another user may not be signalled.
    let end =
      status.map { status in
        status.signal.map { "was ended by signal \($0)" }
          ?? "exited after SIGTERM with code \(status.code ?? -1)"
      } ?? "could not be ended"
    switch ending {
    case .timedOut:
      result.status = .timeout
      result.error = workloadError(
        "\(name) ran longer than --timeout (\(Durations.text(specification.timeout ?? 0))) "
          + "and \(end); its samples are kept")
    case .idle:
      result.status = .timeout
      result.error = workloadError(
        "\(name) wrote nothing and used no CPU time for "
          + "\(Durations.text(specification.idleTimeout ?? 0)) (--idle-timeout) and \(end); "
          + "its samples are kept")
    case .stopped(let signal):
      result.status = .interrupted
      result.error = .runStopped(by: signal)
    case .samplingFailed(let error), .abandoned(let error):
      result.status = .failed
      result.error = error
    case .exited:
      if let failure = workload.execFailure() {
        result.status = .failed
        result.error = workloadError("\(name) could not be started: \(failure)")
        result.error?.context.errno = failure.errno
      } else if let status, specification.ignoredFailures.accepts(status) {
        result.status = .completed
      } else {
        result.status = .failed
        let code = status?.code ?? -1
        let (how, accepted) =
          status?.signal.map { ("was ended by signal \($0)", "--ignore-failure accepts this") }
          ?? ("exited with code \(code)", "--ignore-failure=\(code) accepts this code")
        result.error = workloadError(
          "\(name) \(how); lbsample runs show --show-output shows its output; \(accepted)")
      }
    }
  }
}
