/// One column of a layout: a metric at an instance.
package struct Column: Sendable, Hashable {
  /// What is measured.
  public let metric: MetricDescription
  /// `all`, `0`, `eth0`, … or empty for a value of the host. Names of other bytes are not equal
  /// (`OSText.distinct`).
  public let instance: String
  /// `cpu.user[0]`.
  public let name: String
  /// The instance of `time_enabled` and `time_running` for this count, nil if it is always counted.
  public let times: String?
  /// The value after which the counter continues from zero, if that is not a power of two (energy
  /// of RAPL); nil if it wraps by its metric's width.
  public let range: UInt64?
  /// It is a sum over instances, even if its metric is not at single instances.
  public let isSum: Bool
  /// The parts of a sum, such as the CPUs `0-3,5`, or the device (`8:0`) where another may get its
  /// name. The counter continues in the next layout if this is equal. Nil for a sum that restarts
  /// with each layout, and where the name is sufficient.
  public let identity: String?
  /// It was missing in a known reading, and counts from zero since then.
  public let startsAtZero: Bool

  /// The name of the formula's column with the share of time for which this was counted.
  package var share: String? { times.map { "\(prefix).running[\($0)]" } }

  /// The column, counting from zero since a reading in which it was missing.
  package var startingAtZero: Column {
    Column(
      collector: prefix, metric: metric, instance: instance, times: times, range: range,
      isSum: isSum, identity: identity, startsAtZero: true)
  }

  /// The name before its first point.
  fileprivate var prefix: String { String(name.prefix { $0 != "." }) }

  /// The column of `metric` at `instance` under its full name; a `range` of 0 is none.
  public init(
    collector: String, metric: MetricDescription, instance: String, times: String? = nil,
    range: UInt64? = nil, isSum: Bool = false, identity: String? = nil,
    startsAtZero: Bool = false
  ) {
    self.times = times.map(OSText.distinct)
    self.isSum = isSum || metric.isSum
    self.identity = identity
    self.startsAtZero = startsAtZero
    self.range = range == 0 ? nil : range
    self.metric = metric
    self.instance = OSText.distinct(instance)
    let name = "\(collector).\(metric.name)"
    self.name = instance.isEmpty ? name : "\(name)[\(self.instance)]"
  }
}

/// The ordered columns of one collector at one time.
///
/// Hotplug makes a new layout with the next epoch; a column never changes its index within one.
package struct Layout: Sendable, Hashable {
  /// The collector's name.
  public let collector: String
  /// Index of the collector within the session.
  public let stream: UInt16
  /// 1 for the first layout, one more after each change.
  public package(set) var epoch: UInt32
  /// The columns, in the order of a frame's values.
  public let columns: [Column]
  /// The formulas over the columns.
  public let formulas: [Formula]
  /// The smallest share of time counted from which a count is scaled up; below it, the value is
  /// absent.
  public let minimumRunningRatio: Double

  /// A layout of `collector`, the session's stream number `stream`.
  public init(
    collector: String, stream: UInt16, epoch: UInt32, columns: [Column],
    formulas: [Formula] = [], minimumRunningRatio: Double = 0
  ) {
    self.collector = collector
    self.stream = stream
    self.epoch = epoch
    self.columns = columns
    self.formulas = formulas
    self.minimumRunningRatio = minimumRunningRatio
  }

  /// The columns shown: those of the frame, then those of the formulas.
  public var shown: [Column] { formulas.isEmpty ? columns : columns + formulas.map(\.column) }
}

extension Layout {
  /// For each column the indices of its time columns, nil without them.
  package func timeColumns() -> [(enabled: Int, running: Int)?] {
    guard columns.contains(where: { $0.times != nil }) else {
      return Array(repeating: nil, count: columns.count)
    }
    var indices: [String: Int] = [:]
    for (index, column) in columns.enumerated() {
      indices["\(column.metric.name)[\(column.instance)]"] = index
    }
    return columns.map { column in
      guard let times = column.times, let enabled = indices["time_enabled[\(times)]"],
        let running = indices["time_running[\(times)]"]
      else { return nil }
      return (enabled, running)
    }
  }

  /// Whether each column is kept if `passes` selects names: with a count its times are kept, and
  /// with a formula its parts.
  package func kept(_ passes: (String) -> Bool) -> [Bool] {
    let parts = Set(formulas.filter { passes($0.column.name) }.flatMap(\.tokens))
    let kept = columns.map { passes($0.name) || parts.contains($0.name) }
    let times = Set(zip(columns, kept).compactMap { $1 ? $0.times : nil })
    guard !times.isEmpty else { return kept }
    return zip(columns, kept).map { column, isKept in
      isKept
        || ["time_enabled", "time_running"].contains(column.metric.name)
          && times.contains(column.instance)
    }
  }

