import LinuxSystem
public import SampleModel
package import Sampler

/// A source of metrics of one's own, sampled beside the host's, on the same clock.
///
/// ```swift
/// struct QueueDepth: MetricSource {
///   let name = "queue"
///   let metrics = [MetricDescription("depth", .count, .gauge, meaning: "jobs that wait")]
///   func open() throws -> sending any MetricReader { Reader() }
///   final class Reader: MetricReader {
///     func read(into values: inout MutableSpan<UInt64>) -> Bool {
///       values[0] = UInt64(jobs.count.load(ordering: .relaxed))
///       return true
///     }
///   }
/// }
/// ```
public protocol MetricSource: Sendable {
  /// The first part of its metrics' names; no other collector's.
  var name: String { get }
  /// The metrics, in the order in which the reader writes their values.
  var metrics: [MetricDescription] { get }
  /// Opens and allocates everything that reading needs. An error makes the source unavailable.
  func open() throws -> sending any MetricReader
}

/// What a source opened: used by one thread at a time, the sampling thread as a rule. It need not
/// be `Sendable`, since `open` gives it away.
public protocol MetricReader: AnyObject {
  /// Writes one raw value a metric; false for a gap. On the sampling thread: it allocates nothing,
  /// locks nothing and waits for nothing.
  func read(into values: inout MutableSpan<UInt64>) -> Bool
  /// Lets go what `open` opened.
  func close()
}

extension MetricReader {
  /// Nothing was opened.
  public func close() {}
}

/// Receives every frame as it is drained: on the drain's thread, or on that which opens or closes a
/// bracket. While it works no ring is emptied, so that a slow one loses frames; it must not call
/// the sampler.
public protocol FrameReceiver: AnyObject, Sendable {
  /// One acquisition of one collector.
  func receive(_ frame: FrameSnapshot)
  /// There is no more.
  func finish()
}

/// A source of one's own as the sampler knows collectors.
package struct SourceCollector: Collector {
  private let source: any MetricSource
  package let description: CollectorDescription

  /// The collector that reads `source`.
  package init(_ source: any MetricSource) {
    self.source = source
    description = CollectorDescription(
      name: source.name, summary: "a source of the program's own", source: "the program",
      minimumKernel: "any", privilege: "none", cost: .cheap, systemCallsPerSample: 0,
      metrics: source.metrics)
  }

  /// Whether it can be read is found out by opening it.
  package func probe(_ context: CollectorContext) -> Availability { .available }

  /// Opens the source.
  package func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let reader: any MetricReader
    do { reader = try source.open() } catch {
      throw LBError(
        .collectorUnavailable, "\(source.name): \(error)",
        context: ErrorContext(collector: source.name))
    }
    return Armed(
      reader, source.metrics.map { Column(collector: source.name, metric: $0, instance: "") })
  }

  private final class Armed: ArmedCollector, @unchecked Sendable {
    // Sendable: as the base class says.
    private let reader: any MetricReader

    init(_ reader: sending any MetricReader, _ columns: [Column]) {
      self.reader = reader
      super.init(columns: columns)
    }

    override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
      reader.read(into: &values) ? .complete : .absent
    }

    override func disarm() { reader.close() }
  }
}
