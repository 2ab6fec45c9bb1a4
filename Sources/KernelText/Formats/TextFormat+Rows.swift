/// Texts with a row for each CPU, interface, device, zone or cache.
extension TextFormat {
  /// Lines of `labelWords` words of label, then values in a known order, of which every line has
  /// `least`. `instance` makes the instance from the label; if it returns nil, the values are
  /// skipped, and the label is part of the shape.
  package static func rows(
    _ text: KernelText, _ names: [String], labelWords: Int, least: Int = 1,
    instance: (KernelText.Line) -> String?
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for line in text.lines() {
      guard line.words.count >= labelWords, let instance = instance(line) else {
        placeholders.skipRest(line, labelWords: labelWords)
        continue
      }
      placeholders.columns(line, from: labelWords, names, of: instance, least: least)
    }
    return try placeholders.finished()
  }

  /// Time columns of a cpu line of /proc/stat in file order. steal came with 2.6.11, guest with
  /// 2.6.24, guest_nice with 2.6.33; older kernels have fewer.
  package static let cpuTimes = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice",
  ]

  /// /proc/stat (fs/proc/stat.c): `cpu0 717 0 682 …`, then totals as `intr 98291 0 0 …`. Instances
  /// are `all` and the CPU's number; the totals have none. In the line of all CPUs, the times in
  /// `summed` are sums over the listed CPUs, the others over all possible ones. A replacement of
  /// the kernel's file may sum the listed CPUs only (LXCFS): then `coversAll` returns whether the
  /// listed CPUs are all that it covers, and all times are such sums.
  package static func stat(
    _ text: KernelText, summed: Set<String> = [], coversAll: ([Int]) -> Bool = { _ in true }
  ) throws(KernelTextError) -> [Placeholder] {
    let totals: Set<String> = [
      "intr", "ctxt", "processes", "procs_running", "procs_blocked", "softirq",
    ]
    var placeholders = PlaceholderList(text)
    let lines = text.lines().filter { !$0.words.isEmpty }
    let numbers = lines.compactMap { cpuNumber(text, $0.words[0]) }
    let cpus = numberList(numbers)
    let summed =
      coversAll(numbers) || exceedsListed(text, lines, numbers.count) ? summed : Set(cpuTimes)
    for line in lines {
      let word = line.words[0]
      let label = text.string(word)
      if label == "cpu" {
        placeholders.columns(line, from: 1, cpuTimes, of: "all", least: 4) {
          summed.contains($0) ? cpus : nil
        }
      } else if cpuNumber(text, word) != nil {
        placeholders.columns(line, from: 1, cpuTimes, of: String(label.dropFirst(3)), least: 4)
      } else if totals.contains(label) {
        let name = label == "softirq" ? "softirq_total" : label
        placeholders.columns(line, from: 1, [name], of: "", least: 1)
      } else {
        placeholders.skipRest(line)
      }
    }
    return try placeholders.finished()
  }

  /// Whether some time in the line of all CPUs exceeds the sum of the `count` listed CPUs, each of
  /// which is rounded down by less than a tick.
  private static func exceedsListed(
    _ text: KernelText, _ lines: [KernelText.Line], _ count: Int
  ) -> Bool {
    var totals = [UInt64](repeating: 0, count: cpuTimes.count)
    var listed = totals
    for line in lines {
      let isTotal = text.string(line.words[0]) == "cpu"
      guard isTotal || cpuNumber(text, line.words[0]) != nil else { continue }
      for (index, word) in line.words.dropFirst().prefix(cpuTimes.count).enumerated() {
        let ticks = UInt64(text.string(word)) ?? 0
        if isTotal { totals[index] = ticks } else { listed[index] &+= ticks }
      }
    }
    return zip(totals, listed).contains { $0 > $1 &+ UInt64(count) }
  }

  /// The number in `cpu12`, nil for another word.
  private static func cpuNumber(_ text: KernelText, _ word: Range<Int>) -> Int? {
    guard word.count > 3, text.isDecimal(word.lowerBound + 3..<word.upperBound),
      text.string(word.lowerBound..<word.lowerBound + 3).lowercased() == "cpu"
    else { return nil }
    return Int(text.string(word.lowerBound + 3..<word.upperBound))
  }

  /// `0-3,5`, the kernel's form of a set of CPUs.
  package static func numberList(_ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in Set(numbers).sorted() {
      if let last = ranges.last, last.upperBound == number - 1 {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }

  /// The columns of /proc/net/dev, received and sent.
  package static let interfaceColumns =
    ["bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast"].map {
      "rx_\($0)"
    }
    + ["bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed"].map {
      "tx_\($0)"
    }

  /// /proc/net/dev (net/core/net-procfs.c): two header lines, then `eth0: 16 counters`.
  package static func interfaces(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for (index, line) in text.lines().enumerated() where !line.words.isEmpty {
      // An interface's name may contain anything but blanks and a slash: the last colon of the
      // first word ends it. Old kernels print no blank after the colon.
      let colon = text.bytes[line.words[0]].lastIndex(of: UInt8(ascii: ":"))
      if colon == nil, index < 2 {
        if text.bytes[line.range].contains(UInt8(ascii: "|")) { placeholders.recognise() }
        continue
      }
      let end = colon ?? line.words[0].upperBound
      let label = text.words(in: line.words[0].lowerBound..<end)
      guard label.count == 1 else {
        placeholders.skipRest(line)
        continue
      }
      let values = text.words(in: (colon.map { $0 + 1 } ?? end)..<line.range.upperBound)
      let row = KernelText.Line(number: line.number, range: line.range, words: label + values)
      placeholders.columns(
        row, from: 1, interfaceColumns, of: text.string(label[0]), least: interfaceColumns.count)
    }
    return try placeholders.finished()
  }

  /// The columns of /proc/diskstats after the name (Documentation/admin-guide/iostats.rst, names of
  /// Documentation/block/stat.rst): discards came with 4.18, flushes with 5.5.
  package static let diskColumns = [
    "read_ios", "read_merges", "read_sectors", "read_ticks", "write_ios", "write_merges",
    "write_sectors", "write_ticks", "in_flight", "io_ticks", "time_in_queue", "discard_ios",
    "discard_merges", "discard_sectors", "discard_ticks", "flush_ios", "flush_ticks",
  ]

  /// /proc/diskstats: `254 0 vda 381167 50507 …`; the values of devices that `keeps` refuses are
  /// skipped.
  package static func disks(
    _ text: KernelText, keeps: (String) -> Bool
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for line in text.lines() {
      let words = line.words
      guard words.count > 2, text.isDecimal(words[0]), text.isDecimal(words[1]) else {
        placeholders.skipRest(line)
        continue
      }
      let name = text.string(words[2])
      guard keeps(name) else {
        placeholders.recognise()
        placeholders.skipRest(line, labelWords: 3)
        continue
      }
      // Linux 2.6.25 has columns up to `time_in_queue`. The number distinguishes a device from an
      // earlier one of the same name.
      let device = "\(text.string(words[0])):\(text.string(words[1]))"
      placeholders.columns(line, from: 3, diskColumns, of: name, least: 11) { _ in device }
    }
    return try placeholders.finished()
  }

  /// /proc/buddyinfo: `Node 0, zone DMA32 1 2 4 …`: free blocks of each order.
  package static func buddies(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    try rows(text, (0..<16).map { "free_blocks_order\($0)" }, labelWords: 4) { line in
      zone(text, line).map { "node\($0.node).\($0.name)" }
    }
  }

  /// `Node 0, zone DMA32`: the node and the zone.
  static func zone(
    _ text: KernelText, _ line: KernelText.Line
  ) -> (node: String, name: String)? {
    guard line.words.count >= 4, text.string(line.words[0]) == "Node",
      text.string(line.words[2]) == "zone", let node = text.digits(in: line.words[1])
    else { return nil }
    return (text.string(node), text.string(line.words[3]))
  }

  /// /proc/slabinfo 2.1: `dentry 1 2 192 21 1 : tunables 0 0 0 : slabdata 3 3 0`. A cache's name
  /// may contain blanks: five numbers are between it and the first colon.
  package static func slabs(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    let objects = ["active_objs", "num_objs", "objsize", "objperslab", "pagesperslab"]
    let slabs = ["active_slabs", "num_slabs", "sharedavail"]
    var placeholders = PlaceholderList(text)
    for line in text.lines() where !line.words.isEmpty {
      let words = line.words
      let first = text.string(words[0])
      guard first != "slabinfo", !first.hasPrefix("#") else {
        placeholders.recognise()
        placeholders.skipRest(line)
        continue
      }
      let colon = words.indices.dropFirst().first { text.string(words[$0]) == ":" }
      let numbers = max(1, (colon ?? 6) - objects.count)
      let name = words.prefix(numbers).map(text.string).joined(separator: " ")
      let data = words.indices.dropFirst((colon ?? 0) + 1).first {
        text.string(words[$0]) == "slabdata"
      }
      for (group, start, end) in [
        (objects, numbers, colon ?? data ?? words.count),
        (slabs, data.map { $0 + 1 } ?? words.count, words.count),
      ] {
        for (index, field) in group.enumerated() {
          let field = TextField(field, of: name)
          if start + index < end {
            placeholders.number(words[start + index], field)
          } else {
            let rowEnd = end > 0 ? words[end - 1].upperBound : line.range.upperBound
            placeholders.unreadable(rowEnd..<rowEnd, field)
          }
        }
      }
      if let data { placeholders.skipRest(line, from: data + 4) }
    }
    return try placeholders.finished()
  }
}
