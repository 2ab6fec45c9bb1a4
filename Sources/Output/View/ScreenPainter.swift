/// Writes a terminal's lines, of which only those that changed are sent.
package struct ScreenPainter: Sendable {
  /// Saves the screen and takes one of its own, without a cursor and without wrapping.
  package static let enter = "\u{1b}[?1049h\u{1b}[?7l\u{1b}[?25l"
  /// Gives the screen back as it was.
  package static let leave = "\u{1b}[0m\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l"

  private var shown: [String]?

  /// A painter that does not know what is on the screen.
  package init() {}

  /// The next picture is sent whole.
  package mutating func forget() { shown = nil }

  /// The bytes that make the screen show these lines, from the top.
  package mutating func paint(_ lines: [String]) -> [UInt8] {
    var text = ""
    if shown == nil { text += "\u{1b}[0m\u{1b}[2J" }
    for (row, line) in lines.enumerated() {
      if let shown, row < shown.count, shown[row] == line { continue }
      text += "\u{1b}[\(row + 1);1H\(line)\u{1b}[0m\u{1b}[K"
    }
    if let shown, shown.count > lines.count { text += "\u{1b}[\(lines.count + 1);1H\u{1b}[J" }
    shown = lines
    return Array(text.utf8)
  }
}
