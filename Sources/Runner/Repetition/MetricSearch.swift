package import LinuxSystem
package import SampleModel
import Synchronization

/// What became of the search for metrics in an output.
package enum MetricSearch: Sendable {
  /// Each metric's number, or why there is none, in the order of the metrics.
  case ended([Result<Double, LBError>])
  /// One took too long. Its thread searches on, and nothing can end it.
  case abandoned(LBError)
  /// A stop request ended the wait, with which the numbers are gone.
  case stopped

  /// What a thread finds. It holds all that it touches: nobody may be there any more when it comes
  /// back.
  private final class Finds: Sendable {
    let results = Mutex<[Result<Double, LBError>]>([])
    let isOver: StopFlag

    init() throws(SystemError) { isOver = try StopFlag() }
  }

  /// Nanoseconds that all metrics of an output may take for each MiB of it that is kept.
  package static let limit: UInt64 = 10_000_000_000

  /// Nanoseconds for what is found at once, after a stop.
  private static let haste: UInt64 = 200_000_000

  /// Looks for `metrics` in `output`.
  ///
  /// Before a pattern is found not to match a line, there may be more ways to try than anybody can
  /// wait for. So patterns have a thread of their own, which is left behind at the `limit` or at a
  /// stop. It takes real time, whatever clock the run has.
  package static func run(
    _ metrics: [WorkloadMetric], in output: KeptOutput, stop: StopFlag, limit: UInt64 = Self.limit
  ) -> MetricSearch {
    guard metrics.contains(where: \.isPattern) else {
      return .ended(metrics.map { find($0, in: output) })
    }
    let finds: Finds
    let thread: SystemThread
    do throws(SystemError) {
      let mine = try Finds()
      thread = try SystemThread(name: "lb-metrics") {
        for metric in metrics {
          let result = Self.find(metric, in: output)
          mine.results.withLock { $0.append(result) }
        }
        mine.isOver.raise()
      }
      finds = mine
    } catch {
      let failure = LBError(
        .outputParse, "--metric: no thread can be had to search the output: \(error)",
        context: ErrorContext(errno: error.errno))
      return .ended(metrics.map { _ in .failure(failure) })
    }
    let size = UInt64(output.head.count + output.tail.count)
    let patience = limit.multipliedReportingOverflow(by: 1 + (size >> 20))
    let clock = TimeSource.system
    let deadline = clock.deadline(in: patience.overflow ? .max : patience.partialValue)
    let over = finds.isOver.pollDescriptor
    if clock.wait(readable: [over, stop.pollDescriptor], until: deadline) == [1] {
      _ = clock.wait(readable: [over], until: min(deadline, clock.deadline(in: haste)))
    }
    if finds.isOver.raised != nil {
      thread.join()
      return .ended(finds.results.withLock { $0 })
    }
    thread.detach()
    if stop.raised != nil { return .stopped }
    let metric = metrics[min(finds.results.withLock { $0.count }, metrics.count - 1)]
    return .abandoned(metric.tookTooLong(patience.partialValue))
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
    if case .pattern = place { true } else { false }
  }

  fileprivate func tookTooLong(_ limit: UInt64) -> LBError {
    var text = ""
    if case .pattern(let pattern) = place { text = " \(pattern)" }
    return LBError(
      .outputParse,
      "\(name): the pattern\(text) took too long: it was not matched with the output within "
        + "\(Durations.text(limit)). A repetition of a repetition, as (a+)+, can be matched in "
        + "endless ways: write a+, or name more of the line around the number")
  }
}
