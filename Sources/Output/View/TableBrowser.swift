package import SampleModel

/// The full-screen view of a table: rows, columns and a cursor in time, moved by keys like those of
/// less. It knows no terminal: keys come in, lines go out.
package final class TableBrowser {
  /// How the view looks.
  package struct Style {
    package var colour = false
    package var ellipsis: Character = "…"
    package var marks = Sparkline.Marks.digits
    /// Unix nanoseconds as a time of day, always in the same width.
    package var clock: (UInt64) -> String
    /// What is viewed.
    package var title: String
    /// The repetition of a bracket, in words.
    package var label: (UInt32) -> String?

    /// A view without colour.
    package init(
      title: String, clock: @escaping (UInt64) -> String, label: @escaping (UInt32) -> String?
    ) {
      self.title = title
      self.clock = clock
      self.label = label
    }
  }

  /// What is typed after a key that asks for more.
  struct Prompt {
    enum Kind: Character {
      case search = "/"
      case searchBack = "?"
      case time = "t"
      case columns = "&"
    }
    let kind: Kind
    var text = ""
  }

  /// A search under way.
  struct Search {
    let text: String
    let isForward: Bool
    /// The key to return to.
    let origin: UInt64
  }

  /// Characters that can be typed.
  private static let promptLimit = 200

  package let columns: ViewColumns
  let style: Style
  let marks: [ViewEntry]
  /// All keys that there are.
  private(set) var whole: ClosedRange<UInt64>
  /// The key from which elapsed times count.
  let origin: UInt64
  let isLive: Bool
  private(set) var size = (columns: 80, rows: 24)

  var window: ViewWindow
  var cursor = 0
  var top = 0
  /// The last row stays in sight.
  var isFollowing: Bool
  /// The page of columns that is shown.
  private(set) var page = 0
  private var pages: (width: Int, count: Int, all: [[Int]])?
  private(set) var filter: String?
  private(set) var prompt: Prompt?
  private(set) var number: Int?
  private(set) var search: Search?
  private var lastSearch: (text: String, isForward: Bool)?
  var message: String?
  /// The first line of the help that is shown, if it is.
  private(set) var help: Int?
  package private(set) var isOver = false
  /// Lines of a live view that it no longer has: it keeps the last ones.
  private(set) var forgotten = 0

  /// The view of a stored run, between the keys of `whole`; `marks` are lines between its rows, and
  /// `origin` is the start of the run's first sample, from which elapsed times count.
  package init(
    _ source: any ViewSource, columns: ViewColumns, marks: [ViewEntry],
    whole: ClosedRange<UInt64>, origin: UInt64? = nil, style: Style
  ) {
    self.columns = columns
    self.origin = origin ?? whole.lowerBound
    self.style = style
    self.marks = marks
    self.whole = whole
    isLive = false
    isFollowing = false
    window = ViewWindow(source, marks: marks, bounds: whole)
  }

  /// The view of rows that are appended.
  package init(liveColumns columns: ViewColumns, style: Style) {
    self.columns = columns
    self.style = style
    marks = []
    origin = 0
    whole = 0...UInt64.max
    isLive = true
    isFollowing = true
    window = ViewWindow(nil, marks: [], bounds: whole)
  }

  /// Takes the size of the terminal.
  package func resize(columns: Int, rows: Int) {
    size = (max(1, columns), max(1, rows))
    pages = nil
    page = 0
  }

  /// Adds lines of a live view.
  package func append(_ entries: [ViewEntry]) {
    for entry in entries { window.append(entry) }
    forgotten += trim()
    if isFollowing { cursor = max(0, window.entries.count - 1) }
  }

  /// Says something in the last line until the next key.
  package func say(_ text: String) { message = text.shownInLine }

  /// Whether a search is under way: `step` continues it.
  package var isBusy: Bool { search != nil }

  /// The pages of columns.
  var columnPages: [[Int]] {
    if let pages, pages.width == size.columns, pages.count == columns.all.count { return pages.all }
    let filter = filter
    let all = columns.pages(width: size.columns, clockWidth: clockWidth) { column in
      filter.map { Self.passes(column, $0) } ?? true
    }
    pages = (size.columns, columns.all.count, all)
    return all
  }

  /// Columns of the terminal that the time of a row takes.
  var clockWidth: Int { max(4, style.clock(0).count) }

  /// Whether a column is meant by a pattern of its name, or a part of it.
  private static func passes(_ column: TableColumn, _ filter: String) -> Bool {
    Glob.matches(filter, column.source) || Glob.matches("*\(filter)*", column.source)
  }

  // MARK: Keys

  /// Does what a key means.
  package func take(_ key: ViewKey) throws(LBError) {
    message = nil
    if search != nil {
      cancelSearch("search ended")
    } else if help != nil {
      takeInHelp(key)
    } else if prompt != nil {
      try takeInPrompt(key)
    } else if case .character(let digit) = key, let value = digit.wholeNumberValue, digit.isASCII,
      value > 0 || number != nil
    {
      number = min(1_000_000, (number ?? 0) * 10 + value)
    } else {
      let count = number
      number = nil
      try takeAsCommand(key, count)
    }
  }

  private func takeAsCommand(_ key: ViewKey, _ count: Int?) throws(LBError) {
    let times = max(1, count ?? 1)
    switch key {
    case .character("q"), .character("Q"): isOver = true
    case .character("h"), .character("H"): help = 0
    case .character("j"), .down, .enter, .control("N"): try move(by: times)
    case .character("k"), .up, .control("P"): try move(by: -times)
    case .character(" "), .character("f"), .control("F"), .pageDown:
      try move(by: times * bodyRows, scrolls: true)
    case .character("b"), .control("B"), .pageUp: try move(by: -times * bodyRows, scrolls: true)
    case .character("d"), .control("D"): try move(by: times * max(1, bodyRows / 2), scrolls: true)
    case .character("u"), .control("U"): try move(by: -times * max(1, bodyRows / 2), scrolls: true)
    case .character("g"), .character("<"), .home: try moveToStart()
    case .character("G"), .character(">"), .character("F"), .end: try moveToEnd()
    case .character("%"), .character("p"): try go(toShare: Double(min(100, count ?? 0)) / 100)
    case .character("e"): try moveToMark(of: .event, isForward: true, "event")
    case .character("E"): try moveToMark(of: .event, isForward: false, "event")
    case .character("r"): try moveToMark(of: .repetition, isForward: true, "repetition")
    case .character("R"): try moveToMark(of: .repetition, isForward: false, "repetition")
    case .character("("): try setBound(isFirst: true)
    case .character(")"): try setBound(isFirst: false)
    case .character("x"): try setBounds(whole, "the whole run")
    case .right, .character("l"): turn(by: times)
    case .left: turn(by: -times)
    case .character("/"): prompt = Prompt(kind: .search)
    case .character("?"): prompt = Prompt(kind: .searchBack)
    case .character("t"): prompt = Prompt(kind: .time)
    case .character("&"): prompt = Prompt(kind: .columns)
    case .character("n"): try searchAgain(isReversed: false)
    case .character("N"): try searchAgain(isReversed: true)
    case .character("="): say(columnNames)
    default: break
    }
  }

  private func takeInHelp(_ key: ViewKey) {
    let last = max(0, ViewHelp.lines.count - bodyRows)
    switch key {
    case .character("j"), .down, .enter: help = min(last, (help ?? 0) + 1)
    case .character(" "), .pageDown: help = min(last, (help ?? 0) + bodyRows)
    case .character("k"), .up: help = max(0, (help ?? 0) - 1)
    case .character("b"), .pageUp: help = max(0, (help ?? 0) - bodyRows)
    default: help = nil
    }
  }

  private func takeInPrompt(_ key: ViewKey) throws(LBError) {
    guard var prompt else { return }
    switch key {
    case .character(let character):
      if prompt.text.count < Self.promptLimit { prompt.text.append(character) }
      self.prompt = prompt
    case .backspace:
      if prompt.text.isEmpty { return self.prompt = nil }
      prompt.text.removeLast()
      self.prompt = prompt
    case .control("U"):
      prompt.text = ""
      self.prompt = prompt
    case .enter:
      self.prompt = nil
      try answer(prompt)
    default: self.prompt = nil
    }
  }

  private func answer(_ prompt: Prompt) throws(LBError) {
    switch prompt.kind {
    case .search, .searchBack:
      let isForward = prompt.kind == .search
      let text = prompt.text.isEmpty ? lastSearch?.text : prompt.text
      guard let text else { return say("nothing to search for") }
      lastSearch = (text, isForward)
      try searchAgain(isReversed: false)
    case .time: try go(toTime: prompt.text)
    case .columns: choose(prompt.text)
    }
  }

  // MARK: Columns

  private func turn(by count: Int) {
    let all = columnPages
    let wanted = page + count
    page = min(max(0, wanted), all.count - 1)
    say("columns: page \(page + 1) of \(all.count)")
  }

  private func choose(_ text: String) {
    page = 0
    pages = nil
    filter = text.isEmpty ? nil : text
    guard columnPages == [[]] else { return }
    filter = nil
    pages = nil
    say("no column matches \(text)")
  }

  /// The full names of the columns that are shown.
  private var columnNames: String {
    let all = columnPages
    return all[min(page, all.count - 1)].map { columns.all[$0].source }.joined(separator: "  ")
  }

  // MARK: Searching

  private func searchAgain(isReversed: Bool) throws(LBError) {
    guard let last = lastSearch else { return say("nothing to search for") }
    guard window.entries.indices.contains(cursor) else { return say("no rows") }
    isFollowing = false
    search = Search(
      text: last.text, isForward: last.isForward != isReversed,
      origin: window.entries[cursor].key)
    try step()
  }

  /// Continues a search by a part of the run.
  package func step() throws(LBError) {
    guard let search else { return }
    if search.isForward {
      while cursor + 1 < window.entries.count {
        cursor += 1
        if matches(search) { return endSearch() }
      }
      let more = try window.readMore()
      trim()
      if more == 0 { cancelSearch("\(search.text): not found") }
    } else {
      while cursor > 0 {
        cursor -= 1
        if matches(search) { return endSearch() }
      }
      let more = try window.readEarlier()
      cursor += more
      trim()
      if more == 0 { cancelSearch("\(search.text): not found") }
    }
  }

  private func matches(_ search: Search) -> Bool {
    text(of: window.entries[cursor]).contains(search.text)
  }

  private func endSearch() {
    search = nil
    top = max(0, cursor - bodyRows / 2)
  }

  private func cancelSearch(_ text: String) {
    guard let origin = search?.origin else { return }
    search = nil
    do throws(LBError) {
      try go(to: origin)
      say(text)
    } catch {
      say("\(error)")
    }
  }

  /// Sets the bounds of what is shown.
  func setBounds(_ bounds: ClosedRange<UInt64>, _ words: String) throws(LBError) {
    guard !isLive else { return say("a live view has no bounds") }
    // Keys that repeat, or a text that is pasted, must not read the run again each time.
    guard bounds != window.bounds else { return say(words) }
    let key = window.entries.indices.contains(cursor) ? window.entries[cursor].key : 0
    window.bounds = bounds
    window.reset(to: min(max(key, bounds.lowerBound), bounds.upperBound))
    try go(to: key)
    say(words)
  }
}
