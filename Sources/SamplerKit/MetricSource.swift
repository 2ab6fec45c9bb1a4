import LinuxSystem
public import SampleModel
package import Sampler

/// A source of metrics of one's own, sampled beside the host's, on the same clock.
///
/// ```swift
/// struct QueueDepth: MetricSource {
///   let name = "queue"
///   let metrics = [MetricDescription("depth", .count, .gauge, meaning: "jobs that wait")]
///   func open() throws -> any MetricReader { Reader() }
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
  /// What it measures, in the order in which its reader writes.
  var metrics: [MetricDescription] { get }
  /// Opens and allocates everything that reading needs. What it throws makes the source
  /// unavailable.
  func open() throws -> any MetricReader
}

/// What a source opened.
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

/// Told every frame as it is drained: on the drain's thread, or on that which opens or closes a
/// bracket. Whoever is slow here is lost frames; it must not call the sampler.
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

    init(_ reader: any MetricReader, _ columns: [Column]) {
      self.reader = reader
      super.init(columns: columns)
    }

    override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
      reader.read(into: &values) ? .complete : .absent
    }

    override func disarm() { reader.close() }
  }

  /// The collectors called `names`, and those of `sources` behind them.
  package static func requests(
    _ names: [String], in registry: CollectorRegistry, _ sources: [any MetricSource]
  ) throws(LBError) -> [CollectorRequest] {
    let known = registry.collectors.map(\.description.name)
    var requests: [CollectorRequest] = []
    for name in names {
      guard let collector = registry[name] else {
        throw LBError(
          .configuration,
          "unknown collector \(name)\(Nearest.hint(Nearest.word(to: name, in: known))): there are "
            + known.joined(separator: ", "))
      }
      requests.append(CollectorRequest(collector))
    }
    for source in sources {
      let isTaken =
        known.contains(source.name) || sources.count { $0.name == source.name } > 1
      guard !isTaken, !source.name.isEmpty, !source.metrics.isEmpty else {
        throw LBError(
          .configuration,
          "source \"\(source.name)\": it needs metrics, and a name that no other collector has")
      }
      requests.append(CollectorRequest(SourceCollector(source)))
    }
    return requests
  }
}
