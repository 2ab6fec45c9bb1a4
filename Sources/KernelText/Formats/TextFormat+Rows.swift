/// Texts with a row for each CPU, interface, device, zone or cache.
extension TextFormat {
  /// Lines that begin with what they are of, then values in a known order, of which `least` are in
  /// every line: `labelWords` words of label, the instance made of them by `instance`; nil: the
  /// values are read over, and the label is part of the shape.
  package static func rows(
    _ text: KernelText, _ names: [String], labelWords: Int, least: Int = 1,
    instance: (KernelText.Line) -> String?
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    for line in text.lines() {
      guard line.words.count >= labelWords, let instance = instance(line) else {
        holes.readOver(line, labelWords: labelWords)
        continue
      }
      holes.columns(line, from: labelWords, names, of: instance, least: least)
    }
    return try holes.finished()
  }

  /// Time columns of a cpu line of /proc/stat in file order. steal came with 2.6.11, guest with
  /// 2.6.24, guest_nice with 2.6.33; older kernels have fewer.
  package static let cpuTimes = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice",
  ]

  /// /proc/stat (fs/proc/stat.c): `cpu0 717 0 682 …`, then totals as `intr 98291 0 0 …`. Instances
  /// are `all` and the CPU's number; the totals have none. Of the line of all CPUs the times in
  /// `summed` are sums over those that are listed, and the others of all that there can be. What
  /// stands in for the kernel's file may add up those that are listed alone, as LXCFS does: then
  /// `coversAll` tells whether that is what these CPUs are to it, and all times are such sums.
  package static func stat(
    _ text: KernelText, summed: Set<String> = [], coversAll: ([Int]) -> Bool = { _ in true }
  ) throws(KernelTextError) -> [TextHole] {
    let totals: Set<String> = [
      "intr", "ctxt", "processes", "procs_running", "procs_blocked", "softirq",
    ]
    var holes = HoleList(text)
    let lines = text.lines().filter { !$0.words.isEmpty }
    let numbers = lines.compactMap { cpuNumber(text, $0.words[0]) }
    let cpus = numberList(numbers)
    let summed =
      coversAll(numbers) || exceedsListed(text, lines, numbers.count) ? summed : Set(cpuTimes)
    for line in lines {
      let word = line.words[0]
      let label = text.string(word)
      if label == "cpu" {
        holes.columns(line, from: 1, cpuTimes, of: "all", least: 4) {
          summed.contains($0) ? cpus : nil
        }
      } else if cpuNumber(text, word) != nil {
        holes.columns(line, from: 1, cpuTimes, of: String(label.dropFirst(3)), least: 4)
      } else if totals.contains(label) {
        let name = label == "softirq" ? "softirq_total" : label
        holes.columns(line, from: 1, [name], of: "", least: 1)
      } else {
        holes.readOver(line)
      }
    }
    return try holes.finished()
  }

  /// Whether some time of the line of all CPUs is more than those of the `count` CPUs listed make,
  /// each of which is rounded down by less than a tick.
  private static func exceedsListed(
    _ text: KernelText, _ lines: [KernelText.Line], _ count: Int
  ) -> Bool {
    var totals = [UInt64](repeating: 0, count: cpuTimes.count)
    var listed = totals
    for line in lines {
      let isTotal = text.string(line.words[0]) == "cpu"
      guard isTotal || cpuNumber(text, line.words[0]) != nil else { continue }
      for (place, word) in line.words.dropFirst().prefix(cpuTimes.count).enumerated() {
        let ticks = UInt64(text.string(word)) ?? 0
        if isTotal { totals[place] = ticks } else { listed[place] &+= ticks }
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

  /// `0-3,5`: as the kernel writes a set of CPUs.
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
  package static func interfaces(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    for (index, line) in text.lines().enumerated() where !line.words.isEmpty {
      // An interface's name may hold anything but blanks and a slash: the last colon ends it.
      let colon = text.bytes[line.range].lastIndex(of: UInt8(ascii: ":"))
      if colon == nil, index < 2 {
        if text.bytes[line.range].contains(UInt8(ascii: "|")) { holes.recognise() }
        continue
      }
      let end = colon ?? line.words[0].upperBound
      let label = text.words(in: line.range.lowerBound..<end)
      guard label.count == 1 else {
        holes.readOver(line)
        continue
      }
      let values = text.words(in: (colon.map { $0 + 1 } ?? end)..<line.range.upperBound)
      let row = KernelText.Line(number: line.number, range: line.range, words: label + values)
      holes.columns(
        row, from: 1, interfaceColumns, of: text.string(label[0]), least: interfaceColumns.count)
    }
    return try holes.finished()
  }

  /// The columns of /proc/diskstats behind the name (Documentation/admin-guide/iostats.rst,
  /// names of Documentation/block/stat.rst): discards came with 4.18, flushes with 5.5.
  package static let diskColumns = [
    "read_ios", "read_merges", "read_sectors", "read_ticks", "write_ios", "write_merges",
    "write_sectors", "write_ticks", "in_flight", "io_ticks", "time_in_queue", "discard_ios",
    "discard_merges", "discard_sectors", "discard_ticks", "flush_ios", "flush_ticks",
  ]

  /// /proc/diskstats: `254 0 vda 381167 50507 …`; the values of devices that `keeps` refuses are
  /// read over.
  package static func disks(
    _ text: KernelText, keeps: (String) -> Bool
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    for line in text.lines() {
      let words = line.words
      guard words.count > 2, text.isDecimal(words[0]), text.isDecimal(words[1]) else {
        holes.readOver(line)
        continue
      }
      let name = text.string(words[2])
      guard keeps(name) else {
        holes.recognise()
        holes.readOver(line, labelWords: 3)
        continue
      }
      // Linux 2.6.25 has them up to `time_in_queue`. The number tells a device from an earlier one
      // of its name.
      let device = "\(text.string(words[0])):\(text.string(words[1]))"
      holes.columns(line, from: 3, diskColumns, of: name, least: 11) { _ in device }
    }
    return try holes.finished()
  }

  /// /proc/buddyinfo: `Node 0, zone DMA32 1 2 4 …`: free blocks of each order.
  package static func buddies(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
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
  /// may hold blanks: five numbers stand between it and the first colon.
  package static func slabs(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    let objects = ["active_objs", "num_objs", "objsize", "objperslab", "pagesperslab"]
    let slabs = ["active_slabs", "num_slabs", "sharedavail"]
    var holes = HoleList(text)
    for line in text.lines() where !line.words.isEmpty {
      let words = line.words
      let first = text.string(words[0])
      guard first != "slabinfo", !first.hasPrefix("#") else {
        holes.recognise()
        holes.readOver(line)
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
        for (place, field) in group.enumerated() {
          let field = TextField(field, of: name)
          if start + place < end {
            holes.number(words[start + place], field)
          } else {
            let behind = end > 0 ? words[end - 1].upperBound : line.range.upperBound
            holes.unreadable(behind..<behind, field)
          }
        }
      }
      if let data { holes.readOver(line, from: data + 4) }
    }
    return try holes.finished()
  }
}
