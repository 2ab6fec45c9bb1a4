import KernelText
import Testing

/// Each grammar against another way to the same numbers: splitting strings.
@Suite struct FormatTests {
  private func lines(_ text: [UInt8]) -> [[String]] {
    String(decoding: text, as: UTF8.self).split(separator: "\n").map {
      $0.split { $0 == " " || $0 == "\t" }.map(String.init)
    }
  }

  /// Calls `expected` for every captured kernel that has the file, and compares.
  private func compare(
    _ path: String, _ expected: ([[String]]) -> [String: UInt64?]
  ) throws {
    var seen = 0
    for kernel in kernels() {
      guard let text = fixture(kernel, path) else { continue }
      seen += 1
      #expect(try Grammar.of(path).values(text) == expected(lines(text)), "\(kernel)/\(path)")
    }
    #expect(seen > 0)
  }

  @Test func stat() throws {
    try compare("proc/stat") { lines in
      var values: [String: UInt64?] = [:]
      for words in lines where words[0] != "btime" {
        if words[0].hasPrefix("cpu") {
          let cpu = words[0] == "cpu" ? "all" : String(words[0].dropFirst(3))
          for (name, word) in zip(TextFormat.cpuTimes, words.dropFirst()) {
            values["\(name)[\(cpu)]"] = UInt64(word)
          }
        } else {
          values[words[0] == "softirq" ? "softirq_total" : words[0]] = UInt64(words[1])
        }
      }
      return values
    }
  }

  @Test func interfaces() throws {
    try compare("proc/net/dev") { lines in
      var values: [String: UInt64?] = [:]
      for words in lines.dropFirst(2) {
        let name = words[0].dropLast()
        for (column, word) in zip(TextFormat.interfaceColumns, words.dropFirst()) {
          values["\(column)[\(name)]"] = UInt64(word)
        }
      }
      return values
    }
  }

  @Test(arguments: ["proc/meminfo", "proc/vmstat", "proc/net/snmp6"])
  func lists(_ path: String) throws {
    try compare(path) { lines in
      var values: [String: UInt64?] = [:]
      for words in lines { values[words[0].filter { $0 != ":" }] = UInt64(words[1]) }
      return values
    }
  }

  @Test(arguments: ["proc/net/snmp", "proc/net/netstat"])
  func pairs(_ path: String) throws {
    try compare(path) { lines in
      var values: [String: UInt64?] = [:]
      for pair in stride(from: 0, to: lines.count, by: 2) {
        for (name, word) in zip(lines[pair].dropFirst(), lines[pair + 1].dropFirst()) {
          values["\(lines[pair][0].dropLast()).\(name)"] =
            Int64(word).map { UInt64(bitPattern: $0) }
        }
      }
      return values
    }
  }

  @Test func disks() throws {
    try compare("proc/diskstats") { lines in
      var values: [String: UInt64?] = [:]
      for words in lines {
        for (column, word) in zip(TextFormat.diskColumns, words.dropFirst(3)) {
          values["\(column)[\(words[2])]"] = UInt64(word)
        }
      }
      return values
    }
  }

  @Test func interrupts() throws {
    try compare("proc/interrupts") { lines in
      let cpus = lines[0].count
      var values: [String: UInt64?] = [:]
      for words in lines.dropFirst() {
        let counts = words.dropFirst().prefix(cpus).compactMap { UInt64($0) }
        let label = words[0].dropLast()
        let device = UInt64(label) == nil ? "" : ":\(words[words.count - 1])"
        values["count[\(label)\(device)]"] = counts.reduce(0, +)
      }
      return values
    }
  }

