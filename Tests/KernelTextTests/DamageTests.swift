import KernelText
import Testing

/// What is damaged costs its own values, and nothing else its own.
@Suite struct DamageTests {
  private typealias Learn = (KernelText) throws(KernelTextError) -> [Placeholder]

  /// The values of `text` and the names that have none, read with its own shape.
  private func read(_ text: String, _ learn: Learn) throws -> ([String: UInt64], Set<String>) {
    let bytes = Array(text.utf8)
    let kernelText = KernelText(bytes.span)
    let placeholders = try learn(kernelText)
    var fields: [TextField] = []
    let template = TextTemplate(kernelText, placeholders: placeholders) { field in
      fields.append(field)
      return true
    }
    let numbers = try parse(template, bytes)
    #expect(fields == placeholders.compactMap(\.field))
    var values: [String: UInt64] = [:]
    for (field, number) in zip(fields, numbers) {
      #expect(values.updateValue(number, forKey: name(field)) == nil, "\(field) is there twice")
    }
    let unreadable = placeholders.compactMap { placeholder -> String? in
      guard case .unreadable(let field) = placeholder.content else { return nil }
      return name(field)
    }
    return (values, Set(unreadable))
  }

  private func name(_ field: TextField) -> String {
    field.instance.isEmpty ? field.name : "\(field.name)[\(field.instance)]"
  }

  /// In every captured text, each of some values is made unreadable, in turn and in several ways:
  /// all others keep theirs.
  @Test(arguments: Grammar.all)
  func oneDamagedNumberCostsOneValue(_ grammar: Grammar) throws {
    for kernel in kernels() {
      guard let text = fixture(kernel, grammar.path) else { continue }
      let whole = try grammar.values(text)
      let placeholders = try grammar.learn(KernelText(text.span)).filter { $0.field != nil }
      let kinds = ["x", "-", "12z", "18446744073709551616000", "\u{1}", "é", "--5", "+5"]
      for (turn, place) in stride(
        from: 0, to: placeholders.count, by: max(1, placeholders.count / 16)
      )
      .enumerated() {
        let placeholder = placeholders[place]
        guard let field = placeholder.field else { continue }
        for damage in [kinds[turn % kinds.count], kinds[(turn + 3) % kinds.count]] {
          let first =
            text[placeholder.start..<placeholder.end].firstIndex(of: 32) ?? placeholder.end
          let copy = text[..<placeholder.start] + Array(damage.utf8) + text[first...]
          let (values, unreadable) = try read(String(decoding: copy, as: UTF8.self), grammar.learn)
          var expected = whole
          expected[name(field)] = nil
          #expect(values == expected, "\(kernel)/\(grammar.path): \(damage) for \(field)")
          #expect(unreadable == [name(field)])
        }
      }
    }
  }

