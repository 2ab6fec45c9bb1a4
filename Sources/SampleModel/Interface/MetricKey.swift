/// The name of a metric, of one instance where the metric has several: `cpu.user[all]`.
///
/// A key is the string that results, CSV and NDJSON have, in a type of its own:
///
/// ```swift
/// measurement[.cpu.user.all]           // cpu.user[all]
/// measurement[.net.rxBytes["eth0"]]    // net.rx_bytes[eth0]
/// measurement["queue.depth"]           // any other name
/// ```
public struct MetricKey: RawRepresentable, Hashable, Sendable, Codable, Comparable,
  ExpressibleByStringLiteral, CustomStringConvertible
{
  /// The name as results have it.
  public let rawValue: String

  /// The key of this name.
  public init(rawValue: String) { self.rawValue = OSText.distinct(rawValue) }
  /// The key of this name.
  public init(_ name: String) { self.init(rawValue: name) }
  /// The key of this name.
  public init(stringLiteral value: String) { self.init(rawValue: value) }

  /// The metric `name` of a collector, of `instance` where one is named.
  public init(_ collector: CollectorName, _ name: String, instance: String? = nil) {
    let metric = "\(collector.rawValue).\(name)"
    self.init(rawValue: instance.map { "\(metric)[\($0)]" } ?? metric)
  }

  /// The metric without its instance: `cpu.user` of `cpu.user[0]`.
  public var metric: String { String(rawValue.prefix { $0 != "[" }) }

  /// The instance: `0` of `cpu.user[0]`; nil where there is none.
  public var instance: String? {
    guard let open = rawValue.firstIndex(of: "["), rawValue.hasSuffix("]") else { return nil }
    return String(rawValue[rawValue.index(after: open)...].dropLast())
  }

  /// The same metric of one instance: a CPU's number, an interface, a device.
  public subscript(instance: String) -> MetricKey { MetricKey("\(metric)[\(instance)]") }
  /// The same metric of the instance with this number, such as a CPU.
  public subscript(instance: Int) -> MetricKey { self["\(instance)"] }
  /// The sum over all instances.
  public var all: MetricKey { self["all"] }

  /// The name.
  public var description: String { rawValue }

  /// By name.
  public static func < (one: MetricKey, other: MetricKey) -> Bool {
    one.rawValue < other.rawValue
  }
}

extension MetricKey {
  /// Elapsed time of the workload, in ns: from the opening of its gate to the notice of its exit.
  public static let wallTime: MetricKey = "wall_time"
}
