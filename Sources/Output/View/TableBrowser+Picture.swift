package import SampleModel

/// What the view looks like.
extension TableBrowser {
  /// Rows that one mark of the history has.
  private static let rowsOfMark = 4

  /// The least that a table can be seen in.
  package static let least = (columns: 20, rows: 6)

  /// Lines of rows on the screen.
  var bodyRows: Int { max(1, size.rows - headingRows - 1) }

  private var headingRows: Int { size.rows < 10 ? 3 : 4 }

  private var shownColumns: [Int] {
    let all = columnPages
    return all[min(page, all.count - 1)]
  }

  /// The lines of the screen, as many as it has.
  package func picture() throws(LBError) -> [String] {
    try settle()
    var lines: [String]
    if let help {
      lines = ViewHelp.lines[help...].prefix(size.rows - 1).map { fitted($0) }
    } else {
      lines = headings()
      if window.entries.isEmpty { lines.append(fitted(isLive ? "no row yet" : "no rows")) }
      for index in window.entries.indices[top...].prefix(bodyRows) { lines.append(line(index)) }
    }
    while lines.count < size.rows - 1 { lines.append("") }
    return lines.prefix(size.rows - 1) + [lastLine()]
  }

  /// Reads what the screen needs, and keeps the cursor on it.
  private func settle() throws(LBError) {
    let body = bodyRows
    if window.entries.isEmpty, try window.readMore() == 0 { return }
    // The history needs rows before the cursor.
    let before = max(body, Self.rowsOfMark * 8)
    while cursor < before {
      let more = try window.readEarlier()
      if more == 0 { break }
      (cursor, top) = (cursor + more, top + more)
    }
    while window.entries.count - cursor <= body {
      if try window.readMore() == 0 { break }
    }
    trim()
    cursor = max(0, min(cursor, window.entries.count - 1))
    if cursor < top { top = cursor }
    if cursor >= top + body { top = cursor - body + 1 }
    top = max(0, min(top, window.entries.count - body))
  }

  private func marked(_ line: String, _ mark: String) -> String {
    "\u{1b}[\(mark)m\(line)\u{1b}[0m"
  }

  private func fitted(_ text: String) -> String {
    TableView.cut(text, to: size.columns, style.ellipsis)
  }

  private func padded(_ text: String) -> String {
    let text = fitted(text)
    return text + String(repeating: " ", count: max(0, size.columns - text.count))
  }

  private func headings() -> [String] {
    let shown = shownColumns.map { columns.all[$0] }
    var lines = TableView.heading(shown, clockWidth: clockWidth, ellipsis: style.ellipsis)
    if lines.count < 3 { lines.append("") }
    lines = lines.map { fitted($0) }
    if headingRows > lines.count { lines.append(fitted(history())) }
    let last = lines.count - 1
    lines[last] = marked(padded(lines[last]), "4")
    lines[0] = marked(lines[0], "1")
    return lines
  }

  // MARK: Rows

  private func line(_ index: Int) -> String {
    let entry = window.entries[index]
    let isCursor = index == cursor && !isFollowing
    switch entry.content {
    case .row(let values, let partial):
      if isCursor { return marked(padded(row(entry, values, partial, colour: false)), "7") }
      return row(entry, values, partial, colour: style.colour)
    case .text(let text, let kind):
      let line = fitted(kind == .records ? text : "\(style.clock(entry.time)) \(text)")
      if isCursor { return marked(padded(line), "7") }
      return kind == .records ? line : marked(line, kind == .event ? "3" : "1")
    }
  }

  /// A line as it is without marks.
  func text(of entry: ViewEntry) -> String {
    switch entry.content {
    case .row(let values, let partial): row(entry, values, partial, colour: false)
    case .text(let text, _): text
    }
  }

  private func row(
    _ entry: ViewEntry, _ values: [Double], _ partial: [Int], colour: Bool
  ) -> String {
    var text = TextBuffer()
    text.append(style.clock(entry.time))
    var group: String?
    for index in shownColumns {
      let column = columns.all[index]
      let value = index < values.count && !values[index].isNaN ? values[index] : nil
      var number = TextBuffer()
      TableCell.append(
        value, column.format, isPartial: partial.contains(index), to: &number)
      if column.group != group { text.append(" |") }
      group = column.group
      text.append(spaces: 1 + max(0, column.width - number.bytes.count))
      let mark =
        colour
        ? value.flatMap {
          TableCell.colour(
            $0, column.format, column.source.hasPrefix("cpu.idle"),
            ["drp in", "err in"].contains(column.heading))
        } : nil
      if let mark { text.append("\u{1b}[\(mark)m") }
      text.append(number)
      if mark != nil { text.append("\u{1b}[0m") }
    }
    return String(decoding: text.bytes, as: UTF8.self)
  }

