package import SampleModel

/// Writes families and their series in one of the text formats.
package struct ExpositionWriter {
  /// The times of one series' value.
  package struct Times: Sendable, Equatable {
    /// Unix nanoseconds of the reading.
    package var read: UInt64
    /// Unix nanoseconds at which the counter began; nil if that is unknown.
    package var created: UInt64?

    /// The time of a reading.
    package init(read: UInt64, created: UInt64? = nil) {
      self.read = read
      self.created = created
    }
  }

  package let format: ExpositionFormat
  /// Whether counters have the time at which they began, where the format can have it.
  private let hasCreated: Bool
  /// What is written so far.
  package private(set) var buffer = TextBuffer()
  private var family: MetricFamily?
  private var sampleName = ""

  /// A writer of nothing yet.
  package init(_ format: ExpositionFormat, hasCreated: Bool = true) {
    self.format = format
    self.hasCreated = hasCreated && format == .openMetrics
  }

  /// Forgets what is written, which its reader has taken.
  package mutating func clear() { buffer.clear() }

  /// Begins a family: all of its series follow, before the next one. One that is not `isAnnounced`
  /// continues what another writer began.
  package mutating func begin(_ family: MetricFamily, isAnnounced: Bool = true) {
    self.family = family
    sampleName = family.sampleName
    guard isAnnounced else { return }
    let name = format == .openMetrics ? family.name : sampleName
    buffer.append("# TYPE \(name) \(family.kind.rawValue)\n")
    if format == .openMetrics, let unit = family.unit {
      buffer.append("# UNIT \(name) \(unit)\n")
    }
    buffer.append("# HELP \(name) ")
    buffer.append(Self.escaped(family.help, quotes: format == .openMetrics))
    buffer.append(ascii: "\n")
  }

  /// Writes one series' value; `labels` as `labels(_:)` made them, `times` only where they are to
  /// be written. A value that is no number is left out.
  package mutating func sample(_ labels: String, _ value: ExposedValue, _ times: Times? = nil) {
    if case .real(let number) = value, number.isNaN { return }
    line(sampleName, labels, value, times?.read)
    guard hasCreated, let family, family.kind == .counter, let created = times?.created else {
      return
    }
    line(family.name + "_created", labels, .nanoseconds(created), times?.read)
  }

  private mutating func line(
    _ name: String, _ labels: String, _ value: ExposedValue, _ time: UInt64?
  ) {
    buffer.append(name)
    if !labels.isEmpty {
      buffer.append(ascii: "{")
      buffer.append(labels)
      buffer.append(ascii: "}")
    }
    buffer.append(ascii: " ")
    switch value {
    case .integer(let number): buffer.append(number: number)
    case .nanoseconds(let number): append(seconds: number)
    case .real(let number) where number.isInfinite: buffer.append(number > 0 ? "+Inf" : "-Inf")
    case .real(let number): buffer.append(real: number)
    }
    if let time {
      buffer.append(ascii: " ")
      switch format {
      case .openMetrics: append(seconds: time)
      case .text: buffer.append(number: time / 1_000_000)
      }
    }
    buffer.append(ascii: "\n")
  }

  /// Nanoseconds as exact seconds, without zeros at the end.
  private mutating func append(seconds nanoseconds: UInt64) {
    buffer.append(number: nanoseconds / 1_000_000_000)
    var rest = nanoseconds % 1_000_000_000
    guard rest > 0 else { return }
    var places = 9
    while rest % 10 == 0 {
      rest /= 10
      places -= 1
    }
    let digits = String(rest)
    buffer.append(ascii: ".")
    buffer.append(String(repeating: "0", count: places - digits.utf8.count) + digits)
  }

  /// Ends the text: OpenMetrics says so, to be known from one that was cut.
  package mutating func end() {
    if format == .openMetrics { buffer.append("# EOF\n") }
  }

  /// Labels between their braces: `cpu="0",mode="user"`. Names are valid; values are anybody's.
  package static func labels(_ labels: [(name: String, value: String)]) -> String {
    labels.map { "\($0.name)=\"\(escaped(OSText.written($0.value), quotes: true))\"" }
      .joined(separator: ",")
  }

  /// With backslashes before what would end a line or a text.
  private static func escaped(_ text: String, quotes: Bool) -> String {
    guard text.utf8.contains(where: { $0 == 10 || $0 == 92 || $0 == 34 }) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
