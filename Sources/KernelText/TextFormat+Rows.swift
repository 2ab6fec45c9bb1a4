/// Texts with a row for each CPU, interface, device, zone or cache.
extension TextFormat {
  /// Lines that begin with what they are of, then values in a known order: `labelWords` words of
  /// label, the instance made of them by `instance`; nil: the line is read over.
  package static func rows(
    _ text: KernelText, _ names: [String], labelWords: Int,
    instance: (KernelText.Line) -> String?
  ) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for line in try text.lines() {
      guard let instance = instance(line), line.words.count > labelWords else {
        holes.append(TextHole(line.range, .restOfLine))
        continue
      }
      holes += try columns(text, line, from: labelWords, names, of: instance)
    }
    return holes
  }

  /// The words of a line from number `first` on, in a known order; further ones are read over.
  static func columns(
    _ text: KernelText, _ line: KernelText.Line, from first: Int, _ names: [String],
    of instance: String
  ) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for (place, word) in line.words.enumerated().dropFirst(first) {
      guard place - first < names.count else {
        holes.append(TextHole(word.lowerBound..<line.range.upperBound, .restOfLine))
        break
      }
      let field = TextField(names[place - first], of: instance)
      holes.append(try text.decimal(word, field, line: line, word: place))
    }
    return holes
  }

  /// Time columns of a cpu line of /proc/stat in file order. steal came with 2.6.11, guest with
  /// 2.6.24, guest_nice with 2.6.33; older kernels have fewer.
  package static let cpuTimes = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice",
  ]

  /// /proc/stat (fs/proc/stat.c): `cpu0 717 0 682 …`, then totals as `intr 98291 0 0 …`. Instances
  /// are `all` and the CPU's number; the totals have none.
  package static func stat(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    let totals: Set<String> = [
      "intr", "ctxt", "processes", "procs_running", "procs_blocked", "softirq",
    ]
    var holes: [TextHole] = []
    for line in try text.lines() {
      let label = line.words.first.map(text.string) ?? ""
      let cpu = label.dropFirst(3)
      if label.hasPrefix("cpu"), cpu.allSatisfy(\.isNumber) {
        guard line.words.count >= 5 else {
          throw .malformed(line: line.number, field: Int32(line.words.count + 1))
        }
        let instance = cpu.isEmpty ? "all" : String(cpu)
        for (place, name) in cpuTimes.enumerated() where place + 1 < line.words.count {
          holes.append(
            try text.decimal(
              line.words[place + 1], TextField(name, of: instance), line: line, word: place + 1))
        }
        if line.words.count > cpuTimes.count + 1 {
          holes.append(
            TextHole(
              line.words[cpuTimes.count + 1].lowerBound..<line.range.upperBound, .restOfLine))
        }
      } else if totals.contains(label) {
        guard line.words.count > 1 else { throw .malformed(line: line.number, field: 2) }
        let name = label == "softirq" ? "softirq_total" : label
        holes.append(try text.decimal(line.words[1], TextField(name), line: line, word: 1))
        if line.words.count > 2 {
          holes.append(TextHole(line.words[1].upperBound..<line.range.upperBound, .restOfLine))
        }
      } else {
        holes.append(TextHole(line.range, .restOfLine))
      }
    }
    guard holes.contains(where: { $0.content != .restOfLine }) else {
      throw .malformed(line: 1, field: 1)
    }
    return holes
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
    var holes: [TextHole] = []
    let lines = try text.lines()
    guard lines.count >= 2 else { throw .truncated }
    for line in lines.dropFirst(2) {
      // An interface's name may hold anything but blanks and a slash: the last colon ends it.
      guard let colon = text.bytes[line.range].lastIndex(of: UInt8(ascii: ":")) else {
        throw .malformed(line: line.number, field: 1)
      }
      let name = text.words(in: line.range.lowerBound..<colon).first.map(text.string) ?? ""
      let values = text.words(in: colon + 1..<line.range.upperBound)
      for (place, column) in interfaceColumns.enumerated() {
        guard place < values.count else {
          throw .malformed(line: line.number, field: Int32(values.count + 2))
        }
        holes.append(
          try text.decimal(values[place], TextField(column, of: name), line: line, word: place + 1))
      }
    }
    return holes
  }

  /// The columns of /proc/diskstats behind the name (Documentation/admin-guide/iostats.rst,
  /// names of Documentation/block/stat.rst): discards came with 4.18, flushes with 5.5.
  package static let diskColumns = [
    "read_ios", "read_merges", "read_sectors", "read_ticks", "write_ios", "write_merges",
    "write_sectors", "write_ticks", "in_flight", "io_ticks", "time_in_queue", "discard_ios",
    "discard_merges", "discard_sectors", "discard_ticks", "flush_ios", "flush_ticks",
  ]

  /// /proc/diskstats: `254 0 vda 381167 50507 …`; devices that `keeps` refuses are read over.
  package static func disks(
    _ text: KernelText, keeps: (String) -> Bool
  ) throws(KernelTextError) -> [TextHole] {
    try rows(text, diskColumns, labelWords: 3) { line in
      guard line.words.count > 3 else { return nil }
      let name = text.string(line.words[2])
      return keeps(name) ? name : nil
    }
  }

  /// /proc/buddyinfo: `Node 0, zone DMA32 1 2 4 …`: free blocks of each order.
  package static func buddies(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    try rows(text, (0..<16).map { "free_blocks_order\($0)" }, labelWords: 4) { line in
      line.words.count > 4 ? zone(text, line) : nil
    }
  }

  /// `Node 0, zone DMA32` as `node0.DMA32`.
  private static func zone(_ text: KernelText, _ line: KernelText.Line) -> String? {
    guard line.words.count >= 4, text.string(line.words[0]) == "Node",
      let node = text.digits(in: line.words[1])
    else { return nil }
    return "node\(text.string(node)).\(text.string(line.words[3]))"
  }

  /// /proc/zoneinfo: pages of each zone, and the per-node statistics before those of its first
  /// zone. The page sets of the CPUs are read over unless asked for.
  package static func zones(
    _ text: KernelText, perCPU: Bool
  ) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    var zone = ""
    var instance = ""
    var inPageSets = false
    var cpu = ""
    for line in try text.lines() {
      let words = line.words
      if let next = Self.zone(text, line) {
        (zone, instance, inPageSets) = (next, next, false)
        continue
      }
      guard let first = words.first else { continue }
      let name = label(text, first)
      if name == "per-node" { instance = String(zone.prefix { $0 != "." }) }
      if name == "pages" { instance = zone }
      if name == "pagesets" { inPageSets = true }
      if name == "node_unreclaimable" { inPageSets = false }
      if inPageSets, name == "cpu", words.count > 1 { cpu = text.string(words[1]) }
      if inPageSets, perCPU, name != "cpu", words.count > 1,
        let word = words.last, text.isDecimal(word)
      {
        let label = name == "vm" ? "vm_stats_threshold" : name
        let field = TextField("pagesets.\(label)", of: "\(zone)@cpu\(cpu)")
        holes.append(TextHole(word, .number(.decimal, field)))
        continue
      }
      let place = name == "pages" ? 2 : 1
      guard !inPageSets, words.count == place + 1, text.isDecimal(words[place]) else {
        if words.count > 1 { holes.append(TextHole(line.range, .restOfLine)) }
        continue
      }
      let field = name == "pages" ? text.string(words[1]) : name
      holes.append(TextHole(words[place], .number(.decimal, TextField(field, of: instance))))
    }
    return holes
  }

  /// /proc/slabinfo 2.1: `dentry 1 2 192 21 1 : tunables 0 0 0 : slabdata 3 3 0`.
  package static func slabs(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    let places = [
      (1, "active_objs"), (2, "num_objs"), (3, "objsize"), (4, "objperslab"),
      (5, "pagesperslab"), (13, "active_slabs"), (14, "num_slabs"), (15, "sharedavail"),
    ]
    var holes: [TextHole] = []
    for line in try text.lines().dropFirst(2) {
      guard line.words.count >= 16 else {
        throw .malformed(line: line.number, field: Int32(line.words.count))
      }
      let cache = text.string(line.words[0])
      for (place, name) in places {
        holes.append(
          try text.decimal(line.words[place], TextField(name, of: cache), line: line, word: place))
      }
    }
    return holes
  }

}