  // MARK: History

  /// A mark for some rows before the cursor each, in each column.
  private func history() -> String {
    var line = String("history".prefix(clockWidth))
    line += String(repeating: " ", count: clockWidth - line.count)
    var group: String?
    let widest = shownColumns.map { columns.all[$0].width }.max() ?? 0
    let rows = lastRows(of: Self.rowsOfMark * widest)
    for index in shownColumns {
      let column = columns.all[index]
      line += column.group == group ? " " : " | "
      group = column.group
      line += Self.history(
        rows.map { index < $0.count && !$0[index].isNaN ? $0[index] : nil }, column, style.marks)
    }
    return line
  }

  /// The values of the last rows up to the cursor.
  private func lastRows(of count: Int) -> [[Double]] {
    var rows: [[Double]] = []
    var index = min(cursor, window.entries.count - 1)
    while index >= 0, rows.count < count {
      if let values = window.entries[index].values { rows.append(values) }
      index -= 1
    }
    return rows.reversed()
  }

  /// Marks of these values, of which the last ones end at the right.
  static func history(
    _ values: [Double?], _ column: TableColumn, _ marks: Sparkline.Marks
  ) -> String {
    let values = values.suffix(rowsOfMark * column.width)
    var heights: [Double?] = []
    var rest = values[...]
    while !rest.isEmpty {
      // From the end, so that a full mark stays as it is.
      heights.insert(rest.suffix(rowsOfMark).compactMap { $0 }.max(), at: 0)
      rest = rest.dropLast(rowsOfMark)
    }
    let known = heights.compactMap { $0 }.filter(\.isFinite)
    // A level may be far from zero all the time.
    let isLevel = column.format != .percent && column.unit == "B"
    let low = isLevel ? known.min() ?? 0 : 0
    let high = column.format == .percent ? 1 : known.max() ?? 0
    let levels = marks.levels
    let text = heights.map { height -> Character in
      guard let height, height.isFinite else { return " " }
      guard high > low else { return levels[0] }
      let share = min(1, max(0, (height - low) / (high - low)))
      return levels[Int((share * Double(levels.count - 1)).rounded())]
    }
    return String(repeating: " ", count: column.width - text.count) + String(text)
  }

  // MARK: The last line

  private func lastLine() -> String {
    if let prompt {
      let words: String =
        switch prompt.kind {
        case .search: "/"
        case .searchBack: "?"
        case .time: "go to: "
        case .columns: "columns: "
        }
      let typed = (words + prompt.text.shownInLine).suffix(max(1, size.columns - 1))
      return String(typed) + marked(" ", "7")
    }
    if let search { return marked(padded("searching \(search.text.shownInLine) …"), "7") }
    let right = help == nil ? "h help  q quit" : "any key returns"
    var parts = [style.title.shownInLine]
    if let message {
      parts = [message]
    } else if help == nil {
      parts += position()
    }
    let left = parts.joined(separator: "  ")
    // The last column stays free: a terminal may wrap after it.
    let room = size.columns - right.count - 3
    guard message == nil, room > 12 else { return marked(padded(left), "7") }
    let cut = TableView.cut(left, to: room, style.ellipsis)
    let gap = String(repeating: " ", count: room + 2 - cut.count)
    return marked(cut + gap + right, "7")
  }

  /// Where the cursor is.
  private func position() -> [String] {
    guard window.entries.indices.contains(cursor) else { return [] }
    let entry = window.entries[cursor]
    var parts = [style.clock(entry.time)]
    let pages = columnPages.count
    if pages > 1 { parts.append("columns \(min(page, pages - 1) + 1)/\(pages)") }
    if isLive {
      parts.append(isFollowing ? "live" : "paused: G follows")
      return parts
    }
    let elapsed = entry.key > origin ? entry.key - origin : 0
    parts.append("+" + Durations.brief(elapsed / 1_000_000 * 1_000_000))
    let keys = shownKeys
    let length = Double(keys.upperBound - keys.lowerBound)
    let share = length > 0 ? Double(entry.key - min(entry.key, keys.lowerBound)) / length : 1
    parts.append("\(Int((min(1, share) * 100).rounded()))%")
    if let label = style.label(entry.bracket) { parts.append(label.shownInLine) }
    return parts
  }
}
