import TestSupport
import Testing

@testable import Output
@testable import SampleModel

/// A run of rows at whole seconds: `cpu.user[all]` is the row's number by 1,000, `net.rx_bytes` its
/// square; `dead` rows are missing.
private final class ScriptedSource: ViewSource {
  let interval: UInt64 = 1_000_000_000
  let columns = ViewColumns()
  let count: UInt64
  let dead: Range<UInt64>
  /// Rows that were made, and how often.
  private(set) var made = 0
  private(set) var calls = 0

  init(_ count: UInt64, dead: Range<UInt64> = 0..<0, names: [String] = ["eth0"]) {
    self.count = count
    self.dead = dead
    var all = [
      TableColumn(group: "cpu", heading: "usr", source: "cpu.user", format: .percent, rank: 0)
    ]
    for (place, name) in names.enumerated() {
      all.append(
        TableColumn(
          group: name, heading: "recv", source: "net.rx_bytes[\(name)]", format: .bytes,
          rank: 1 + place))
    }
    _ = columns.take(all)
  }

  func entry(_ number: UInt64) -> ViewEntry {
    let values = columns.all.indices.map { place in
      place == 0 ? Double(number) / 1000 : Double(number * number)
    }
    return ViewEntry(
      key: number * interval, time: number * interval, bracket: number < count / 2 ? 1 : 2,
      .row(values, partial: []))
  }

  func part(
    _ range: Range<UInt64>, limit: Int, keepsLast: Bool
  ) throws(LBError) -> ViewPart {
    calls += 1
    var numbers = (0..<count).filter { range.contains($0 * interval) && !dead.contains($0) }
    if numbers.count > limit {
      numbers = keepsLast ? numbers.suffix(limit) : Array(numbers.prefix(limit))
    }
    made += numbers.count
    let all = numbers.map(entry)
    guard numbers.count == limit, let first = numbers.first, let last = numbers.last else {
      return ViewPart(all, range)
    }
    return ViewPart(
      all,
      keepsLast
        ? first * interval..<range.upperBound : range.lowerBound..<last * interval + 1)
  }

  func sampled(from key: UInt64) -> UInt64? { key <= (count - 1) * interval ? key : nil }
  func sampled(before key: UInt64) -> UInt64? { key > 0 ? min(key, count * interval) : nil }
}

/// A view on a screen of a test's own.
private struct Shown {
  let source: ScriptedSource
  let browser: TableBrowser
  var painter = ScreenPainter()
  var keys = KeyDecoder()
  var screen: ScreenGrid

  init(
    _ source: ScriptedSource, marks: [ViewEntry] = [], columns: Int = 60, rows: Int = 14
  ) throws {
    self.source = source
    var style = TableBrowser.Style(
      title: "run",
      clock: { time in
        let digits = String(time / 1_000_000_000 % 86400)
        let second = Int(digits) ?? 0
        let parts = [second / 3600, second / 60 % 60, second % 60]
        return parts.map { ($0 < 10 ? "0" : "") + String($0) }.joined(separator: ":")
      }, label: { $0 > 0 ? "repetition \($0)" : nil })
    style.marks = .digits
    browser = TableBrowser(
      source, columns: source.columns, marks: marks,
      whole: 0...(source.count - 1) * source.interval, style: style)
    screen = ScreenGrid(columns: columns, rows: rows)
    screen.take(ScreenPainter.enter.utf8)
    browser.resize(columns: columns, rows: rows)
    try draw()
  }

  mutating func draw() throws {
    screen.take(painter.paint(try browser.picture()))
  }

  mutating func type(_ text: String) throws {
    for key in keys.take(text.utf8) { try browser.take(key) }
    while browser.isBusy { try browser.step() }
    try draw()
  }

  mutating func resize(_ columns: Int, _ rows: Int) throws {
    screen.resize(columns: columns, rows: rows)
    browser.resize(columns: columns, rows: rows)
    painter.forget()
    try draw()
  }

  /// The numbers of the rows on the screen, by their times; each must have its own values.
  var numbers: [UInt64] {
    screen.lines.compactMap { line in
      let cells = line.split(separator: " ").map(String.init)
      guard cells.count >= 5, cells[0].count == 8, cells[1] == "|" else { return nil }
      let parts = cells[0].split(separator: ":").compactMap { UInt64($0) }
      guard parts.count == 3 else { return nil }
      let number = parts[0] * 3600 + parts[1] * 60 + parts[2]
      // Rounded to what is shown: halves go either way, since 1.005 is no binary number.
      let percent = Double(cells[2]) ?? .nan
      #expect(abs(percent - Double(number) / 10) <= (number >= 1000 ? 0.501 : 0.0501), "\(line)")
      #expect(cells[4] == Readable.bytes(Double(number * number)), "\(line)")
      return number
    }
  }

