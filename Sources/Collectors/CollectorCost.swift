import LinuxSystem
package import SampleModel
package import Sampler

/// The measured cost of one acquisition of a collector on this host.
package struct CollectorCost: Sendable, Codable {
  package var collector: String
  package var columns: Int
  package var samples: Int
  package var systemCalls: UInt64
  /// Bytes of text that one acquisition reads, nil if the source is not text.
  package var bytes: Int?
  package var medianNanoseconds: UInt64
  package var p99Nanoseconds: UInt64
  /// Median of reading the same text without decoding it: the kernel's part.
  package var readNanoseconds: UInt64?
  /// The shortest interval at which the median stays below a hundredth of a CPU.
  package var fastestInterval: UInt64
  /// The shortest interval at which it is read by default, in nanoseconds; 0 for any.
  package var minimumInterval: UInt64
  /// The files that an acquisition reads; empty if the source is a system call.
  package var sourcePaths: [String]

  private enum CodingKeys: String, CodingKey {
    case collector, columns, samples, systemCalls, bytes, medianNanoseconds, p99Nanoseconds
    case readNanoseconds, fastestInterval, sourcePaths
    case minimumInterval = "leastInterval"
  }

  /// Arms `collector` and acquires for about `duration` nanoseconds, alternating with reads only,
  /// so that both are measured under the same conditions.
  package static func measure(
    _ collector: any Collector, _ context: CollectorContext, duration: UInt64
  ) throws(LBError) -> CollectorCost {
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    let acquisition = SingleAcquisition(armed)
    var whole: [UInt64] = []
    var reads: [UInt64] = []
    let end = Clock.monotonic() + duration
    // Bounded, so that cheap sources do not fill memory with times.
    while whole.count < 20_000 {
      let start = Clock.monotonic()
      let outcome = acquisition.take()
      let between = Clock.monotonic()
      guard outcome == .complete else {
        throw LBError(
          .metricCollection, "\(collector.description.name): \(outcome.phrase)",
          context: ErrorContext(collector: collector.description.name))
      }
      whole.append(between - start)
      let isText = acquisition.readOnly()
      let now = Clock.monotonic()
      if isText { reads.append(now - between) }
      if now >= end { break }
    }
    let median = quantile(&whole, 50)
    return CollectorCost(
      collector: collector.description.name, columns: armed.columns.count, samples: whole.count,
      systemCalls: acquisition.systemCalls, bytes: acquisition.bytes, medianNanoseconds: median,
      p99Nanoseconds: quantile(&whole, 99),
      readNanoseconds: reads.isEmpty ? nil : quantile(&reads, 50),
      fastestInterval: round(up: median * 100),
      minimumInterval: collector.description.minimumInterval, sourcePaths: armed.sourcePaths)
  }

  private static func quantile(_ times: inout [UInt64], _ percent: Int) -> UInt64 {
    times.sort()
    return times[min(times.count - 1, times.count * percent / 100)]
  }

  /// The next of 1, 2, 5, 10, 20, … µs.
  private static func round(up nanoseconds: UInt64) -> UInt64 {
    var decade: UInt64 = 10_000
    while true {
      for step in [1, 2, 5] where decade * UInt64(step) >= nanoseconds {
        return decade * UInt64(step)
      }
      decade *= 10
    }
  }
}
