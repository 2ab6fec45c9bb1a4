/// Texts about the memory of processes found while sampling, parsed without a template.
package enum ProcessMemory {
  /// Labels of /proc/PID/smaps_rollup in the kernel's order, after the line of the range; empty for
  /// a line that is not a size; at most 64. Throws if there is no size.
  package static func labels(_ text: KernelText) throws(KernelTextError) -> [String] {
    let labels = text.lines().dropFirst().prefix(64).map { line in
      guard !line.words.isEmpty else { return "" }
      let (label, values) = text.labelled(line)
      let isSize = values.count == 2 && text.isNumber(values[0], .decimal)
      return isSize ? text.string(label) : ""
    }
    guard labels.contains(where: { !$0.isEmpty }) else {
      throw text.bytes.isEmpty ? .truncated : .malformed(line: 2, field: 1)
    }
    return labels
  }

  /// Calls `take` with the index and the kibibytes of each of `count` lines of smaps_rollup whose
  /// bit is set in `sizes`.
  @inline(__always)
  package static func rollup(
    _ text: Span<UInt8>, count: Int, sizes: UInt64, _ take: (Int, UInt64) -> Void
  ) throws(KernelTextError) {
    var position = 0
    TextScanner.skipLine(text, &position)
    for index in 0..<count {
      guard position < text.count else { throw .truncated }
      if sizes & 1 << UInt64(index) != 0 {
        while position < text.count, TextScanner.byte(text, position) != UInt8(ascii: ":") {
          guard TextScanner.byte(text, position) != TextScanner.newline else {
            throw .malformed(line: Int32(index + 2), field: 1)
          }
          position += 1
        }
        position += 1
        guard position < text.count else { throw .truncated }
        guard let value = TextScanner.number(text, &position),
          TextScanner.isWordEnd(text, position)
        else { throw .malformed(line: Int32(index + 2), field: 2) }
        take(index, value)
      }
      TextScanner.skipLine(text, &position)
    }
  }

  /// Calls `take` with each node and its kibibytes in complete lines of /proc/PID/numa_maps.
  /// Returns the bytes of complete lines; the rest belongs to the next read.
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

  /// The line's `kernelpagesize_kB=4`, which follows its nodes.
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

  /// The number after `name` and a colon in /proc/PID/sched, nil if there is none.
  package static func scheduleValue(_ text: Span<UInt8>, _ name: StaticString) -> UInt64? {
    var start = 0
    let length = name.utf8CodeUnitCount
    while start + length < text.count {
      var index = 0
      // Safe: within the literal.
      while index < length,
        unsafe name.utf8Start[index] == TextScanner.byte(text, start + index)
      {
        index += 1
      }
      var position = start + index
      if index == length {
        TextScanner.skipBlanks(text, &position)
        // Otherwise it is another name with this prefix.
        if position < text.count, TextScanner.byte(text, position) == UInt8(ascii: ":") {
          position += 1
          return TextScanner.number(text, &position)
        }
      }
      TextScanner.skipLine(text, &start)
    }
    return nil
  }
}
