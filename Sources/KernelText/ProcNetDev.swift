/// /proc/net/dev: the counters of every network interface in the reader's network namespace.
///
/// ```
///  face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs …
///     lo:    3193      29    0    0    0     0          0         0     3193      29    0 …
/// ```
/// Kernel: net/core/net-procfs.c, struct rtnl_link_stats64; the columns are the same since 2.2.
package struct ProcNetDev: KernelTable, Equatable {
  /// The sixteen columns in file order, with the side they stand on.
  package static let fields = [
    "rx_bytes", "rx_packets", "rx_errs", "rx_drop", "rx_fifo", "rx_frame", "rx_compressed",
    "rx_multicast", "tx_bytes", "tx_packets", "tx_errs", "tx_drop", "tx_fifo", "tx_colls",
    "tx_carrier", "tx_compressed",
  ]
  private static let fieldCount = 16
  private static let headerLines = 2

  /// Interface names, in file order.
  package let interfaces: [String]
  /// The bytes of all names, and where each ends.
  private let nameBytes: [UInt8]
  private let nameEnds: [Int]

  /// Values that `parse` writes: sixteen an interface.
  package var valueCount: Int { nameEnds.count * Self.fieldCount }

  /// Reads the shape of a text that was read whole. One pass; allocates.
  package init(shapeOf text: Span<UInt8>) throws(KernelTextError) {
    var position = 0
    for line in 0..<Self.headerLines {
      guard TextScanner.skipLine(text, &position) else {
        throw .malformed(line: Int32(line + 1), field: 1)
      }
    }
    var bytes: [UInt8] = []
    var ends: [Int] = []
    var names: [String] = []
    while position < text.count {
      TextScanner.skipBlanks(text, &position)
      var end = position
      while end < text.count, TextScanner.byte(text, end) != UInt8(ascii: ":") {
        guard TextScanner.byte(text, end) != TextScanner.newline else { break }
        end += 1
      }
      guard end < text.count else { throw .truncated }
      guard end > position, TextScanner.byte(text, end) == UInt8(ascii: ":") else {
        throw .malformed(line: Int32(ends.count + Self.headerLines + 1), field: 1)
      }
      var name: [UInt8] = []
      for index in position..<end { name.append(text[index]) }
      bytes += name
      ends.append(bytes.count)
      names.append(String(decoding: name, as: UTF8.self))
      guard TextScanner.skipLine(text, &position) else { throw .truncated }
    }
    interfaces = names
    nameBytes = bytes
    nameEnds = ends
  }

  /// Writes `valueCount` values of a text of this shape. One pass, no allocation.
  package func parse(
    _ text: Span<UInt8>, into values: inout MutableSpan<UInt64>
  ) throws(KernelTextError) {
    var position = 0
    var slot = 0
    for _ in 0..<Self.headerLines {
      guard TextScanner.skipLine(text, &position) else { throw .truncated }
    }
    let bytes = nameBytes.span
    let ends = nameEnds.span
    var nameStart = 0
    for interface in ends.indices {
      guard position < text.count else { throw .layoutChanged }
      TextScanner.skipBlanks(text, &position)
      let nameEnd = ends[interface]
      while nameStart < nameEnd {
        guard position < text.count else { throw .truncated }
        guard TextScanner.byte(text, position) == bytes[nameStart] else { throw .layoutChanged }
        position += 1
        nameStart += 1
      }
      guard position < text.count else { throw .truncated }
      guard TextScanner.byte(text, position) == UInt8(ascii: ":") else { throw .layoutChanged }
      position += 1
      for field in 0..<Self.fieldCount {
        guard let value = TextScanner.number(text, &position) else {
          let line = Int32(interface + Self.headerLines + 1)
          throw position < text.count
            ? .malformed(line: line, field: Int32(field + 2)) : .truncated
        }
        values[slot] = value
        slot += 1
      }
      guard TextScanner.skipLine(text, &position) else { throw .truncated }
    }
    guard position == text.count else { throw .layoutChanged }
  }
}
