package import SampleModel

/// A line of the view: a row of the table, or what stands between rows.
package struct ViewEntry: Sendable {
  /// The content of the entry.
  package enum Content: Sendable {
    /// Values by the places of `ViewColumns`, not a number where one is absent; and the places of
    /// those that were counted for a part of the time only.
    case row([Double], partial: [Int])
    /// Text of records, of an event, or where a repetition begins.
    case text(String, Kind)
  }

  /// The kinds of text.
  package enum Kind: Sendable {
    case records, event, repetition
  }

  /// Nanoseconds of the time line, in which lines are ordered: of a row its deadline.
  package let key: UInt64
  /// Unix nanoseconds.
  package let time: UInt64
  /// The bracket of a row, 0 of any other line.
  package let bracket: UInt32
  package let content: Content

  /// A line at a time.
  package init(key: UInt64, time: UInt64, bracket: UInt32 = 0, _ content: Content) {
    self.key = key
    self.time = time
    self.bracket = bracket
    self.content = content
  }

  /// Its values, where it is a row.
  var values: [Double]? {
    if case .row(let values, _) = content { values } else { nil }
  }

  /// Whether it is text of this kind.
  func isText(of kind: Kind) -> Bool {
    if case .text(_, let own) = content { own == kind } else { false }
  }
}

/// The columns of all rows that a view has had so far. A row keeps the places of its values when
/// other columns come.
package final class ViewColumns {
  /// Characters of a heading; a name may have any number.
  private static let headingLimit = 24
  private static let groupLimit = 64

  /// By place.
  package private(set) var all: [TableColumn] = []
  /// Places, in the order of the table.
  package private(set) var order: [Int] = []
  private var indices: [ExactText: Int] = [:]

  /// No columns yet.
  package init() {}

  /// Takes the columns of rows; returns their places.
  package func take(_ columns: [TableColumn]) -> [Int] {
    var before: Int?
    return columns.map { column in
      let name = ExactText(column.source)
      let index = indices[name] ?? add(column, name, after: before)
      before = index
      return index
    }
  }

  private func add(_ column: TableColumn, _ name: ExactText, after before: Int?) -> Int {
    var known = TableColumn(
      group: TableView.cut(column.group, to: Self.groupLimit, "…"),
      heading: TableView.cut(column.heading.shownInLine, to: Self.headingLimit, "…"),
      source: column.source, format: column.format, rank: column.rank)
    known.unit = column.unit
    indices[name] = all.count
    all.append(known)
    let next = before.flatMap { order.firstIndex(of: $0) }.map { $0 + 1 } ?? order.count
    order.insert(all.count - 1, at: next)
    return all.count - 1
  }

  /// The places in pages that fit a width: the first has those that matter most, as the table has
  /// them, the others those for which the table has no room.
  func pages(width: Int, clockWidth: Int, _ passes: (TableColumn) -> Bool) -> [[Int]] {
    var rest = order.filter { passes(all[$0]) }
    var pages: [[Int]] = []
    while !rest.isEmpty {
      let fitted: [Int]
      if pages.isEmpty {
        let kept = TableView.fit(rest.map { all[$0] }, width: width, fixed: clockWidth).kept
        let names = Set(kept.map { ExactText($0.source) })
        fitted = rest.filter { names.contains(ExactText(all[$0].source)) }
      } else {
        fitted = fill(rest, width: width - clockWidth)
      }
      pages.append(fitted)
      let taken = Set(fitted)
      rest.removeAll { taken.contains($0) }
    }
    return pages.isEmpty ? [[]] : pages
  }

  /// As many as fit, at least one.
  private func fill(_ indices: [Int], width: Int) -> [Int] {
    var used = 0
    var group: String?
    let fitting = indices.prefix { index in
      used += 1 + all[index].width + (all[index].group == group ? 0 : 2)
      group = all[index].group
      return used <= width
    }
    return Array(fitting.isEmpty ? indices.prefix(1) : fitting)
  }
}

/// Makes lines of a view of the rows of a table. Of more than `limit` it keeps the first, or the
/// last, ones.
package final class ViewRows: TableReceiver {
  private let columns: ViewColumns
  private let range: Range<UInt64>
  private let limit: Int
  private let keepsLast: Bool
  private let clock: (UInt64) -> String
  private var indices: [Int] = []
  package private(set) var entries: [ViewEntry] = []
  /// Whether there is no room for more of the first ones.
  package var isFull: Bool { !keepsLast && entries.count >= limit }

  /// Takes rows with keys in `range`.
  package init(
    _ columns: ViewColumns, range: Range<UInt64> = 0..<UInt64.max, limit: Int = .max,
    keepsLast: Bool = false, clock: @escaping (UInt64) -> String
  ) {
    self.columns = columns
    self.range = range
    self.limit = limit
    self.keepsLast = keepsLast
    self.clock = clock
  }

  /// The lines so far, which are forgotten here.
  package func takeAll() -> [ViewEntry] {
    defer { entries = [] }
    return entries
  }

  /// Columns of the following rows.
  package func columns(_ columns: [TableColumn]) { indices = self.columns.take(columns) }

  /// Takes a row, and the lines below it.
  package func row(_ row: TableRow) {
    // The first reading has no deadline.
    let key = row.header.deadline == 0 ? row.header.start : row.header.deadline
    guard range.contains(key), !isFull else { return }
    var values = [Double](repeating: .nan, count: columns.all.count)
    for (index, value) in zip(indices, row.values) {
      if let value { values[index] = value }
    }
    add(
      ViewEntry(
        key: key, time: row.time, bracket: row.header.bracket,
        .row(values, partial: row.partial.map { indices[$0] })))
    for line in row.below { add(ViewEntry(key: key, time: row.time, .text(line, .records))) }
  }

  /// Takes lines of records.
  package func lines(_ lines: [String], at start: UInt64, time: UInt64) {
    guard range.contains(start), !isFull else { return }
    for line in lines { add(ViewEntry(key: start, time: time, .text(line, .records))) }
  }

  /// An event is a line of its own where the view is live; a stored run's are known before.
  package func event(_ event: SampleEvent) {}

  private func add(_ entry: ViewEntry) {
    entries.append(entry)
    // Twice the limit, so that removing costs little.
    if keepsLast, entries.count >= 2 * limit { entries.removeFirst(entries.count - limit) }
  }
}
