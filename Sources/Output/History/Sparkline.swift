import RunAnalysis

/// A series in one line of text: the higher the value, the higher the mark.
package struct Sparkline: Sendable, Equatable {
  /// What marks look like.
  package enum Marks: Sendable {
    /// Blocks of an eighth of a line each: for a terminal whose locale has them.
    case blocks
    /// Digits from 0, the least value, to 9, the greatest: for a file, a pipe or any terminal.
    case digits

    var levels: [Character] { Array(self == .blocks ? "▁▂▃▄▅▆▇█" : "0123456789") }
  }

  /// The marks, one for each value; where these do not fit, one for several neighbours.
  package let line: String
  /// `^` below each mark at which a change begins, without spaces at the end; empty without one.
  package let changes: String

  /// The line of `values`, which are finite, in no more than `width` marks; what several values
  /// share is that of their median.
  package init(_ values: [Double], changes: [Int] = [], width: Int, marks: Marks) {
    let cells = min(values.count, max(1, width))
    let heights = (0..<cells).map { cell in
      let part = values[(cell * values.count / cells)..<((cell + 1) * values.count / cells)]
      return Statistics.median(Array(part)) ?? 0
    }
    let levels = marks.levels
    let (low, high) = (heights.min() ?? 0, heights.max() ?? 0)
    // Halves, since the difference of two large numbers may be beyond all.
    let range = high / 2 - low / 2
    line = String(
      heights.map { height -> Character in
        guard range > 0 else { return levels[0] }
        let share = (height / 2 - low / 2) / range
        return levels[Int((share * Double(levels.count - 1)).rounded())]
      })
    var below: [Character] = []
    for change in changes.sorted() where values.indices.contains(change) {
      // The last cell that begins at or before it.
      let cell = ((change + 1) * cells - 1) / values.count
      while below.count < cell { below.append(" ") }
      if below.count == cell { below.append("^") }
    }
    self.changes = String(below)
  }
}
