package import LinuxSystem

/// The generic events of perf (perf_event_open(2), perf-list(1)).
package enum GenericEvents {
  static let hardwareType: UInt32 = 0
  static let softwareType: UInt32 = 1
  static let tracepointType: UInt32 = 2
  static let cacheType: UInt32 = 3
  static let rawType: UInt32 = 4
  static let breakpointType: UInt32 = 5

  /// PERF_COUNT_HW_ by number, each with its other name.
  package static let hardware: [[String]] = [
    ["cpu-cycles", "cycles"], ["instructions"], ["cache-references"], ["cache-misses"],
    ["branch-instructions", "branches"], ["branch-misses"], ["bus-cycles"],
    ["stalled-cycles-frontend", "idle-cycles-frontend"],
    ["stalled-cycles-backend", "idle-cycles-backend"], ["ref-cycles"],
  ]

  /// PERF_COUNT_SW_ by number.
  package static let software: [[String]] = [
    ["cpu-clock"], ["task-clock"], ["page-faults", "faults"], ["context-switches", "cs"],
    ["cpu-migrations", "migrations"], ["minor-faults"], ["major-faults"], ["alignment-faults"],
    ["emulation-faults"], ["dummy"], ["bpf-output"], ["cgroup-switches"],
  ]

  /// PERF_COUNT_HW_CACHE_ by number.
  static let caches: [[String]] = [
    ["L1-dcache", "l1-d", "l1d", "L1-data"], ["L1-icache", "l1-i", "l1i", "L1-instruction"],
    ["LLC", "L2"], ["dTLB", "d-tlb", "Data-TLB"], ["iTLB", "i-tlb", "Instruction-TLB"],
    ["branch", "branches", "bpu", "btb", "bpc"], ["node"],
  ]
  static let operations: [[String]] = [
    ["load", "loads", "read"], ["store", "stores", "write"],
    ["prefetch", "prefetches", "speculative-read", "speculative-load"],
  ]
  static let results: [[String]] = [["refs", "Reference", "ops", "access"], ["misses", "miss"]]

  /// Whether `name` is one of the two software clocks.
  package static func isClock(_ name: String) -> Bool { software[0...1].joined().contains(name) }

  /// The software or hardware event called `name`.
  package static func named(_ name: some StringProtocol) -> PerfEventAttributes? {
    for (type, table) in [(softwareType, software), (hardwareType, hardware)] {
      if let number = table.firstIndex(where: { $0.contains { $0 == name } }) {
        return PerfEventAttributes(type: type, config: UInt64(number))
      }
    }
    return nil
  }

  /// The cache event called `name`: a cache, then an operation or a result or both, as in
  /// `L1-dcache-load-misses`; loads and accesses by default.
  package static func cache(_ name: some StringProtocol) -> PerfEventAttributes? {
    for (cache, words) in caches.enumerated() {
      for word in words where name == word || name.hasPrefix(word + "-") {
        let rest = name.dropFirst(word.count + 1)
        guard let (operation, result) = access(rest) else { continue }
        return PerfEventAttributes(
          type: cacheType, config: UInt64(cache | operation << 8 | result << 16))
      }
    }
    return nil
  }

  private static func access(_ text: Substring) -> (operation: Int, result: Int)? {
    func indexOf(_ text: Substring, _ table: [[String]]) -> Int? {
      table.firstIndex { $0.contains { $0 == text } }
    }
    if text.isEmpty { return (0, 0) }
    if let operation = indexOf(text, operations) { return (operation, 0) }
    if let result = indexOf(text, results) { return (0, result) }
    for (number, words) in operations.enumerated() {
      for word in words where text.hasPrefix(word + "-") {
        if let result = indexOf(text.dropFirst(word.count + 1), results) { return (number, result) }
      }
    }
    return nil
  }

  private static func access(_ text: some StringProtocol) -> (operation: Int, result: Int)? {
    access(Substring(text))
  }
}
