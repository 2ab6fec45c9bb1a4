package import LinuxSystem
package import SampleModel
package import Sampler
package import Synchronization

/// A collector whose source does not come back while `hangs`, as a file system of a dead server.
package final class HangingCollector: Collector {
  package let hangs = Atomic<Bool>(false)
  private let acquisitions = Atomic<Int>(0)
  private let closed = Atomic<Int>(0)
  private let limit: Int
  private let time: TimeSource
  package let description = CollectorDescription(
    name: "hanging", summary: "hangs", source: "none", minimumKernel: "0", privilege: "none",
    cost: .cheap, systemCallsPerSample: 0,
    metrics: [MetricDescription("value", .count, .counter, meaning: "none")])

  /// A collector that hangs from the acquisition on that comes after so many, if it ever does, and
  /// looks each millisecond of `time` whether it may go on.
  package init(after limit: Int = .max, time: TimeSource = .system) {
    self.limit = limit
    self.time = time
  }

  /// How often it was disarmed.
  package var disarmings: Int { closed.load(ordering: .relaxed) }

  /// It is always there.
  package func probe(_ context: CollectorContext) -> Availability { .available }
  /// Opens nothing.
  package func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector { Armed(self) }

  private final class Armed: ArmedCollector, @unchecked Sendable {
    // Sendable: as the base class says.
    private let collector: HangingCollector
    init(_ collector: HangingCollector) {
      self.collector = collector
      let metric = collector.description.metrics[0]
      super.init(columns: [Column(collector: "hanging", metric: metric, instance: "")])
    }
    override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
      if collector.acquisitions.add(1, ordering: .relaxed).oldValue == collector.limit {
        collector.hangs.store(true, ordering: .relaxed)
      }
      while collector.hangs.load(ordering: .relaxed) {
        _ = collector.time.wait(readable: [], until: collector.time.monotonic() + 1_000_000)
      }
      values[0] = 1
      return .complete
    }
    override func disarm() { collector.closed.add(1, ordering: .relaxed) }
  }
}