  var last: String { screen.lines[screen.rows - 1] }
}

@Suite struct ViewTests {
  @Test func bytesAreKeys() {
    let table: [(String, [ViewKey])] = [
      ("j", [.character("j")]), ("\u{1b}[A\u{1b}OB", [.up, .down]), ("\r\n", [.enter, .enter]),
      ("\u{1b}[5~\u{1b}[6~", [.pageUp, .pageDown]), ("\u{1b}[1~\u{1b}[F", [.home, .end]),
      ("é漢", [.character("é"), .character("漢")]), ("\u{7f}\u{8}", [.backspace, .backspace]),
      ("\u{c}", [.control("L")]), ("\u{1b}[200~x", [.character("x")]),
      ("\u{1b}\u{1b}[C", [.escape, .right]), ("\u{1b}q", [.character("q")]),
    ]
    for (text, expected) in table {
      var decoder = KeyDecoder()
      #expect(decoder.take(text.utf8) == expected, "\(text.debugDescription)")
      #expect(!decoder.isWaiting)
    }
    var decoder = KeyDecoder()
    #expect(decoder.take([0x1B]).isEmpty && decoder.isWaiting)
    #expect(decoder.flush() == .escape && !decoder.isWaiting)
    // What is no key and never ends takes no room.
    #expect(decoder.take([0x1B, 0x5B] + [UInt8](repeating: 0x31, count: 100_000)).count < 100_001)
    #expect(decoder.take([0xFF, 0xC3]).isEmpty && decoder.flush() == nil)
  }

  @Test func screensFollowEachOtherWithoutALossAndBack() throws {
    var shown = try Shown(ScriptedSource(3000))
    #expect(shown.screen.rows == 14 && shown.numbers == Array(0..<9), "\(shown.screen.lines)")
    var seen: [UInt64] = shown.numbers
    for _ in 0..<330 {
      try shown.type(" ")
      let numbers = shown.numbers
      #expect(numbers.count == 9 && numbers[0] == (numbers.last ?? 0) - 8)
      seen += numbers.filter { $0 > seen[seen.count - 1] }
    }
    #expect(seen == Array(0..<UInt64(seen.count)) && seen.count > 2900)
    try shown.type("G")
    #expect(shown.numbers == Array(2991..<3000) && shown.last.contains("100%"))
    #expect(shown.screen.reversedLines.contains(12), "the cursor is on the last row")
    for _ in 0..<340 { try shown.type("b") }
    #expect(shown.numbers == Array(0..<9))
    try shown.type("g5j3k")
    #expect(shown.screen.reversedLines == [6, 13])
    #expect(shown.screen.unknown.isEmpty)
  }

  /// However long the run is: what is kept, and what is read for one screen, has a bound.
  @Test func aLongRunIsReadWhereItIsLookedAt() throws {
    var shown = try Shown(ScriptedSource(80_000))
    try shown.type("t12h\r")
    #expect(shown.numbers.first == 43_200, "\(shown.screen.lines)")
    #expect(shown.source.made < 2000, "\(shown.source.made) rows for a screen")
    for _ in 0..<150 { try shown.type("90 ") }
    #expect(shown.browser.window.entries.count <= 8192 + 1024)
    try shown.type("g")
    for _ in 0..<150 { try shown.type("90 ") }
    for _ in 0..<150 { try shown.type("90b") }
    #expect(shown.browser.window.entries.count <= 8192 + 1024)
    #expect(shown.numbers == Array(0..<9))
  }

  @Test func aStretchWithoutSamplesIsPassedInFewSteps() throws {
    var shown = try Shown(ScriptedSource(50_000, dead: 20..<49_990))
    try shown.type("19j")
    let calls = shown.source.calls
    try shown.type("j")
    #expect(shown.numbers.contains(49_990) && shown.numbers.contains(19))
    #expect(shown.source.calls - calls < 20)
  }

  @Test func timesAreGoneTo() throws {
    var shown = try Shown(ScriptedSource(4000))
    for (typed, expected) in [
      ("t90s\r", 90), ("t+10s\r", 100), ("t-1m\r", 40), ("t50%\r", 2000), ("t00:10:00\r", 600),
      ("t0:20\r", 1200), ("25%", 1000), ("t1.5m\r", 90),
    ] as [(String, UInt64)] {
      try shown.type(typed)
      #expect(shown.numbers.first == expected, "\(typed): \(shown.screen.lines)")
      #expect(shown.screen.reversedLines.first == 4)
    }
    for typed in ["tsoon\r", "t25:00\r", "t-\r", "t1e9999\r", "t101%\r"] {
      try shown.type(typed)
      #expect(shown.last.contains("expected") || shown.last.contains("no time of day"))
      #expect(shown.numbers.first == 90)
    }
    try shown.type("t100h\r")
    #expect(shown.numbers.last == 3999)
  }

