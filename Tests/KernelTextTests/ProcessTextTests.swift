import KernelText
import Testing

@Suite struct ProcessTextTests {
  private static func stat(_ name: String, state: String = "S") -> [UInt8] {
    let behind =
      "7 8 9 34816 -1 4194560 10 11 12 13 14 15 16 17 20 -5 3 0 100 4096000 250 "
      + "18446744073709551615 1 1 0 0 0 0 0 4096 134217728 1 0 0 17 5 0 2 21 22 "
      + "23 0 0 0 0 0 0 0 256"
    return Array("4711 (\(name)) \(state) \(behind)\n".utf8)
  }

  @Test(arguments: [
    "sh", "a b", "x) R 1 2 (", ")", "(((", "", "a name of more than sixteen",
    "a) R 1 \n(b", "\n", "x\n4711 (y) S 1\n", ")\n)",
  ])
  func aNameMayHoldAnything(_ name: String) throws {
    let text = Self.stat(name)
    let stat = try ProcessStat(text.span)
    #expect(stat.state == UInt8(ascii: "S"))
    #expect(stat.parent == 7 && stat.flags == 4_194_560 && !stat.isEnding)
    #expect(stat.minorFaults == 10 && stat.majorFaults == 12)
    #expect(stat.userTicks == 14 && stat.systemTicks == 15)
    #expect(stat.childUserTicks == 16 && stat.childSystemTicks == 17)
    #expect(stat.threads == 3 && stat.startTicks == 100)
    #expect(stat.virtualSize == 4_096_000 && stat.residentPages == 250)
    #expect(stat.processor == 5 && stat.guestTicks == 22)
    let bytes = (0..<16).map { index in
      let word = index < 8 ? stat.command.0 : stat.command.1
      return UInt8(truncatingIfNeeded: word >> UInt64((index & 7) * 8))
    }
    #expect(Array(bytes.prefix { $0 != 0 }) == Array(name.utf8.prefix(16)))
  }

  @Test func aCutTextIsNoProcess() {
    let text = Self.stat("sh")
    let guest = text.count - " 23 0 0 0 0 0 0 0 256\n".utf8.count
    for length in 0..<guest - 2 {
      let cut = Array(text[..<length])
      #expect(throws: KernelTextError.self, "cut at \(length)") { try ProcessStat(cut.span) }
    }
  }

  @Test func theShapeOutlivesAChangeOfNameAndState() throws {
    let first = Self.stat("bash")
    let text = KernelText(first.span)
    let placeholders = try TextFormat.processStat(text, of: "4711")
    let named = Set(["utime", "nice", "processor", "cguest_time"])
    let template = TextTemplate(text, placeholders: placeholders) { named.contains($0.name) }
    for (name, state) in [
      ("bash", "S"), ("a) R (b", "R"), ("x", "D"), ("\u{1}", "!"), ("a\n(b)\n", "S"),
      ("a) R 1 \n(b", "R"),
    ] {
      let next = Self.stat(name, state: state)
      #expect(try parse(template, next) == [14, UInt64(bitPattern: -5), 5, 23])
    }
  }

  @Test func onlySizesAndCountsOfStatusAreNumbers() throws {
    let lines = [
      "Name:\tmy (odd) name", "Umask:\t0022", "State:\tS (sleeping)", "Uid:\t0\t0\t0\t0",
      "FDSize:\t256", "Groups:\t ", "VmRSS:\t    3472 kB", "SigPnd:\t0000000000000000",
      "Cpus_allowed_list:\t0-1", "voluntary_ctxt_switches:\t12",
    ]
    let bytes = Array((lines.joined(separator: "\n") + "\n").utf8)
    let placeholders = try TextFormat.processStatus(KernelText(bytes.span), of: "1")
    let names = placeholders.compactMap { placeholder -> String? in
      guard case .number(_, let field) = placeholder.content else { return nil }
      return field.name
    }
    #expect(names == ["FDSize", "VmRSS", "voluntary_ctxt_switches"])
  }

  @Test func anIdleAndABusyProcessKeepTheirColumns() throws {
    for name in ["a) R 1 \n(b", "x\nVmRSS: 5 kB", "("] {
      let first = Self.stat(name)
      let text = KernelText(first.span)
      let placeholders = try TextFormat.processStat(text, of: "1")
      let template = TextTemplate(text, placeholders: placeholders) {
        ["utime", "num_threads"].contains($0.name)
      }
      let cache = template.makeCache()
      let busy = String(decoding: first, as: UTF8.self).replacing(" 14 15 ", with: " 914 15 ")
      for (bytes, utime) in [(first, 14), (Array(busy.utf8), 914), (first, 14)] {
        #expect(try parse(template, bytes, cache) == [UInt64(utime), 3])
      }
    }
  }

  /// The kernel prints times of children with a sign; what is negative is none.
  @Test func negativeTimesOfChildrenAreNone() throws {
    let text = String(decoding: Self.stat("sh"), as: UTF8.self).replacing(
      " 16 17 ", with: " -3 -1 ")
    let bytes = Array(text.utf8)
    let placeholders = try TextFormat.processStat(KernelText(bytes.span), of: "1")
    let unreadable = placeholders.compactMap { placeholder -> String? in
      guard case .unreadable(let field) = placeholder.content else { return nil }
      return field.name
    }
    #expect(unreadable == ["cutime", "cstime"])
    #expect(placeholders.contains { $0.field?.name == "utime" })
    let stat = try ProcessStat(bytes.span)
    #expect(stat.userTicks == 14 && stat.childUserTicks &+ 3 == 0 && stat.threads == 3)
  }

