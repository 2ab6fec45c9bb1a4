/// The fields of /proc/PID/stat that are summed over a tree (proc_pid_stat(5)). Parsed by position,
/// since no template can be learnt for a process found while sampling.
package struct ProcessStat: Sendable {
  /// `R`, `S`, `D`, `Z`, …
  package var state: UInt8 = 0
  package var parent: Int32 = 0
  /// PF_* bits of the kernel's linux/sched.h.
  package var flags: UInt64 = 0
  package var minorFaults: UInt64 = 0
  package var majorFaults: UInt64 = 0
  /// Those of waited-for children.
  package var childMinorFaults: UInt64 = 0
  package var childMajorFaults: UInt64 = 0
  /// `utime` and the others: in clock ticks.
  package var userTicks: UInt64 = 0
  package var systemTicks: UInt64 = 0
  /// Those of waited-for children, as two's complement: the kernel prints them with a sign.
  package var childUserTicks: UInt64 = 0
  package var childSystemTicks: UInt64 = 0
  package var threads: UInt64 = 0
  /// Clock ticks since boot.
  package var startTicks: UInt64 = 0
  /// Bytes.
  package var virtualSize: UInt64 = 0
  /// Pages.
  package var residentPages: UInt64 = 0
  package var processor: UInt64 = 0
  package var guestTicks: UInt64 = 0
  /// That of waited-for children.
  package var childGuestTicks: UInt64 = 0
  /// Up to 16 bytes of the name between the parentheses, the first one lowest.
  package var command: (UInt64, UInt64) = (0, 0)

  /// Whether it has ended or is exiting: its usage is being, or was, reported.
  package var isEnding: Bool {
    let exiting: UInt64 = 0x4
    return flags & exiting != 0 || state == UInt8(ascii: "Z") || state == UInt8(ascii: "X")
  }

  /// Parses the whole file.
  package init(_ text: Span<UInt8>) throws(KernelTextError) {
    // A name may contain any character: the last parenthesis ends it.
    var close = text.count - 1
    while close >= 0, TextScanner.byte(text, close) != UInt8(ascii: ")") { close -= 1 }
    var open = 0
    while open < close, TextScanner.byte(text, open) != UInt8(ascii: "(") { open += 1 }
    guard close > open, close + 3 < text.count,
      TextScanner.byte(text, close + 1) == TextScanner.space
    else { throw .truncated }
    for index in 0..<min(16, close - open - 1) {
      let byte = UInt64(TextScanner.byte(text, open + 1 + index)) << (UInt64(index & 7) * 8)
      if index < 8 { command.0 |= byte } else { command.1 |= byte }
    }
    state = TextScanner.byte(text, close + 2)
    var position = close + 3
    var field: Int32 = 4
    func next(_ form: NumberForm = .decimal) throws(KernelTextError) -> UInt64 {
      guard let value = TextScanner.number(text, &position, form),
        TextScanner.isWordEnd(text, position)
      else { throw position >= text.count ? .truncated : .malformed(line: 1, field: field) }
      field += 1
      return value
    }
    func skip(_ count: Int) throws(KernelTextError) {
      for _ in 0..<count {
        guard TextScanner.skipNumber(text, &position) else {
          throw position >= text.count ? .truncated : .malformed(line: 1, field: field)
        }
        field += 1
      }
    }
    parent = Int32(truncatingIfNeeded: try next())
    try skip(4)
    flags = try next()
    minorFaults = try next()
    childMinorFaults = try next()
    majorFaults = try next()
    childMajorFaults = try next()
    userTicks = try next()
    systemTicks = try next()
    childUserTicks = try next(.signed)
    childSystemTicks = try next(.signed)
    try skip(2)
    threads = try next()
    try skip(1)
    startTicks = try next()
    virtualSize = try next()
    residentPages = try next()
    try skip(14)
    processor = try next()
    try skip(3)
    guestTicks = try next()
    childGuestTicks = try next(.signed)
  }
}

/// The counters of /proc/PID/io in the kernel's order (proc_pid_io(5)): `rchar`, `wchar`, `syscr`,
/// `syscw`, `read_bytes`, `write_bytes`, `cancelled_write_bytes`.
package enum ProcessIO {
  package static let count = 7

  /// Calls `take` with the index and value of each of the seven counters.
  @inline(__always)
  package static func parse(
    _ text: Span<UInt8>, _ take: (Int, UInt64) -> Void
  ) throws(KernelTextError) {
    var position = 0
    for index in 0..<count {
      while position < text.count, TextScanner.byte(text, position) != UInt8(ascii: ":") {
        position += 1
      }
      position += 1
      guard let value = TextScanner.number(text, &position), TextScanner.isWordEnd(text, position)
      else {
        throw position >= text.count
          ? .truncated : .malformed(line: Int32(index + 1), field: 2)
      }
      take(index, value)
    }
  }
}
