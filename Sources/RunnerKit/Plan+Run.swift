import LinuxSystem
public import SampleModel
import SamplerKit

/// A plan that is run. What fails while it runs stands in the result's `errors`; `RunResult.get()`
/// throws the first of them.
///
/// Unlike the command a program's run is no reaper of orphaned descendants: they may be another's
/// children. It installs no signal handler, and never ends the process.
extension Plan {
  /// Executes the plan on a thread of its own, which ends with the run. Cancelling the task stops
  /// the run, which then returns its results so far, as interrupted.
  ///
  /// Throws `configuration`, `collectorUnavailable` or `resultPersistence` where nothing was
  /// started; no file is left then.
  public func run(
    _ options: RunOptions = RunOptions()
  ) async throws(LBSampleError) -> RunResult {
    // One of its own: cancelling this task stops no other's run.
    let stop = try StopSource()
    let outer = options.stop ?? StopSource.current
    outer?.adopt(stop)
    defer { outer?.release(stop) }
    var own = options
    own.stop = stop
    let execution = PlanExecution(self, own)
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        do throws(SystemError) {
          // It ends by itself with the run: no other thread has to join it.
          try SystemThread(name: "lb-run") {
            continuation.resume(returning: execution.outcome())
          }.detach()
        } catch {
          execution.end()
          continuation.resume(
            returning: Result<RunResult, LBSampleError>.failure(LBError(.internal, "\(error)")))
        }
      }
    } onCancel: {
      stop.stop()
    }
    return try outcome.get()
  }

  /// Executes the plan on the caller's thread.
  ///
  /// Throws `configuration`, `collectorUnavailable` or `resultPersistence` where nothing was
  /// started; no file is left then.
  public func run(_ options: RunOptions = RunOptions()) throws(LBSampleError) -> RunResult {
    try PlanExecution(self, options).outcome().get()
  }

  /// Executes the plan as `run` does, sampling these collectors every `interval`, into a new file
  /// where one is named.
  public func run(
    sampling first: CollectorName, _ others: CollectorName...,
    every interval: Duration = .milliseconds(100),
    into file: String? = nil
  ) async throws(LBSampleError) -> RunResult {
    try await run(
      RunOptions(sampling: Sampling([first] + others, interval: interval), file: file))
  }
}

extension Benchmark {
  /// Executes the command alone, as `Plan.run` does.
  public func run(
    _ options: RunOptions = RunOptions()
  ) async throws(LBSampleError) -> RunResult {
    try await plan.run(options)
  }

  /// Executes the command alone on the caller's thread, as `Plan.run` does.
  public func run(_ options: RunOptions = RunOptions()) throws(LBSampleError) -> RunResult {
    try plan.run(options)
  }

  /// Executes the command alone, sampling these collectors every `interval`, into a new file where
  /// one is named.
  public func run(
    sampling first: CollectorName, _ others: CollectorName...,
    every interval: Duration = .milliseconds(100),
    into file: String? = nil
  ) async throws(LBSampleError) -> RunResult {
    try await run(
      RunOptions(sampling: Sampling([first] + others, interval: interval), file: file))
  }
}
