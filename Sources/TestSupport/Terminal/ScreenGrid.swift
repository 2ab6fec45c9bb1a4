/// A terminal's screen as a grid of characters, as far as the view uses one (ECMA-48 and xterm's
/// private modes). A sequence that it does not know is kept in `unknown`.
package struct ScreenGrid {
  package private(set) var columns: Int
  package private(set) var rows: Int
  private var cells: [[Character]]
  /// Cells that are shown in reverse.
  private var reversed: [[Bool]]
  private var (row, column) = (0, 0)
  private var isReverse = false
  private var pending: [UInt8] = []
  package private(set) var unknown: [String] = []
  /// Whether the screen of the program's own is shown.
  package private(set) var isAlternate = false
  package private(set) var isCursorShown = true
  package private(set) var wraps = true

  /// An empty screen.
  package init(columns: Int, rows: Int) {
    (self.columns, self.rows) = (columns, rows)
    cells = Array(repeating: Array(repeating: " ", count: columns), count: rows)
    reversed = Array(repeating: Array(repeating: false, count: columns), count: rows)
  }

  /// Another size, and an empty screen, as of a terminal that forgets its contents.
  package mutating func resize(columns: Int, rows: Int) {
    var other = ScreenGrid(columns: columns, rows: rows)
    (other.isAlternate, other.isCursorShown, other.wraps) = (isAlternate, isCursorShown, wraps)
    (other.unknown, other.pending) = (unknown, pending)
    self = other
  }

  /// The lines, without spaces at their ends.
  package var lines: [String] {
    cells.map { line in
      var text = String(line)
      while text.hasSuffix(" ") { text.removeLast() }
      return text
    }
  }

  /// The indices of lines that are shown in reverse.
  package var reversedLines: [Int] { reversed.indices.filter { reversed[$0][0] } }

  /// Takes what a program wrote.
  package mutating func take(_ bytes: some Sequence<UInt8>) {
    for byte in bytes {
      pending.append(byte)
      if pending[0] == 0x1B {
        if isComplete {
          obey()
          pending = []
        }
      } else if let text = String(validating: pending, as: UTF8.self) {
        put(text)
        pending = []
      }
    }
  }

  private var isComplete: Bool {
    guard pending.count > 1 else { return false }
    guard pending[1] == UInt8(ascii: "[") else { return true }
    return pending.count > 2 && (0x40...0x7E).contains(pending[pending.count - 1])
  }

  private mutating func put(_ text: String) {
    for character in text {
      switch character {
      case "\r": column = 0
      case "\n": row = min(rows - 1, row + 1)
      case "\r\n": (row, column) = (min(rows - 1, row + 1), 0)
      default:
        // Without wrapping the last column takes whatever comes.
        let index = min(column, columns - 1)
        cells[row][index] = character
        reversed[row][index] = isReverse
        column += 1
        if wraps, column >= columns { (row, column) = (min(rows - 1, row + 1), 0) }
      }
    }
  }

  private mutating func obey() {
    let text = String(decoding: pending.dropFirst(), as: UTF8.self)
    let parameters = text.dropFirst().dropLast()
    let numbers = parameters.split(separator: ";").map { Int($0) ?? 0 }
    switch (text.first, text.last) {
    case ("[", "H"):
      row = min(rows - 1, max(0, (numbers.first ?? 1) - 1))
      column = min(columns - 1, max(0, (numbers.count > 1 ? numbers[1] : 1) - 1))
    case ("[", "J"):
      if parameters == "2" {
        for line in cells.indices { erase(line, from: 0) }
      } else {
        erase(row, from: column)
        for line in cells.indices where line > row { erase(line, from: 0) }
      }
    case ("[", "K"): erase(row, from: column)
    case ("[", "m"):
      if numbers.contains(7) { isReverse = true }
      if numbers.isEmpty || numbers.contains(0) { isReverse = false }
    case ("[", "h"), ("[", "l"):
      let isOn = text.last == "h"
      switch parameters {
      case "?1049": isAlternate = isOn
      case "?25": isCursorShown = isOn
      case "?7": wraps = isOn
      default: unknown.append(text)
      }
    default: unknown.append(text)
    }
  }

  private mutating func erase(_ line: Int, from start: Int) {
    for index in cells[line].indices where index >= start {
      cells[line][index] = " "
      reversed[line][index] = false
    }
  }
}
