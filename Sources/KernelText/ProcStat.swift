/// /proc/stat: CPU time by state, and the host's interrupt, context-switch and process counts.
///
/// ```
/// cpu  2482 0 1774 69406 508 0 26 37 0 0
/// cpu0 717 0 682 35696 11 0 5 15 0 0
/// intr 98291 0 0 0 …
/// ```
/// Kernel: fs/proc/stat.c; Documentation/filesystems/proc.rst, 1.7. Unknown lines are ignored.
package struct ProcStat: KernelTable, Equatable {
  /// Time columns of a cpu line in file order. steal came with 2.6.11, guest with 2.6.24,
  /// guest_nice with 2.6.33; older kernels have fewer.
  package static let timeFields = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice",
  ]
  /// Lines of one total each, in file order.
  package static let totals: [StaticString] = [
    "intr", "ctxt", "processes", "procs_running", "procs_blocked", "softirq",
  ]

  /// Numbers of the online CPUs, in file order.
  package let cpus: [Int32]
  /// Columns of a cpu line that this kernel has.
  package let fieldCount: Int
  /// Which of `totals` this kernel has, as a bit mask by index.
  package let totalMask: UInt8

  /// Values that `parse` writes: the lines `cpu`, `cpu0`, … with `fieldCount` each, then totals.
  package var valueCount: Int {
    (cpus.count + 1) * fieldCount + totalMask.nonzeroBitCount
  }

  /// Reads the shape of a text that was read whole. One pass; allocates.
  package init(shapeOf text: Span<UInt8>) throws(KernelTextError) {
    var cpus: [Int32] = []
    var fieldCount: Int?
    var mask: UInt8 = 0
    var position = 0
    var line: Int32 = 1
    while position < text.count {
      var cursor = position
      if let cpu = Self.cpuLabel(text, &cursor) {
        var fields = 0
        while fields < Self.timeFields.count, TextScanner.number(text, &cursor) != nil {
          fields += 1
        }
        guard fields >= 4, fieldCount == nil || fieldCount == fields else {
          throw .malformed(line: line, field: Int32(fields + 1))
        }
        guard (cpu == nil) == (fieldCount == nil) else { throw .malformed(line: line, field: 1) }
        fieldCount = fields
        if let cpu { cpus.append(cpu) }
      } else {
        for (index, name) in Self.totals.enumerated() {
          var probe = position
          guard TextScanner.take(name, text, &probe) else { continue }
          guard TextScanner.number(text, &probe) != nil else {
            throw .malformed(line: line, field: 2)
          }
          mask |= 1 << UInt8(index)
        }
      }
      guard TextScanner.skipLine(text, &position) else { throw .truncated }
      line += 1
    }
    guard let fieldCount else { throw .malformed(line: 1, field: 1) }
    self.cpus = cpus
    self.fieldCount = fieldCount
    totalMask = mask
  }

  /// Writes `valueCount` values of a text of this shape. One pass, no allocation.
  package func parse(
    _ text: Span<UInt8>, into values: inout MutableSpan<UInt64>
  ) throws(KernelTextError) {
    var position = 0
    var slot = 0
    let cpus = self.cpus.span
    for line in 0...cpus.count {
      guard position < text.count else { throw .truncated }
      guard let label = Self.cpuLabel(text, &position) else { throw .layoutChanged }
      guard label == (line == 0 ? nil : cpus[line - 1]) else { throw .layoutChanged }
      for field in 0..<fieldCount {
        guard let value = TextScanner.number(text, &position) else {
          throw position < text.count
            ? .malformed(line: Int32(line + 1), field: Int32(field + 2)) : .truncated
        }
        values[slot] = value
        slot += 1
      }
      guard TextScanner.skipLine(text, &position) else { throw .truncated }
    }
    var line = Int32(cpus.count + 1)
    var index = 0
    while slot < valueCount {
      line += 1
      guard position < text.count else { throw .truncated }
      if line == cpus.count + 2, TextScanner.byte(text, position) == UInt8(ascii: "c") {
        var probe = position
        if Self.cpuLabel(text, &probe) != nil { throw .layoutChanged }
      }
      while index < Self.totalCount, totalMask & (1 << UInt8(index)) == 0 { index += 1 }
      if TextScanner.take(Self.total(index), text, &position) {
        guard let value = TextScanner.number(text, &position) else {
          throw position < text.count ? .malformed(line: line, field: 2) : .truncated
        }
        values[slot] = value
        slot += 1
        index += 1
        // The last number may end the text where a counter was cut in half.
        guard slot < valueCount || position < text.count else { throw .truncated }
      }
      if slot < valueCount {
        guard TextScanner.skipLine(text, &position) else { throw .truncated }
      }
    }
  }

  private static let totalCount = 6

  /// `totals[index]` without touching the array: it runs on a sampling thread.
  @inline(__always)
  private static func total(_ index: Int) -> StaticString {
    switch index {
    case 0: "intr"
    case 1: "ctxt"
    case 2: "processes"
    case 3: "procs_running"
    case 4: "procs_blocked"
    default: "softirq"
    }
  }

  /// Reads `cpu ` (gives .some(nil)) or `cpu12 ` (gives 12); nil and unmoved for another line.
  @inline(__always)
  private static func cpuLabel(_ text: Span<UInt8>, _ position: inout Int) -> Int32?? {
    guard position + 4 < text.count,
      TextScanner.byte(text, position) == UInt8(ascii: "c"),
      TextScanner.byte(text, position + 1) == UInt8(ascii: "p"),
      TextScanner.byte(text, position + 2) == UInt8(ascii: "u")
    else { return nil }
    if TextScanner.byte(text, position + 3) == TextScanner.space {
      position += 4
      return .some(nil)
    }
    var cursor = position + 3
    guard let number = TextScanner.number(text, &cursor), number <= 1 << 20,
      cursor < text.count, TextScanner.byte(text, cursor) == TextScanner.space
    else { return nil }
    position = cursor
    return .some(Int32(number))
  }
}
