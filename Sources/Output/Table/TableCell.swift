import SampleModel

/// One cell of each row of the table. Names are looked up once: a row is put together without them.
package struct TableCell: Sendable {
  let format: CellFormat
  let width: Int
  /// Places of the row's values.
  let source: Int
  let divisor: Int?
  let share: Int?
  /// A further divisor of values.
  let parts: Double
  let beginsGroup: Bool
  let isIdle: Bool
  let isLoss: Bool

  /// The cell of `column`, the number of CPUs being `cpuCount`; `slot` gives the index of a value
  /// by its name.
  init(
    _ column: TableColumn, beginsGroup: Bool, cpuCount: Int, slot: (String) -> Int
  ) {
    // The line of all CPUs adds their times up: 100 % is what all of them have.
    let isOfAll = column.format == .percent && column.source.hasSuffix("[all]")
    format = column.format
    width = column.width
    source = slot(column.source)
    divisor = column.divisor.map(slot)
    share = column.share.map(slot)
    parts = isOfAll ? Double(cpuCount) : 1
    self.beginsGroup = beginsGroup
    isIdle = column.source.hasPrefix("cpu.idle")
    isLoss = ["drp in", "err in"].contains(column.heading)
  }

  /// Its value in a row of these values; nil for none.
  func value(_ values: [Double?]) -> Double? {
    guard let value = values[source] else { return nil }
    guard let divisor else { return value / parts }
    guard let count = values[divisor], count > 0 else { return nil }
    return value / count
  }

  /// Whether its value was counted for a part of the time only.
  func isPartial(_ values: [Double?]) -> Bool {
    share.map { (values[$0] ?? 1) < 1 } ?? false
  }

  /// Appends the number, or a dash for none.
  static func append(
    _ value: Double?, _ format: CellFormat, isPartial: Bool, to text: inout TextBuffer
  ) {
    guard let value else { return text.append(ascii: "-") }
    if isPartial { text.append(ascii: "~") }
    format.append(value, to: &text)
  }

  /// The cell's text, with what stands in front of it.
  func text(_ value: Double?, isPartial: Bool, colour: Bool) -> TextBuffer {
    var number = TextBuffer()
    Self.append(value, format, isPartial: isPartial, to: &number)
    var text = TextBuffer()
    if beginsGroup { text.append(" |") }
    text.append(spaces: 1 + max(0, width - number.bytes.count))
    let colour = colour ? value.flatMap { Self.colour($0, format, isIdle, isLoss) } : nil
    if let colour { text.append("\u{1b}[\(colour)m") }
    text.append(number)
    if colour != nil { text.append("\u{1b}[0m") }
    return text
  }

  /// Nothing is dim, a busy share is yellow, a nearly full one or any loss is red.
  static func colour(
    _ value: Double, _ format: CellFormat, _ isIdle: Bool, _ isLoss: Bool
  ) -> String? {
    switch format {
    case _ where value == 0: "2"
    case .percent where !isIdle && value >= 0.9: "31"
    case .percent where !isIdle && value >= 0.5: "33"
    case _ where isLoss: "31"
    case .bytes where value >= 1_048_576: "36"
    default: nil
    }
  }
}
