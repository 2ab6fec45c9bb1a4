/// Texts about the memory of processes that are found while sampling, read without a learnt shape.
package enum ProcessMemory {
  /// Labels of /proc/PID/smaps_rollup in the kernel's order, behind the line of the range.
  package static func labels(_ text: KernelText) throws(KernelTextError) -> [String] {
    var labels: [String] = []
    for line in try text.lines() where line.number > 1 {
      guard let first = line.words.first, line.words.count == 3 else {
        throw .malformed(line: line.number, field: 1)
      }
      labels.append(TextFormat.label(text, first))
    }
    return labels
  }

  /// Hands the kibibytes of each of `count` lines of smaps_rollup to `take`, with their place.
  @inline(__always)
  package static func rollup(
    _ text: Span<UInt8>, count: Int, _ take: (Int, UInt64) -> Void
  ) throws(KernelTextError) {
    var position = 0
    guard TextScanner.skipLine(text, &position) else { throw .truncated }
    for place in 0..<count {
      while position < text.count, TextScanner.byte(text, position) != UInt8(ascii: ":") {
        position += 1
      }
      position += 1
      guard position < text.count else { throw .truncated }
      guard let value = TextScanner.number(text, &position) else {
        throw .malformed(line: Int32(place + 2), field: 2)
      }
      take(place, value)
      guard TextScanner.skipLine(text, &position) else { throw .truncated }
    }
  }

  /// Adds up whole lines of /proc/PID/numa_maps: hands `take` each node with its kibibytes there.
  /// Gives the bytes of whole lines; what is behind them belongs to the next read.
  package static func placement(_ text: Span<UInt8>, _ take: (Int, UInt64) -> Void) -> Int {
    var start = 0
    while start < text.count {
      var end = start
      while end < text.count, TextScanner.byte(text, end) != TextScanner.newline { end += 1 }
      guard end < text.count else { return start }
      let size = pageSize(text, start, end)
      eachNode(text, start, end) { node, pages in take(node, pages &* size) }
      start = end + 1
    }
    return start
  }

  /// The line's `kernelpagesize_kB=4`, which stands behind its nodes.
  private static func pageSize(_ text: Span<UInt8>, _ start: Int, _ end: Int) -> UInt64 {
    var equals = end - 1
    while equals > start, TextScanner.byte(text, equals) != UInt8(ascii: "=") { equals -= 1 }
    let isSize = equals > start && TextScanner.byte(text, equals - 1) == UInt8(ascii: "B")
    var position = equals + 1
    return isSize ? TextScanner.number(text, &position) ?? 4 : 4
  }

  /// Each word ` N3=17` of a line.
  private static func eachNode(
    _ text: Span<UInt8>, _ start: Int, _ end: Int, _ take: (Int, UInt64) -> Void
  ) {
    var position = start
    while position + 3 < end {
      let isNode =
        TextScanner.byte(text, position) == TextScanner.space
        && TextScanner.byte(text, position + 1) == UInt8(ascii: "N")
        && TextScanner.byte(text, position + 2) &- 48 < 10
      position += 1
      guard isNode else { continue }
      position += 1
      guard let node = TextScanner.number(text, &position), position < end,
        TextScanner.byte(text, position) == UInt8(ascii: "="), node < 1 << 16
      else { continue }
      position += 1
      if let pages = TextScanner.number(text, &position) { take(Int(node), pages) }
    }
  }

  /// The number behind `name` and a colon in /proc/PID/sched, nil where there is none.
  package static func scheduleValue(_ text: Span<UInt8>, _ name: StaticString) -> UInt64? {
    var start = 0
    let length = name.utf8CodeUnitCount
    while start + length < text.count {
      var place = 0
      // Safe: a literal's own bytes.
      while place < length,
        unsafe name.utf8Start[place] == TextScanner.byte(text, start + place)
      {
        place += 1
      }
      var position = start + place
      if place == length {
        TextScanner.skipBlanks(text, &position)
        guard position < text.count, TextScanner.byte(text, position) == UInt8(ascii: ":") else {
          return nil
        }
        position += 1
        return TextScanner.number(text, &position)
      }
      guard TextScanner.skipLine(text, &start) else { return nil }
    }
    return nil
  }
}