  @Test func everyCPUOfAnInterrupt() throws {
    let text = Array("           CPU0       CPU2\n 26:          7         15  x  ttyS0\n".utf8)
    let kernelText = KernelText(text.span)
    let placeholders = try TextFormat.interrupts(kernelText, perCPU: true)
    #expect(try parse(TextTemplate(kernelText, placeholders: placeholders), text) == [7, 15])
    #expect(
      placeholders.map(\.content) == [
        .number(.decimal, TextField("count", of: "26:ttyS0@cpu0")),
        .number(.decimal, TextField("count", of: "26:ttyS0@cpu2")),
      ])
  }

  /// kernel/irq/proc.c writes two blanks, then who handles it, with commas between several.
  @Test(arguments: [
    (" 16: 1 2  IO-APIC  16-fasteoi   ehci_hcd:usb1, i801_smbus", "16:ehci_hcd:usb1, i801_smbus"),
    (
      "120: 1 2 PCI-MSI-0000:00:1c.0   0-edge      PCIe PME, aerdrv, PCIe BW notif",
      "120:PCIe PME, aerdrv, PCIe BW notif"
    ),
    (" 26: 1 2   IO-APIC   4-edge      ttyS0", "26:ttyS0"),
    (" 16: 1 2  ARMCTRL  16 dma", "16:dma"),
    // Nobody handles it; and a kernel that writes single blanks.
    (" 27: 1 2   IO-APIC   4-edge    ", "27:4-edge"), (" 28: 1 2 GIC 30 edge rtc", "28:rtc"),
    (" 29: 1 2", "29"), ("LOC: 1 2   Local timer interrupts", "LOC"),
  ])
  func whoHandlesAnInterrupt(_ line: String, _ instance: String) throws {
    let bytes = Array("   CPU0 CPU3\n\(line)\n".utf8)
    let fields = try TextFormat.interrupts(KernelText(bytes.span), perCPU: false)
      .compactMap(\.field)
    #expect(fields == [TextField("count", of: instance, identity: "0,3")])
  }

  @Test func listsOfNumbers() {
    for (numbers, list) in [
      ([], ""), ([0, 1, 2, 3, 5], "0-3,5"), ([7, 3, 7, 4], "3-4,7"), ([9], "9"),
    ] as [([Int], String)] {
      #expect(TextFormat.numberList(numbers) == list)
    }
  }

  @Test func softirqs() throws {
    try compare("proc/softirqs") { lines in
      var values: [String: UInt64?] = [:]
      for words in lines.dropFirst() {
        values[String(words[0].dropLast())] =
          words.dropFirst().compactMap { UInt64($0) }.reduce(0, +)
      }
      return values
    }
  }

  @Test func softnetOfEveryAge() throws {
    try compare("proc/net/softnet_stat") { lines in
      var values: [String: UInt64?] = [:]
      for (line, words) in lines.enumerated() {
        let cpu = words.count > 12 ? UInt64(words[12], radix: 16) ?? 0 : UInt64(line)
        for (column, word) in zip(TextFormat.softnetColumns, words)
        where !column.isEmpty && column != "index" {
          values["\(column)[\(cpu)]"] = UInt64(word, radix: 16)
        }
      }
      return values
    }
    // Linux 2.6.32: ten columns, no number of the CPU.
    let old = Array("0000000a 00000001 00000002 0 0 0 0 0 00000003 0000000f\n".utf8)
    let values = try Grammar.of("proc/net/softnet_stat").values(old)
    #expect(values["processed[0]"] == 10 && values["received_rps[0]"] == 15)
    #expect(values.count == 5)
  }

  @Test func sockets() throws {
    try compare("proc/net/sockstat") { lines in
      var values: [String: UInt64?] = [:]
      for words in lines {
        for place in stride(from: 1, to: words.count - 1, by: 2) {
          values["\(words[0].dropLast()).\(words[place])"] = UInt64(words[place + 1])
        }
      }
      return values
    }
  }

  @Test func pressure() throws {
    let text = "some avg10=1.25 avg60=0.35 avg300=12.22 total=1213374073\n"
    let values = try Grammar.of("proc/pressure/io").values(Array(text.utf8))
    #expect(
      values == [
        "io.some.avg10": 125, "io.some.avg60": 35, "io.some.avg300": 1222,
        "io.some.total": 1_213_374_073,
      ])
  }

  @Test func load() throws {
    let values = try Grammar.of("proc/loadavg").values(Array("0.04 10.97 1.56 1/79 31465\n".utf8))
    #expect(
      values == [
        "load1": 4, "load5": 1097, "load15": 156, "runnable": 1, "threads": 79,
        "last_pid": 31465,
      ])
  }

  @Test func zones() throws {
    try compare("proc/buddyinfo") { lines in
      var values: [String: UInt64?] = [:]
      for words in lines {
        for (order, word) in words.dropFirst(4).enumerated() {
          values["free_blocks_order\(order)[node\(words[1].dropLast()).\(words[3])]"] =
            UInt64(word)
        }
      }
      return values
    }
    let text = """
      Node 1, zone   Normal
        per-node stats
            nr_inactive_anon 415
        pages free     3840
              boost    0
              protection: (0, 1951, 24100)
            nr_free_pages 3841
        pagesets
          cpu: 0
                    count:    7
        node_unreclaimable:  0

      """
    let values = try Grammar.of("proc/zoneinfo").values(Array(text.utf8))
    #expect(
      values == [
        "nr_inactive_anon[node1]": 415, "free[node1.Normal]": 3840, "boost[node1.Normal]": 0,
        "nr_free_pages[node1.Normal]": 3841, "node_unreclaimable[node1.Normal]": 0,
        "pagesets.count[node1.Normal@cpu0]": 7,
      ])
  }

  @Test func slabs() throws {
    try compare("proc/slabinfo") { lines in
      var values: [String: UInt64?] = [:]
      for words in lines.dropFirst(2) {
        for (place, name) in [(1, "active_objs"), (2, "num_objs"), (3, "objsize")]
          + [(4, "objperslab"), (5, "pagesperslab"), (13, "active_slabs")]
          + [(14, "num_slabs"), (15, "sharedavail")]
        {
          values["\(name)[\(words[0])]"] = UInt64(words[place])
        }
      }
      return values
    }
  }

  /// Columns of a domain line by the documentation of each version: 36, and 45 from 17 on.
  @Test(arguments: [(15, "0f", 36), (16, "0f", 36), (17, "MC 0f", 45)])
  func scheduler(version: Int, domain: String, columns: Int) throws {
    let numbers = (1...columns).map(String.init).joined(separator: " ")
    let text = """
      version \(version)
      timestamp 4294937296
      cpu0 0 0 2105 1023 1053 512 1198234567 123456789 1051
      domain0 \(domain) \(numbers)
      cpu1 0 0 1 2 3 4 5 6 7

      """
    let values = try Grammar.of("proc/schedstat").values(Array(text.utf8))
    #expect(values.count == 9 + columns + 9)
    #expect(values["rq_cpu_time[0]"] == 1_198_234_567 && values["pcount[1]"] == 7)
    #expect(values[version == 15 ? "idle.lb_count[0.domain0]" : "busy.lb_count[0.domain0]"] == 1)
    #expect(values["newly_idle.lb_nobusyg[0.domain0]"] == UInt64(columns - 12))
    #expect(values["alb_count[0.domain0]"] == UInt64(columns - 11))
    #expect(values["ttwu_move_balance[0.domain0]"] == UInt64(columns))
    #expect((values["idle.lb_imbalance_misfit[0.domain0]"] != nil) == (version == 17))
  }

  @Test func domainsOfAnUnknownVersionAreReadOver() throws {
    let text = "version 18\ncpu0 1 2 3 4 5 6 7 8 9\ndomain0 X 0f 1 2 3\n"
    #expect(try Grammar.of("proc/schedstat").values(Array(text.utf8)).count == 9)
  }

  private func values(
    _ text: String, _ learn: (KernelText) throws(KernelTextError) -> [Placeholder]
  ) throws -> [String: UInt64] {
    let bytes = Array(text.utf8)
    let kernelText = KernelText(bytes.span)
    let placeholders = try learn(kernelText)
    let names = placeholders.compactMap { placeholder -> String? in
      guard case .number(_, let field) = placeholder.content else { return nil }
      return "\(field.name)[\(field.instance)]"
    }
    let numbers = try parse(TextTemplate(kernelText, placeholders: placeholders), bytes)
    return Dictionary(zip(names, numbers)) { first, _ in first }
  }

  @Test func proceduresGoByTheirNames() throws {
    let text = """
      net 20 1 19 2
      rpc 12034 2 12035
      proc3 22 0 71 3 1204 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22
      proc4 61 \((0..<61).map(String.init).joined(separator: " "))

      """
    let client = try values(text) { text throws(KernelTextError) in
      try TextFormat.remoteCalls(text, ["rpc": ["calls", "retransmissions"]], of: "client")
    }
    #expect(client["calls[client]"] == 12034 && client["retransmissions[client]"] == 2)
    #expect(client["v3.getattr[client]"] == 71 && client["v3.commit[client]"] == 22)
    #expect(client["v4.sequence[client]"] == 41 && client["v4.clone[client]"] == 58)
    #expect(client["v4.op60[client]"] == 60)
    let server = try values("proc4 2 7 12\nproc4ops 6 0 0 0 4 5 6\n") {
      text throws(KernelTextError) in
      try TextFormat.remoteCalls(text, [:], of: "server")
    }
    #expect(server["v4.compound[server]"] == 12)
    #expect(server["v4.access[server]"] == 4 && server["v4.commit[server]"] == 6)
  }

  @Test func connectionsOfEachCPUAreHexadecimal() throws {
    let text = "entries  clashres found\n0000002a  00000000 000000ff\n0000002a  00000003 00000001\n"
    let all = try values(text) { text throws(KernelTextError) in try TextFormat.conntrack(text) }
    #expect(all["entries[0]"] == 42 && all["found[0]"] == 255 && all["clashres[1]"] == 3)
    let short = try values("a b c\n1 2\n") { text throws(KernelTextError) in
      try TextFormat.conntrack(text)
    }
    #expect(short == ["a[0]": 1, "b[0]": 2])
  }

  @Test func progressIsThereWhileThereIsSome() throws {
    func progress(_ text: String) throws -> [String: UInt64] {
      try values(text) { text throws(KernelTextError) in
        try TextFormat.progress(text, TextField("done"), TextField("total"))
      }
    }
    #expect(try progress("5120 / 104857600\n") == ["done[]": 5120, "total[]": 104_857_600])
    #expect(try progress("none\n").isEmpty)
    #expect(try progress("12\n") == ["done[]": 12])
    #expect(try progress("5 of 7\n") == ["done[]": 5])
    #expect(throws: KernelTextError.self) { try progress("\n") }
  }

  @Test func pageSetsAreThereOnRequest() throws {
    let text = """
      Node 0, zone   Normal
        pages free     77
        pagesets
          cpu: 0
                    count:    5
                    high:     14
          vm stats threshold: 4
          cpu: 1
                    count:    6
        node_unreclaimable:  0

      """
    let all = try values(text) { text throws(KernelTextError) in
      try TextFormat.zones(text, perCPU: true)
    }
    #expect(
      all == [
        "free[node0.Normal]": 77, "pagesets.count[node0.Normal@cpu0]": 5,
        "pagesets.high[node0.Normal@cpu0]": 14, "pagesets.count[node0.Normal@cpu1]": 6,
        "pagesets.vm_stats_threshold[node0.Normal@cpu0]": 4, "node_unreclaimable[node0.Normal]": 0,
      ])
    let few = try values(text) { text throws(KernelTextError) in
      try TextFormat.zones(text, perCPU: false)
    }
    #expect(Set(few.keys) == ["free[node0.Normal]", "node_unreclaimable[node0.Normal]"])
  }

  @Test func aCPUThatCameOrWentIsALayoutChangeNeverAShiftedColumn() throws {
    let text = "cpu  9 9 9 9\ncpu0 1 2 3 4\ncpu3 5 6 7 8\nintr 5 1 2\nctxt 777\n"
    let (template, _) = try Grammar.of("proc/stat").template(Array(text.utf8))
    for other in [
      "cpu  9 9 9 9\ncpu0 1 2 3 4\nintr 5 1 2\nctxt 777\n",
      "cpu  9 9 9 9\ncpu0 1 2 3 4\ncpu3 5 6 7 8\ncpu4 5 6 7 8\nintr 5 1 2\nctxt 777\n",
      "cpu  9 9 9 9\ncpu1 1 2 3 4\ncpu3 5 6 7 8\nintr 5 1 2\nctxt 777\n",
    ] {
      #expect(throws: KernelTextError.layoutChanged) { try parse(template, Array(other.utf8)) }
    }
  }

  /// Hosts larger than any here: linear, and exact at the widest numbers.
  @Test func hugeHosts() throws {
    let top = UInt64.max
    let times = Array(repeating: "\(top)", count: 10).joined(separator: " ")
    let cpus = "cpu  \(times)\n" + (0..<4096).map { "cpu\($0) \(times)\n" }.joined()
    let stat = Array((cpus + "intr 5 1\nctxt \(UInt32.max)\n").utf8)
    let values = try Grammar.of("proc/stat").values(stat)
    #expect(values.count == 4097 * 10 + 2)
    #expect(values["user[4095]"] == top && values["ctxt"] == UInt64(UInt32.max))
    let disks = (0..<2000).map { index in
      "   8 \(index) sd\(index) " + (1...17).map { "\($0)" }.joined(separator: " ") + "\n"
    }
    let disk = try Grammar.of("proc/diskstats").values(Array(disks.joined().utf8))
    #expect(disk.count == 2000 * 17 && disk["flush_ticks[sd1999]"] == 17)
    let lines = (0..<5000).map { " \($0): 1 2 3 4 IR-PCI-MSI-edge nvme0q\($0)\n" }
    let interrupts = Array(("   CPU0 CPU1 CPU2 CPU3\n" + lines.joined()).utf8)
    let sums = try Grammar.of("proc/interrupts").values(interrupts)
    #expect(sums.count == 5000 && sums["count[4999:nvme0q4999]"] == 10)
    let names = (0..<1000).map { index in
      "  veth\(index): " + (1...16).map { "\($0)" }.joined(separator: " ") + "\n"
    }
    let net = try Grammar.of("proc/net/dev").values(Array(("h\nh\n" + names.joined()).utf8))
    #expect(net.count == 16_000 && net["tx_compressed[veth999]"] == 16)
  }
}