  /// However the words are separated, a text is of the shape that was learnt from it.
  @Test(arguments: ["\t", "\r", "\0 \0", "  "])
  func anyBlankSeparatesTheState(_ blank: String) throws {
    let bytes = Array("1 (a)\(blank)S\(blank)2 3".utf8)
    let text = KernelText(bytes.span)
    let template = TextTemplate(text, placeholders: try TextFormat.processStat(text, of: "1"))
    #expect(try parse(template, bytes) == [2, 3])
  }

  @Test func aShortStatHasTheFieldsThatItHas() throws {
    let bytes = Array("1 (a\nb) S 2 3 x".utf8)
    let placeholders = try TextFormat.processStat(KernelText(bytes.span), of: "1")
    #expect(placeholders.compactMap(\.field?.name) == ["ppid", "pgrp"])
    #expect(placeholders.contains { $0.content == .unreadable(TextField("session", of: "1")) })
    #expect(placeholders.contains { $0.content == .unreadable(TextField("utime", of: "1")) })
  }

  @Test func aNameInStatusIsNoSize() throws {
    let text = "Name:\t5 kB\nVmRSS:\t  x kB\nVmHWM:\nThreads:7\nVmSize:\t12 kB\nFDSize:\t9 1\n"
    let bytes = Array(text.utf8)
    let placeholders = try TextFormat.processStatus(KernelText(bytes.span), of: "1")
    #expect(placeholders.compactMap(\.field?.name) == ["Threads", "VmSize", "FDSize"])
    let template = TextTemplate(KernelText(bytes.span), placeholders: placeholders)
    #expect(try parse(template, bytes) == [7, 12, 9])
    let other = text.replacing("5 kB", with: "a VmRSS: 7")
    #expect(try parse(template, Array(other.utf8)) == [7, 12, 9])
  }

  @Test func ioIsReadByPlace() throws {
    let names = [
      "rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes",
    ]
    let text = names.enumerated().map { "\($1): \($0 + 1)\n" }.joined()
    let bytes = Array(text.utf8)
    var values = [UInt64](repeating: 0, count: ProcessIO.count)
    try ProcessIO.parse(bytes.span) { values[$0] = $1 }
    #expect(values == [1, 2, 3, 4, 5, 6, 7])
    let cut = Array(bytes.dropLast(30))
    #expect(throws: KernelTextError.self) { try ProcessIO.parse(cut.span) { _, _ in } }
  }

  @Test func pagesAreAddedUpByNode() {
    let text = """
      00400000 default file=/bin/a N0=7 mapped=1 N1=2 kernelpagesize_kB=4
      7f00 bind:1 anon=3 dirty=3 N1=3 kernelpagesize_kB=2048
      7f10 default file=/tmp/N5=9 N0=1 kernelpagesize_kB=4
      7f20 default
      7f30 default N0=5 kernelp
      """
    let bytes = Array(text.utf8)
    var nodes: [Int: UInt64] = [:]
    let consumed = ProcessMemory.placement(bytes.span) { nodes[$0, default: 0] += $1 }
    #expect(nodes == [0: 28 + 4, 1: 8 + 6144])
    #expect(consumed == bytes.count - "7f30 default N0=5 kernelp".utf8.count)
  }

  @Test func rollupIsReadByPlace() throws {
    let bytes = Array("55-7f ---p 0 00:00 0   [rollup]\nRss:  12 kB\nPss:  7 kB\n".utf8)
    #expect(try ProcessMemory.labels(KernelText(bytes.span)) == ["Rss", "Pss"])
    var values: [UInt64] = [0, 0]
    try ProcessMemory.rollup(bytes.span, count: 2, sizes: 3) { values[$0] = $1 }
    #expect(values == [12, 7])
    for length in 0..<bytes.count - "7 kB\n".utf8.count {
      let cut = Array(bytes[..<length])
      #expect(throws: KernelTextError.self) {
        try ProcessMemory.rollup(cut.span, count: 2, sizes: 3) { _, _ in }
      }
    }
    values = [0, 0]
    let unended = Array(bytes.dropLast())
    try ProcessMemory.rollup(unended.span, count: 2, sizes: 3) { values[$0] = $1 }
    #expect(values == [12, 7])
  }

  @Test func aLineOfRollupThatIsNoSizeIsSkipped() throws {
    let bytes = Array("55-7f ---p\nRss:  12 kB\nodd\n\nPss:x kB\nSwap:34 kB\n".utf8)
    let labels = try ProcessMemory.labels(KernelText(bytes.span))
    #expect(labels == ["Rss", "", "", "", "Swap"])
    var values: [Int: UInt64] = [:]
    try ProcessMemory.rollup(bytes.span, count: 5, sizes: 0b10001) { values[$0] = $1 }
    #expect(values == [0: 12, 4: 34])
    #expect(throws: KernelTextError.malformed(line: 3, field: 1)) {
      try ProcessMemory.rollup(bytes.span, count: 5, sizes: 0b10011) { _, _ in }
    }
    #expect(throws: KernelTextError.self) {
      try ProcessMemory.labels(KernelText(Array("55-7f\nodd\n".utf8).span))
    }
  }

  @Test func aValueOfSchedIsFoundByItsName() {
    let bytes = Array("sh (1)\n----\nnuma_pages_migrated_x : 3\ntotal_numa_faults  :  17\n".utf8)
    #expect(ProcessMemory.scheduleValue(bytes.span, "total_numa_faults") == 17)
    #expect(ProcessMemory.scheduleValue(bytes.span, "absent") == nil)
    let last = Array("numa_pages_migrated_x : 3\nnuma_pages_migrated : 4".utf8)
    #expect(ProcessMemory.scheduleValue(last.span, "numa_pages_migrated") == 4)
    #expect(ProcessMemory.scheduleValue(bytes.span, "numa_pages_migrated") == nil)
  }
}