  /// The layout of the selected columns and formulas.
  package func choosing(_ passes: (String) -> Bool) -> Layout {
    Layout(
      collector: collector, stream: stream, epoch: epoch,
      columns: zip(columns, kept(passes)).filter(\.1).map(\.0),
      formulas: formulas.filter { passes($0.column.name) }, minimumRunningRatio: minimumRunningRatio
    )
  }
}

extension Layout: Codable {
  /// Each metric is stored once, and for each column its metric's index and its instance: a
  /// thousand devices have a dozen metrics.
  private enum Key: String, CodingKey {
    case collector, stream, epoch, prefix, metrics, metric, instance, times, formulas
    case minimumRunningRatio = "leastShare"
    case ranges, sums, fresh
    // The identities, under their old name, when only sums had one.
    case compositions, composition
  }

  private struct StoredFormula: Codable {
    let metric: MetricDescription
    let instance: String
    let tokens: [String]
  }

  /// Writes the layout with each metric described once.
  public func encode(to encoder: any Encoder) throws {
    var indices: [MetricDescription: Int] = [:]
    var metrics: [MetricDescription] = []
    var metric: [Int] = []
    for column in columns {
      let index = indices[column.metric] ?? metrics.count
      if index == metrics.count {
        indices[column.metric] = index
        metrics.append(column.metric)
      }
      metric.append(index)
    }
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(collector, forKey: .collector)
    try container.encode(stream, forKey: .stream)
    try container.encode(epoch, forKey: .epoch)
    try container.encode(columns.first?.prefix ?? collector, forKey: .prefix)
    try container.encode(metrics, forKey: .metrics)
    try container.encode(metric, forKey: .metric)
    try container.encode(columns.map(\.instance), forKey: .instance)
    if minimumRunningRatio > 0 {
      try container.encode(minimumRunningRatio, forKey: .minimumRunningRatio)
    }
    if !formulas.isEmpty {
      let stored = formulas.map {
        StoredFormula(metric: $0.column.metric, instance: $0.column.instance, tokens: $0.tokens)
      }
      try container.encode(stored, forKey: .formulas)
    }
    if columns.contains(where: { $0.range != nil }) {
      try container.encode(columns.map(\.range), forKey: .ranges)
    }
    if columns.contains(where: { $0.isSum && !$0.metric.isSum }) {
      try container.encode(columns.map(\.isSum), forKey: .sums)
    }
    try encodeOrigins(&container)
    guard columns.contains(where: { $0.times != nil }) else { return }
    try container.encode(columns.map(\.times), forKey: .times)
  }

  /// Stores each identity once, and for each column its index, -1 for none; also the indices of
  /// columns that start at zero.
  private func encodeOrigins(_ container: inout KeyedEncodingContainer<Key>) throws {
    let fresh = columns.indices.filter { columns[$0].startsAtZero }
    if !fresh.isEmpty { try container.encode(fresh, forKey: .fresh) }
    guard columns.contains(where: { $0.identity != nil }) else { return }
    var indices: [String: Int] = [:]
    var all: [String] = []
    let identity = columns.map { column -> Int in
      guard let parts = column.identity else { return -1 }
      if let known = indices[parts] { return known }
      indices[parts] = all.count
      all.append(parts)
      return all.count - 1
    }
    try container.encode(all, forKey: .compositions)
    try container.encode(identity, forKey: .composition)
  }

  /// Limits for untrusted files: bytes of all columns' names, which repeat the prefix and the
  /// metric's name, and tokens of one formula.
  private static let nameBytes = 1 << 28
  private static let formulaTokens = 1024

