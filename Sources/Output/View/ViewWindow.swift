package import SampleModel

/// A part of a stored run as lines.
package struct ViewPart: Sendable {
  /// Lines in order of their keys.
  package var entries: [ViewEntry]
  /// The keys that it covers, which are all that were asked for unless the limit was reached.
  package var range: Range<UInt64>

  /// The lines of these keys.
  package init(_ entries: [ViewEntry], _ range: Range<UInt64>) {
    self.entries = entries
    self.range = range
  }
}

/// Where the rows of a stored run come from.
package protocol ViewSource: AnyObject {
  /// Nanoseconds between two rows.
  var interval: UInt64 { get }
  /// Rows with keys in `range`: of more than `limit` the first ones, or the last ones.
  func part(
    _ range: Range<UInt64>, limit: Int, keepsLast: Bool
  ) throws(LBError) -> ViewPart
  /// The first key from this one on that may have a row; nil without one.
  func sampled(from key: UInt64) -> UInt64?
  /// The end of the keys before this one that may have rows; nil without one.
  func sampled(before key: UInt64) -> UInt64?
}

/// The lines around the cursor: those of a stored run are read when they are needed, and forgotten
/// when they are far away.
struct ViewWindow {
  /// Rows that are read at once.
  private static let step = 256
  /// Values that are kept, of all rows together.
  private static let valueLimit = 1 << 20
  private static let entryLimit = 8192

  private let source: (any ViewSource)?
  /// Lines between rows, in order.
  private let marks: [ViewEntry]
  /// The keys that are shown.
  var bounds: ClosedRange<UInt64>
  private(set) var entries: [ViewEntry] = []
  /// The keys that `entries` covers.
  private(set) var covered: Range<UInt64> = 0..<0

  /// The lines of a source; without one, those that are appended.
  init(_ source: (any ViewSource)?, marks: [ViewEntry], bounds: ClosedRange<UInt64>) {
    self.source = source
    self.marks = marks
    self.bounds = bounds
    covered = bounds.lowerBound..<bounds.lowerBound
  }

  /// Removes all lines; the next read begins at a key.
  mutating func reset(to key: UInt64) {
    entries = []
    covered = key..<key
  }

  /// Reads lines behind the last one; returns how many, 0 at the end.
  mutating func readMore() throws(LBError) -> Int {
    guard let source else { return 0 }
    let end = bounds.upperBound &+ 1
    var span = length(source)
    while covered.upperBound < end {
      let mark = mark(from: covered.upperBound)
      guard let next = [source.sampled(from: covered.upperBound), mark].compactMap({ $0 }).min(),
        next < end
      else {
        covered = covered.lowerBound..<end
        return 0
      }
      let range = Self.range(next, span, before: end)
      let part = try source.part(range, limit: Self.step, keepsLast: false)
      covered = covered.lowerBound..<part.range.upperBound
      let lines = withMarks(part)
      entries += lines
      if !lines.isEmpty { return lines.count }
      span = span.multipliedReportingOverflow(by: 4).overflow ? .max / 2 : span * 4
    }
    return 0
  }

  /// Reads lines before the first one; returns how many, 0 at the start.
  mutating func readEarlier() throws(LBError) -> Int {
    guard let source else { return 0 }
    let start = bounds.lowerBound
    var span = length(source)
    while covered.lowerBound > start {
      let mark = marks.last { $0.key < covered.lowerBound }.map { $0.key + 1 }
      guard let last = [source.sampled(before: covered.lowerBound), mark].compactMap({ $0 }).max(),
        last > start
      else {
        covered = start..<covered.upperBound
        return 0
      }
      let first = max(start, last > span ? last - span : 0)
      let part = try source.part(first..<last, limit: Self.step, keepsLast: true)
      covered = part.range.lowerBound..<covered.upperBound
      let lines = withMarks(part)
      entries = lines + entries
      if !lines.isEmpty { return lines.count }
      span = span.multipliedReportingOverflow(by: 4).overflow ? .max / 2 : span * 4
    }
    return 0
  }

  /// Adds a line at the end.
  mutating func append(_ entry: ViewEntry) { entries.append(entry) }

  /// The index of the first line at this key or behind it.
  func index(from key: UInt64) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].key < key { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Forgets lines that are more than there is room for, and not close to the index `near`; returns
  /// how many of the first ones.
  mutating func trim(near: Int, columns: Int) -> Int {
    let room = max(4 * Self.step, min(Self.entryLimit, Self.valueLimit / max(1, columns)))
    guard entries.count > room else { return 0 }
    if source != nil, near < entries.count / 2 {
      // Lines of one key stay together.
      var end = room
      while end < entries.count, entries[end].key == entries[end - 1].key { end += 1 }
      guard end < entries.count else { return 0 }
      covered = covered.lowerBound..<entries[end].key
      entries.removeSubrange(end...)
      return 0
    }
    var count = entries.count - room
    while count > 0, entries[count].key == entries[count - 1].key { count -= 1 }
    if count > 0, source != nil { covered = entries[count].key..<covered.upperBound }
    entries.removeFirst(count)
    return count
  }

  private func length(_ source: any ViewSource) -> UInt64 {
    let (length, isOver) = max(1, source.interval)
      .multipliedReportingOverflow(by: UInt64(Self.step))
    return isOver ? .max / 2 : length
  }

  private static func range(_ start: UInt64, _ span: UInt64, before end: UInt64) -> Range<UInt64> {
    let (stop, isOver) = start.addingReportingOverflow(span)
    return start..<(isOver ? end : min(stop, end))
  }

  private func mark(from key: UInt64) -> UInt64? { marks.first { $0.key >= key }?.key }

  /// The lines of a part with those that stand between its rows.
  private func withMarks(_ part: ViewPart) -> [ViewEntry] {
    let inside = marks.filter { part.range.contains($0.key) }
    var lines: [ViewEntry] = []
    var rest = inside[...]
    for entry in part.entries {
      while let mark = rest.first, mark.key <= entry.key { lines.append(rest.removeFirst()) }
      lines.append(entry)
    }
    return lines + rest
  }
}