  @Test func eventsAndRepetitionsAreLinesThatAreGoneTo() throws {
    let second: UInt64 = 1_000_000_000
    let marks = [
      ViewEntry(key: 0, time: 0, .text("repetition 1: completed", .repetition)),
      ViewEntry(key: 100 * second + 1, time: 100 * second, .text("a step", .event)),
      ViewEntry(key: 100 * second + 1, time: 100 * second, .text("another", .event)),
      ViewEntry(
        key: 1500 * second, time: 1500 * second, .text("repetition 2: failed", .repetition)),
    ]
    var shown = try Shown(ScriptedSource(3000), marks: marks)
    #expect(shown.screen.lines[4] == "00:00:00 repetition 1: completed")
    try shown.type("e")
    #expect(shown.screen.lines[shown.screen.reversedLines[0]] == "00:01:40 a step")
    try shown.type("e")
    #expect(shown.screen.lines[shown.screen.reversedLines[0]] == "00:01:40 another")
    try shown.type("e")
    #expect(shown.last.contains("no later event"))
    try shown.type("r")
    #expect(shown.screen.lines[4] == "00:25:00 repetition 2: failed" && shown.numbers[0] == 1500)
    try shown.type("j")
    #expect(shown.last.contains("repetition 2"))
    try shown.type("RR")
    #expect(shown.screen.lines[4] == "00:00:00 repetition 1: completed")
    try shown.type("r5j(")
    #expect(shown.numbers.first == 1504)
    try shown.type("10j)g")
    #expect(shown.numbers == Array(1504..<1513))
    try shown.type("G")
    #expect(shown.numbers.last == 1514)
    try shown.type("xg")
    #expect(shown.numbers.first == 0)
  }

  @Test func aSearchFindsALineFarAwayOrReturns() throws {
    var shown = try Shown(ScriptedSource(3000))
    try shown.type("/ 222.0 \r")
    #expect(!shown.numbers.contains(2220) || shown.last.contains("not found") == false)
    try shown.type("g/00:37:\r")
    #expect(shown.numbers.contains(2220))
    let cursor = shown.screen.reversedLines[0]
    #expect(shown.screen.lines[cursor].hasPrefix("00:37:00"))
    try shown.type("n")
    #expect(shown.screen.lines[shown.screen.reversedLines[0]].hasPrefix("00:37:01"))
    try shown.type("N")
    #expect(shown.screen.lines[shown.screen.reversedLines[0]].hasPrefix("00:37:00"))
    try shown.type("?00:00:07\r")
    #expect(shown.screen.lines[shown.screen.reversedLines[0]].hasPrefix("00:00:07"))
    try shown.type("/nowhere\r")
    #expect(shown.last.contains("nowhere: not found"))
    #expect(shown.screen.lines[shown.screen.reversedLines[0]].hasPrefix("00:00:07"))
  }

  @Test func eachColumnIsOnOnePage() throws {
    let names = (0..<20).map { "if\($0)" }
    var shown = try Shown(ScriptedSource(50, names: names))
    #expect(shown.last.contains("columns 1/"), "\(shown.last)")
    var seen: [String] = []
    for page in 1...20 {
      let groups = shown.screen.lines[0].split { " |".contains($0) }.map(String.init)
      seen += groups
      #expect(shown.screen.lines.allSatisfy { $0.count <= 60 })
      try shown.type("\u{1b}[C")
      guard shown.last.contains("page \(page + 1) ") else { break }
    }
    #expect(seen == ["cpu"] + names)
    try shown.type("9\u{1b}[D")
    #expect(shown.last.contains("page 1 of"))
    try shown.type("&if7\r")
    #expect(shown.screen.lines[0].split { " |".contains($0) } == ["if7"])
    try shown.type("&none\r")
    #expect(shown.last.contains("no column matches none"))
    try shown.type("&*[if1?]\r")
    #expect(shown.screen.lines[0].contains("if10") && !shown.screen.lines[0].contains("if9"))
    try shown.type("=")
    #expect(shown.last.contains("net.rx_bytes[if10]"))
  }

  @Test func aWindowThatChangesIsFilledAnew() throws {
    var shown = try Shown(ScriptedSource(100, names: (0..<9).map { "if\($0)" }))
    try shown.type("G")
    try shown.resize(90, 30)
    #expect(shown.numbers == Array(75..<100))
    #expect(shown.screen.lines[0].contains("if4"))
    try shown.resize(24, 7)
    #expect(shown.screen.lines.count == 7 && shown.screen.lines.allSatisfy { $0.count <= 24 })
    #expect(shown.screen.lines[5].hasPrefix("00:01:39"))
    try shown.resize(1, 1)
    try shown.type("jkhq")
    try shown.resize(60, 14)
    #expect(shown.numbers.last == 99)
  }

