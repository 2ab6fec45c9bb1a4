import SampleModel

/// The heading of the table.
extension TableView {
  /// The unit of a metric's cells, to which each cell adds its prefix; counters are shown as rates.
  static func unit(_ metric: MetricDescription, _ format: CellFormat) -> String {
    let isLevel = metric.kind == .gauge
    switch (format, metric.unit) {
    case (.percent, _): return "%"
    case (.milliseconds, _): return "ms"
    case (.bytes, _): return isLevel ? "B" : "B/s"
    case (_, .celsius): return "C"
    case (_, .hertz): return "Hz"
    case (_, .joules): return isLevel ? "J" : "W"
    case (_, .bitsPerSecond): return "bit/s"
    case (_, .ratio): return ""
    // A time by the time is a number of CPUs.
    case (_, .nanoseconds): return isLevel ? "ns" : "CPUs"
    default: return isLevel ? "" : "/s"
    }
  }

  /// The lines above the rows: groups, headings, and units where any column has one.
  static func heading(
    _ columns: [TableColumn], clockWidth: Int, ellipsis: Character
  ) -> [String] {
    var top = String(repeating: " ", count: clockWidth)
    var middle = "time" + String(repeating: " ", count: clockWidth - 4)
    var bottom = top
    var rest = columns[...]
    while let group = rest.first?.group {
      let members = rest.prefix { $0.group == group }
      rest = rest.dropFirst(members.count)
      let width = members.reduce(0) { $0 + 1 + $1.width }
      let title = cut(group.shownInLine, to: max(1, width - 1), ellipsis)
      let left = (width - title.count) / 2
      top +=
        " |" + String(repeating: " ", count: left) + title
        + String(repeating: " ", count: width - title.count - left)
      middle += " |" + members.map { " " + pad($0.heading, $0.width) }.joined()
      bottom += " |" + members.map { " " + pad($0.unit, $0.width) }.joined()
    }
    return columns.allSatisfy(\.unit.isEmpty) ? [top, middle] : [top, middle, bottom]
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// Terminal columns that these take, separators between groups included.
  static func width(of columns: [TableColumn]) -> Int {
    var width = 0
    var group: String?
    for column in columns {
      width += 1 + column.width
      if column.group != group { width += 2 }
      group = column.group
    }
    return width
  }

  /// A name in `width` columns, with a mark where some of it is missing: of a path the front, since
  /// its end tells it apart.
  static func cut(_ name: String, to width: Int, _ ellipsis: Character) -> String {
    guard name.count > width else { return name }
    return name.begins("/")
      ? "\(ellipsis)\(name.suffix(width - 1))" : "\(name.prefix(width - 1))\(ellipsis)"
  }

  /// A line about the shown columns of a table that does not show all; nil for a complete one.
  static func glance(
    _ kept: [TableColumn], of count: Int, _ layouts: [Layout], isChosen: Bool
  ) -> String? {
    guard kept.count < count else { return nil }
    let sources = Set(kept.map(\.source))
    let shown = layouts.filter { layout in
      layout.shown.contains { sources.contains($0.name) }
    }.map(\.collector)
    var share = "\(kept.count) of \(count) columns"
    if shown.count < layouts.count {
      share = "\(shown.count) of \(layouts.count) collectors, " + share
    }
    return "table: \(shown.joined(separator: ", ")) (\(share); "
      + (isChosen ? "a wider window has more)" : "--only chooses others)")
  }
}