  /// Reads a stored layout. Invalid indices, lists of different lengths, and names or formulas
  /// above the limits are refused.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let prefix = try container.decode(String.self, forKey: .prefix)
    let metrics = try container.decode([MetricDescription].self, forKey: .metrics)
    let metric = try container.decode([Int].self, forKey: .metric)
    let instance = try container.decode([String].self, forKey: .instance)
    let times =
      try container.decodeIfPresent([String?].self, forKey: .times)
      ?? Array(repeating: nil, count: instance.count)
    let sums =
      try container.decodeIfPresent([Bool].self, forKey: .sums)
      ?? Array(repeating: false, count: instance.count)
    let ranges =
      try container.decodeIfPresent([UInt64?].self, forKey: .ranges)
      ?? Array(repeating: nil, count: instance.count)
    let identities = try container.decodeIfPresent([String].self, forKey: .compositions) ?? []
    let identity =
      try container.decodeIfPresent([Int].self, forKey: .composition)
      ?? Array(repeating: -1, count: instance.count)
    let fresh = Set(try container.decodeIfPresent([Int].self, forKey: .fresh) ?? [])
    guard metric.count == instance.count, times.count == instance.count,
      ranges.count == instance.count, sums.count == instance.count,
      identity.count == instance.count,
      identity.allSatisfy({ $0 == -1 || identities.indices.contains($0) }),
      fresh.allSatisfy(instance.indices.contains),
      metric.allSatisfy(metrics.indices.contains)
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .metric, in: container, debugDescription: "columns do not fit the metrics")
    }
    let formulas = try container.decodeIfPresent([StoredFormula].self, forKey: .formulas) ?? []
    let longest = metrics.reduce(0) { max($0, $1.name.utf8.count) }
    let names = (prefix.utf8.count + longest)
      .multipliedReportingOverflow(by: metric.count + formulas.count)
    guard !names.overflow, names.partialValue <= Self.nameBytes,
      formulas.allSatisfy({ $0.tokens.count <= Self.formulaTokens })
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .metric, in: container, debugDescription: "names or formulas out of proportion")
    }
    self.init(
      collector: try container.decode(String.self, forKey: .collector),
      stream: try container.decode(UInt16.self, forKey: .stream),
      epoch: try container.decode(UInt32.self, forKey: .epoch),
      columns: metric.indices.map {
        Column(
          collector: prefix, metric: metrics[metric[$0]], instance: instance[$0],
          times: times[$0], range: ranges[$0], isSum: sums[$0],
          identity: identity[$0] < 0 ? nil : identities[identity[$0]],
          startsAtZero: fresh.contains($0))
      },
      formulas: formulas.map {
        Formula(
          Column(collector: prefix, metric: $0.metric, instance: $0.instance), tokens: $0.tokens)
      },
      minimumRunningRatio: try container.decodeIfPresent(Double.self, forKey: .minimumRunningRatio)
        ?? 0)
  }
}

/// One field of a record row, for display.
package struct RecordValue: Sendable, Equatable {
  /// The value of a field.
  package enum Content: Sendable, Equatable {
    case number(UInt64)
    case text(String)
  }

  package let name: String
  package let content: Content

  /// The present fields of row number `row`; text fields of one name are joined.
  package static func read(
    _ rows: Span<UInt64>, row: Int, _ schema: RecordSchema
  ) -> [RecordValue] {
    var values: [RecordValue] = []
    for (index, field) in schema.fields.enumerated() {
      let word = rows[row * schema.fields.count + index]
      guard field.unit == .text else {
        guard word != RecordSchema.absent else { continue }
        let number = field.scale.exactly(word) ?? word
        values.append(RecordValue(name: field.name, content: .number(number)))
        continue
      }
      var text = ""
      if let last = values.last, last.name == field.name, case .text(let start) = last.content {
        text = start
        values.removeLast()
      }
      let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }.prefix { $0 != 0 }
      // A character may extend over two words.
      text = OSText.string(OSText.bytes(text) + bytes)
      values.append(RecordValue(name: field.name, content: .text(text)))
    }
    return values
  }
}

/// The fixed-width schema of one kind of record (a process, an exit, a flow).
///
/// Records are rows about things too short-lived for columns. Each field is one 64-bit word; all
/// ones: absent.
package struct RecordSchema: Sendable, Hashable, Codable {
  /// The word of a field that a row does not have.
  public static let absent = UInt64.max

  /// The collector's name.
  public let collector: String
  /// Index of the collector within the session.
  public let stream: UInt16
  /// The kind of row: `process`, `exit`, `flow`.
  public let name: String
  /// The row's words, in order.
  public let fields: [MetricDescription]
  /// The most rows that one tick may carry; further ones are counted as lost.
  public let rowsPerTick: Int

  /// A schema whose rows have one word for each of `fields`.
  public init(
    collector: String, stream: UInt16, name: String, fields: [MetricDescription], rowsPerTick: Int
  ) {
    precondition(!fields.isEmpty && rowsPerTick > 0, "a record has fields and a bound")
    self.collector = collector
    self.stream = stream
    self.name = name
    self.fields = fields
    self.rowsPerTick = rowsPerTick
  }

  /// Reads a stored schema; one without fields or without a bound is refused.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    collector = try container.decode(String.self, forKey: .collector)
    stream = try container.decode(UInt16.self, forKey: .stream)
    name = try container.decode(String.self, forKey: .name)
    fields = try container.decode([MetricDescription].self, forKey: .fields)
    rowsPerTick = try container.decode(Int.self, forKey: .rowsPerTick)
    guard !fields.isEmpty, rowsPerTick > 0 else {
      throw DecodingError.dataCorruptedError(
        forKey: .fields, in: container,
        debugDescription: "a record of \(fields.count) fields and \(rowsPerTick) rows a tick")
    }
  }
}