  /// Whatever stands in the place of a number that could not be read, the text is of the same
  /// shape, until it can be read.
  @Test(
    arguments: [
      (
        "proc/meminfo", "MemFree: 5 kB\nDirty: ? kB\n", "?", ["!", "-7", "é", "x9"], ["7", ""], [5]
      ),
      (
        "proc/stat", "cpu  1 2 -3 4\nctxt 5\n", "-3", ["-4", "99999999999999999999", "3x"], ["3"],
        [1, 2, 4, 5]
      ),
      (
        "proc/net/softnet_stat", "1 0xz 3 4 5 6 7 8 9\n", "0xz", ["zz", "0y"], ["ff", "0 1"],
        [1, 3, 9]
      ),
      (
        "proc/interrupts", "   CPU0 CPU1\n 8: 1 two  GIC rtc\nErr: 3\n", "two", ["three", "-1"],
        ["2"],
        [3]
      ),
      (
        "proc/loadavg", "0.5 1.x 2 1/2 3\n", "1.x", ["x", "1.2.3", "-1.5"], ["1.5"],
        [50, 200, 1, 2, 3]
      ),
    ] as [(String, String, String, [String], [String], [UInt64])])
  func whatIsUnreadableMayChange(
    _ example: (String, String, String, [String], [String], [UInt64])
  ) throws {
    let (path, text, damage, others, readable, values) = example
    let (template, _) = try Grammar.of(path).template(Array(text.utf8))
    for word in [damage] + others {
      let other = text.replacing(damage, with: word)
      #expect(try parse(template, Array(other.utf8)) == values, "\(other)")
    }
    for word in readable {
      let other = text.replacing(damage, with: word)
      #expect(throws: KernelTextError.self, "\(other)") {
        try parse(template, Array(other.utf8))
      }
    }
  }

  /// Nothing takes the place of what is missing.
  @Test func whatIsMissingIsLiteral() throws {
    let missing = Array("MemFree: 5 kB\nDirty:\nA: 6\n".utf8)
    let (template, _) = try Grammar.of("proc/meminfo").template(missing)
    #expect(try parse(template, missing) == [5, 6])
    for word in ["7", "x"] {
      #expect(throws: KernelTextError.layoutChanged) {
        try parse(template, Array("MemFree: 5 kB\nDirty: \(word)\nA: 6\n".utf8))
      }
    }
  }

  @Test(arguments: [
    ("MemTotal: 7 kB\nMemFree: x\nA:\nB: -3\n: 5\nC:99 kB\nD\t8\r\nA: 6\n\u{0}", "MemFree B A"),
    ("Hugetlb: 99999999999999999999 kB\nC:99 kB\nMemTotal: 7\nD: 8 9 10", "Hugetlb"),
  ])
  func linesOfAList(_ text: String, _ lost: String) throws {
    let (values, unreadable) = try read(text) { text throws(KernelTextError) in
      try TextFormat.list(text)
    }
    #expect(values == ["MemTotal": 7, "C": 99, "D": 8])
    #expect(unreadable == Set(lost.split(separator: " ").map(String.init)))
  }

  /// A second column of one name would be another's.
  @Test func ofTwoLinesOfOneNameTheFirstCounts() throws {
    let (values, unreadable) = try read(
      "cpu  1 2 3 4\ncpu0 1 2 3 4\ncpu0 5 6 7 8\nctxt 9\nctxt x\nctxt 10\n"
    ) { text throws(KernelTextError) in try TextFormat.stat(text) }
    #expect(values["user[0]"] == 1 && values["ctxt"] == 9 && values.count == 9)
    #expect(unreadable.isEmpty)
    let (none, lost) = try read("a ?\na 5\nb 6\n") { text throws(KernelTextError) in
      try TextFormat.list(text)
    }
    #expect(none == ["b": 6] && lost == ["a"])
  }

  @Test func aShortRowHasTheValuesThatItHas() throws {
    let stat = try read("cpu  9 18446744073709551616\ncpu0 1 2 3 4 5\nintr\n") {
      text throws(KernelTextError) in try TextFormat.stat(text)
    }
    #expect(stat.0.count == 6 && stat.0["user[all]"] == 9 && stat.0["iowait[0]"] == 5)
    #expect(stat.1 == ["nice[all]", "system[all]", "idle[all]", "intr"])
    let disk = try read("8 0 sda 1 2 3 4 5 6 7 8 9 10\n8 1 sdb\n") {
      text throws(KernelTextError) in try TextFormat.disks(text) { _ in true }
    }
    #expect(disk.0.count == 10 && disk.1.count == 12 && disk.1.contains("time_in_queue[sda]"))
    let slab = try read("slabinfo - version: 2.1\nmy cache 1 2 3 4 5 : tunables 0 0 0 : sla\n") {
      text throws(KernelTextError) in try TextFormat.slabs(text)
    }
    #expect(slab.0["num_objs[my cache]"] == 2 && slab.0.count == 5)
    #expect(slab.1.contains("num_slabs[my cache]") && slab.1.count == 3)
    let net = try read("h|\nh|\n veth1:7 8\nlo 1\n") { text throws(KernelTextError) in
      try TextFormat.interfaces(text)
    }
    #expect(net.0 == ["rx_bytes[veth1]": 7, "rx_packets[veth1]": 8, "rx_bytes[lo]": 1])
    #expect(net.1.count == 29)
    let odd = try read("a:b:7 8\nlo: x:y 1\n") { text throws(KernelTextError) in
      try TextFormat.interfaces(text)
    }
    #expect(odd.0 == ["rx_bytes[a:b]": 7, "rx_packets[a:b]": 8, "rx_packets[lo]": 1])
    let tcp = try read("Udp: A B C\nUdp: 1 -5\nTcp: D\nIcmp: E\nIcmp: 6 7\n") {
      text throws(KernelTextError) in try TextFormat.namedPairs(text)
    }
    #expect(tcp.0 == ["Udp.A": 1, "Icmp.E": 6] && tcp.1 == ["Udp.B", "Udp.C"])
    let load = try read("0.5 1.x 2\n") { text throws(KernelTextError) in
      try TextFormat.loadavg(text)
    }
    #expect(load.0 == ["load1": 50, "load15": 200])
    #expect(load.1 == ["load5", "runnable", "threads", "last_pid"])
  }

  @Test func rowsOfInterruptsWithoutCountsAreNone() throws {
    let text = """
          CPU0 CPU1
       7:   1   2  GIC  timer
       8:   1  two  GIC  rtc
       9:   4
      FIQ:
      IPI:        cpu_stop
      Err: 3
      MIS: 18446744073709551616

      """
    func interrupts(_ perCPU: Bool) throws -> ([String: UInt64], Set<String>) {
      try read(text) { text throws(KernelTextError) in
        try TextFormat.interrupts(text, perCPU: perCPU)
      }
    }
    let (sums, lost) = try interrupts(false)
    #expect(sums == ["count[7:timer]": 3, "count[Err]": 3])
    #expect(lost == ["count[8:rtc]", "count[9]", "count[MIS]"])
    let (each, missing) = try interrupts(true)
    #expect(each["count[8:rtc@cpu0]"] == 1 && each["count[9@cpu0]"] == 4)
    #expect(missing.isSuperset(of: ["count[8:rtc@cpu1]", "count[9@cpu1]"]))
  }

  @Test func devicesWithoutPairsAreNone() throws {
    func io(_ text: String) throws -> ([String: UInt64], Set<String>) {
      try read(text) { text throws(KernelTextError) in
        try TextFormat.keyedPairs(text) { TextField($1, of: $0) }
      }
    }
    let text = "1:0 9:1 9:2 r=5 w=6\n1:3 r=1 w=\n1:4 r=x depth=max 1:5 r=8\nr=9\n2:0 r=1 2:1"
    let (values, lost) = try io(text)
    #expect(values == ["r[9:2]": 5, "w[9:2]": 6, "r[1:3]": 1, "r[1:5]": 8, "r[2:0]": 1])
    #expect(lost == ["w[1:3]", "r[1:4]"])
    // Kernels to 6.0 list a device of which there is nothing to say.
    for empty in ["252:0 ", "252:0", "7:1 7:2\n"] {
      let (none, lost) = try io(empty)
      #expect(none.isEmpty && lost.isEmpty)
    }
    #expect(throws: KernelTextError.malformed(line: 1, field: 1)) { try io("252\n") }
    let (idle, nothing) = try read("Total 0\n") { text throws(KernelTextError) in
      try TextFormat.blkio(text, prefix: "b", of: "/")
    }
    #expect(idle.isEmpty && nothing.isEmpty, "a new group's file")
    let (sums, none) = try read("8:0 Read 5\n8:0 Write\n8:0 Sync x\nTotal 5\n") {
      text throws(KernelTextError) in try TextFormat.blkio(text, prefix: "b", of: "/")
    }
    #expect(sums == ["b.Read[/:8:0]": 5] && none == ["b.Write[/:8:0]", "b.Sync[/:8:0]"])
  }

  @Test func limitsThatAreNoneAreQuiet() throws {
    for (text, values, lost) in [
      ("max 100000\n", ["cpu.max.period[/]": 100_000], []),
      ("5", ["cpu.max.quota[/]": 5], ["cpu.max.period[/]"]),
      ("5 x 7\n", ["cpu.max.quota[/]": 5], ["cpu.max.period[/]"]),
    ] as [(String, [String: UInt64], Set<String>)] {
      let found = try read(text) { text throws(KernelTextError) in
        try TextFormat.quota(text, of: "/")
      }
      #expect(found.0 == values && found.1 == lost, "\(text)")
    }
    for (text, value, lost) in [
      ("max\n", nil, false), ("\n\n41\n", 41, false), ("7 8", 7, false), ("-1\n", nil, true),
    ] as [(String, UInt64?, Bool)] {
      let found = try read(text) { text throws(KernelTextError) in
        try TextFormat.limit(text, TextField("x"))
      }
      #expect(found.0["x"] == value && found.1.isEmpty == !lost, "\(text)")
    }
  }

  /// An unknown speed is no speed, at whichever reading the kernel begins to say so.
  @Test func anUnknownSpeedIsNoNumber() throws {
    func speed(_ text: String) throws -> ([String: UInt64], Set<String>) {
      try read(text) { text throws(KernelTextError) in
        try TextFormat.linkSpeed(text, TextField("speed"))
      }
    }
    for unknown in ["-1\n", "65535\n", "4294967295\n", "4294967295"] {
      #expect(try speed(unknown) == ([:], []))
    }
    #expect(try speed("garbage\n") == ([:], ["speed"]))
    #expect(try speed("\n25000\n") == (["speed": 25_000], []))
    #expect(throws: KernelTextError.self) { try speed("\n") }
    let known = KernelText(Array("1000\n".utf8).span)
    let template = TextTemplate(
      known, placeholders: try TextFormat.linkSpeed(known, TextField("speed")))
    #expect(try parse(template, Array("40000\n".utf8)) == [40_000])
    for unknown in ["-1\n", "65535\n", "4294967295\n"] {
      #expect(throws: KernelTextError.self) { try parse(template, Array(unknown.utf8)) }
    }
  }

  @Test func zonesOfOldKernelsKeepTheirOwnFields() throws {
    let text = """
      Node 0, zone   Normal
        pages free     12
              min      3
              protection: (0)
        pagesets
          cpu: 0
                    count: 5
        vm stats threshold: 6
          cpu: 1
                    count: 7
        all_unreclaimable: 0
        prev_priority:     12
        start_pfn:         4096
      Node 1, zone   Movable
        pagex free     99
              min      98
        pagesets
          cpu: one
                    count: 97
        start_pfn:         96

      """
    func zones(_ perCPU: Bool) throws -> ([String: UInt64], Set<String>) {
      try read(text) { text throws(KernelTextError) in try TextFormat.zones(text, perCPU: perCPU) }
    }
    let few: [String: UInt64] = [
      "free[node0.Normal]": 12, "min[node0.Normal]": 3, "all_unreclaimable[node0.Normal]": 0,
      "prev_priority[node0.Normal]": 12, "start_pfn[node0.Normal]": 4096,
      "start_pfn[node1.Movable]": 96,
    ]
    #expect(try zones(false) == (few, []))
    let (all, lost) = try zones(true)
    let sets: [String: UInt64] = [
      "pagesets.count[node0.Normal@cpu0]": 5, "pagesets.vm_stats_threshold[node0.Normal@cpu0]": 6,
      "pagesets.count[node0.Normal@cpu1]": 7,
    ]
    #expect(all == few.merging(sets) { first, _ in first } && lost.isEmpty)
  }

  /// Lines of a zone whose header is lost are not given to the one before.
  @Test func aLostHeaderIsNoOtherZones() throws {
    let text = """
      Node 0, zone   Normal
        pages free     12
              low      4
      Node 0, zonx   Movable
        pages free     99
              high     98
        start_pfn:         97

      """
    let (values, _) = try read(text) { text throws(KernelTextError) in
      try TextFormat.zones(text, perCPU: true)
    }
    #expect(values == ["free[node0.Normal]": 12, "low[node0.Normal]": 4])
    let glued = text.replacing("Node 0, zonx   Movable\n", with: "")
    let (others, _) = try read(glued) { text throws(KernelTextError) in
      try TextFormat.zones(text, perCPU: true)
    }
    #expect(others == values)
  }

  @Test func columnsOfOtherVersionsAreNotMisnamed() throws {
    let (old, _) = try read("version 15\ncpu0 1 2 3 4 5 6 7 8 9\n") {
      text throws(KernelTextError) in try TextFormat.schedule(text)
    }
    #expect(old["pcount[0]"] == 9)
    #expect(throws: KernelTextError.malformed(line: 1, field: 1)) {
      try read("version 14\ncpu0 0 0 0 1 2 3 4 5 6 7 8 9\n") { text throws(KernelTextError) in
        try TextFormat.schedule(text)
      }
    }
    let (values, _) = try read(
      "version 16\ncpu0 1 2 3 4 5 6 7 8 9\nc\u{7}u1 1 2 3\ndomain0 1 2 3\n"
    ) { text throws(KernelTextError) in try TextFormat.schedule(text) }
    #expect(!values.keys.contains { $0.contains("domain0") })
    let (rows, lost) = try read("1 2 3 0 0 0 0 0 4 5 6 7 zz 8\n1 2 3 0 0 0 0 0 4 5\n") {
      text throws(KernelTextError) in try TextFormat.softnet(text)
    }
    #expect(rows["processed[1]"] == 1 && rows["processed[0]"] == nil)
    #expect(lost == ["index[row 1]"])
    #expect(throws: KernelTextError.self) {
      try read("0000002a 00000001\n0000002a 00000002\n") { text throws(KernelTextError) in
        try TextFormat.conntrack(text)
      }
    }
  }

  @Test func proceduresThatDoNotParseAreNone() throws {
    let (values, lost) = try read("rpc 5 x 7\nproc3 22 1 - 3\nrpc\nth\nnew 1\n") {
      text throws(KernelTextError) in
      try TextFormat.remoteCalls(text, ["rpc": ["a", "b", "c"], "th": ["t"]], of: "s")
    }
    #expect(values == ["a[s]": 5, "c[s]": 7, "v3.null[s]": 1, "v3.setattr[s]": 3])
    #expect(lost == ["b[s]", "v3.getattr[s]", "t[s]"])
  }

  @Test func nothingUsableIsAnError() throws {
    for grammar in Grammar.all {
      for text in ["", "\n", "\u{0}\u{0}", "  \t \r\n"] {
        #expect(throws: KernelTextError.self, "\(grammar.path) of \(text.debugDescription)") {
          try grammar.learn(KernelText(Array(text.utf8).span))
        }
      }
    }
  }

  @Test func whatIsUnreadableIsNamedByLineWordAndField() throws {
    func complaints(_ text: String, _ learn: Learn) throws -> [String] {
      let kernelText = KernelText(Array(text.utf8).span)
      return kernelText.complaints(try learn(kernelText))
    }
    let list = try complaints("A: 1 kB\nB: two kB\nC:\nD: -4\nE:99999999999999999999\nF\u{1B}: x\n")
    { text throws(KernelTextError) in try TextFormat.list(text) }
    #expect(
      list == [
        #"line 2: field 2 of "B" is not a number"#, #"line 3: field 2 of "C" is missing"#,
        #"line 4: field 2 of "D" is negative"#, #"line 5: field 1 of "E" exceeds 64 bits"#,
        #"line 6: field 2 of "F\u{1B}" is not a number"#,
      ])
    // One line of a megabyte: linear.
    let pairs = " x=?" + (0..<100_000).map { " a\($0)=?" }.joined()
    let long = try complaints("8:0\(pairs)") { text throws(KernelTextError) in
      try TextFormat.keyedPairs(text) { TextField($1, of: $0) }
    }
    #expect(long == [#"line 1: field 2 of "x[8:0]" (and 100000 more) is not a number"#])
    let row = try complaints("cpu  1 2 3 4\ncpu0 x y 3\n") { text throws(KernelTextError) in
      try TextFormat.stat(text)
    }
    #expect(row == [#"line 2: field 2 of "user[0]" (and 2 more) is not a number"#])
    let pressure = try complaints("some avg10=0.1 avg60=? avg300=1 total=\n") {
      text throws(KernelTextError) in try TextFormat.pressure(text, prefix: "")
    }
    #expect(pressure == [#"line 1: field 3 of "some.avg60" (and 1 more) is not a number"#])
    let torn = try complaints("some avg10=0.1 avg60=0 avg300=1") { text throws(KernelTextError) in
      try TextFormat.pressure(text, prefix: "")
    }
    #expect(torn == [#"line 1: field 5 of "some.total" is missing"#])
  }
}
