package import LinuxSystem
package import SampleModel
import Synchronization

/// The outcome of a search for metrics in an output.
package enum MetricSearch: Sendable {
  /// Each metric's number, or why there is none, in the order of the metrics.
  case ended([Result<Double, LBError>])
  /// A pattern took too long. Its thread still searches, since a search cannot be cancelled.
  case abandoned(LBError)
  /// A stop request ended the wait; the numbers are lost.
  case stopped

  /// The results of a search thread. The thread may outlive the search and holds all that it uses.
  private final class SearchState: Sendable {
    let results = Mutex<[Result<Double, LBError>]>([])
    let isOver: StopFlag

    init() throws(SystemError) { isOver = try StopFlag() }
  }

  /// Nanoseconds for all metrics of an output, for each MiB of it that is kept.
  package static let limit: UInt64 = 10_000_000_000

  /// Nanoseconds for the search after a stop request.
  private static let limitAfterStop: UInt64 = 200_000_000

  /// Searches `output` for `metrics`.
  ///
  /// Matching a pattern by backtracking can take exponential time. Patterns are therefore matched
  /// by a thread of their own, which is abandoned after `limit` or at a stop request. The limit is
  /// real time, even where the run has a virtual clock.
  package static func run(
    _ metrics: [WorkloadMetric], in output: KeptOutput, stop: StopFlag, limit: UInt64 = Self.limit
  ) -> MetricSearch {
    guard metrics.contains(where: \.isPattern) else {
      return .ended(metrics.map { find($0, in: output) })
    }
    let state: SearchState
    let thread: SystemThread
    do throws(SystemError) {
      let new = try SearchState()
      thread = try SystemThread(name: "lb-metrics") {
        for metric in metrics {
          let result = Self.find(metric, in: output)
          new.results.withLock { $0.append(result) }
        }
        new.isOver.raise()
      }
      state = new
    } catch {
      let failure = LBError(
        .outputParse, "--metric: a thread to search the output cannot be started: \(error)",
        context: ErrorContext(errno: error.errno))
      return .ended(metrics.map { _ in .failure(failure) })
    }
    let size = UInt64(output.head.count + output.tail.count)
    let allowance = limit.multipliedReportingOverflow(by: 1 + (size >> 20))
    let clock = TimeSource.system
    let deadline = clock.deadline(in: allowance.overflow ? .max : allowance.partialValue)
    let over = state.isOver.pollDescriptor
    if clock.wait(readable: [over, stop.pollDescriptor], until: deadline) == [1] {
      _ = clock.wait(readable: [over], until: min(deadline, clock.deadline(in: limitAfterStop)))
    }
    if state.isOver.raised != nil {
      thread.join()
      return .ended(state.results.withLock { $0 })
    }
    thread.detach()
    if stop.raised != nil { return .stopped }
    let metric = metrics[min(state.results.withLock { $0.count }, metrics.count - 1)]
    return .abandoned(metric.tookTooLong(allowance.partialValue))
  }

  private static func find(
    _ metric: WorkloadMetric, in output: KeptOutput
  ) -> Result<Double, LBError> {
    do throws(LBError) {
      return .success(try metric.value(in: output))
    } catch {
      return .failure(error)
    }
  }
}

extension WorkloadMetric {
  /// Whether a regular expression is matched for it.
  fileprivate var isPattern: Bool {
    if case .pattern = source { true } else { false }
  }

  fileprivate func tookTooLong(_ limit: UInt64) -> LBError {
    var text = ""
    if case .pattern(let pattern) = source { text = " \(pattern)" }
    return LBError(
      .outputParse,
      "\(name): the pattern\(text) took too long: matching it with the output did not end within "
        + "\(Durations.text(limit)). A repetition of a repetition such as (a+)+ takes exponential "
        + "time: write a+, or match more of the text around the number")
  }
}