  @Test func namesFromAnywhereAreText() throws {
    let names = [
      "\u{1b}[2J\u{1b}]0;x\u{7}", "a\nb", "\u{202e}x", String(repeating: "x", count: 1 << 20),
    ]
    let event = ViewEntry(
      key: 0, time: 0, .text("\u{1b}c owned\n".shownInLine, .event))
    var shown = try Shown(ScriptedSource(20, names: names), marks: [event], columns: 80)
    for _ in 0..<5 {
      #expect(shown.screen.unknown.isEmpty)
      #expect(shown.screen.lines.allSatisfy { $0.count <= 80 && !$0.contains("\u{202e}") })
      try shown.type("\u{1b}[C")
    }
    try shown.type("=")
    #expect(shown.screen.unknown.isEmpty && shown.last.count <= 80)
    try shown.type("/\u{202e}\r")
    #expect(shown.last.contains("\\u{202E}: not found"))
  }

  @Test func theHistoryIsThatOfTheLastRows() {
    let column = TableColumn(
      group: "cpu", heading: "usr", source: "cpu.user", format: .percent, rank: 0)
    func marks(_ values: [Double?]) -> String {
      TableBrowser.history(values, column, .digits)
    }
    #expect(marks([]) == "    ")
    #expect(marks([0, 1]) == "   9")
    // Four rows a mark, the greatest of each; a spike of one row is seen.
    #expect(marks([0, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0]) == " 050")
    #expect(marks([nil, nil, nil, nil, 0, 0, 0, 0]) == "   0")
    #expect(marks((0..<100).map { _ in 1 }) == "9999")
    var level = TableColumn(group: "m", heading: "free", source: "m.f", format: .bytes, rank: 0)
    level.unit = "B"
    let values = [100.0, 100, 100, 100, 109, 109, 109, 109]
    #expect(TableBrowser.history(values, level, .digits) == "    09")
  }

  /// What was painted before is not sent again.
  @Test func onlyWhatChangedIsSent() throws {
    var painter = ScreenPainter()
    let first = painter.paint(["one", "two", "three"])
    #expect(first.count > 20)
    let second = String(decoding: painter.paint(["one", "2", "three"]), as: UTF8.self)
    #expect(second.contains("2") && !second.contains("one") && !second.contains("three"))
    #expect(painter.paint(["one", "2", "three"]).isEmpty)
    var screen = ScreenGrid(columns: 10, rows: 3)
    screen.take(first)
    screen.take(second.utf8)
    #expect(screen.lines == ["one", "2", "three"])
  }

  /// Rows that come are followed, until the user looks back.
  @Test func aLiveViewFollowsUntilItsUserLooksBack() throws {
    let source = ScriptedSource(100_000)
    var style = TableBrowser.Style(title: "live", clock: { "\($0)" }, label: { _ in nil })
    style.clock = { time in
      let text = String(time / 1_000_000_000)
      return String(repeating: "0", count: 8 - text.count) + text
    }
    let browser = TableBrowser(liveColumns: source.columns, style: style)
    browser.resize(columns: 60, rows: 14)
    #expect(try browser.picture()[4] == "no row yet")
    func rows() throws -> [String] {
      try browser.picture()[4..<13].map {
        String($0.drop { $0 == "\u{1b}" || $0 == "[" || $0 == "m" })
      }
      .map { $0.hasPrefix("7m") ? String($0.dropFirst(2)) : $0 }.map { String($0.prefix(8)) }
    }
    for number in 0..<20_000 as Range<UInt64> { browser.append([source.entry(number)]) }
    #expect(try rows().last == "00019999" && browser.window.entries.count <= 8192)
    try browser.take(.up)
    let before = try rows()
    for number in 20_000..<20_100 as Range<UInt64> { browser.append([source.entry(number)]) }
    #expect(try rows() == before)
    // Which lines are left out is said where they would be.
    try browser.take(.character("g"))
    let first = try #require(Int(try rows()[0]))
    #expect(first > 10_000)
    #expect(try browser.picture()[13].contains("\(first) earlier lines left out"))
    try browser.take(.character("j"))
    try browser.take(.character("5"))
    try browser.take(.character("k"))
    #expect(try browser.picture()[13].contains("earlier lines left out"))
    try browser.take(.character("G"))
    #expect(try rows().last == "00020099")
    browser.append([source.entry(20_100)])
    #expect(try rows().last == "00020100")
  }
}
