package import SampleModel

/// How a table shows one kind of metric.
package enum CellFormat: Sendable {
  /// A fraction as percent.
  case percent
  /// A number with two decimals.
  case fixed
  /// Seconds as milliseconds.
  case milliseconds
  /// Bytes with binary prefixes.
  case bytes
  /// A count with decimal prefixes.
  case count

  /// Columns of the terminal that a cell takes.
  var width: Int {
    switch self {
    case .percent: 4
    case .fixed, .milliseconds: 5
    case .bytes, .count: 6
    }
  }

  /// Appends a cell's text: nothing but ASCII.
  func append(_ value: Double, to text: inout TextBuffer) {
    switch self {
    case .percent:
      let percent = value * 100
      text.append(fixed: percent, places: percent >= 99.95 || percent == 0 ? 0 : 1)
    case .fixed: text.append(fixed: value, places: value < 100 ? 2 : 0)
    case .milliseconds: text.append(fixed: value * 1000, places: value < 0.1 ? 2 : 0)
    case .bytes: text.append(scaled: value, by: .bytes)
    case .count: text.append(scaled: value, by: .count)
    }
  }
}

/// One column of the live table.
package struct TableColumn: Sendable {
  package let group: String
  package let heading: String
  package let source: String
  /// The column that `source` is divided by: a time a second by requests a second is the time of
  /// one. Nothing is shown where there were none.
  package var divisor: String?
  /// The column with the share of the time in which `source` was counted. A value that was not
  /// counted all the time is marked.
  package var share: String?
  package let format: CellFormat
  /// What its cells are in: `%`, `/s`, `B`; empty for a plain number.
  package var unit = ""
  /// Columns of a higher rank go first when the terminal is too narrow.
  package let rank: Int

  /// Columns of the terminal that it takes, without the space in front.
  package var width: Int { max(format.width, heading.count, unit.count) }
}

/// Which columns the live table shows of each collector, and in which order they go when the
/// terminal is too narrow. A metric that is not listed here is shown by csv and ndjson only.
package enum TableView {
  private struct Spec {
    let metric: String
    let heading: String
    let format: CellFormat
    let rank: Int
    let divisor: String?
    init(
      _ metric: String, _ heading: String, _ format: CellFormat, _ rank: Int, per: String? = nil
    ) {
      divisor = per
      self.metric = metric
      self.heading = heading
      self.format = format
      self.rank = rank
    }
  }

  private static let specs: [String: [Spec]] = [
    "cpu": [
      Spec("user", "usr", .percent, 0), Spec("nice", "nic", .percent, 7),
      Spec("system", "sys", .percent, 0), Spec("idle", "idl", .percent, 1),
      Spec("iowait", "wai", .percent, 2), Spec("irq", "hiq", .percent, 7),
      Spec("softirq", "siq", .percent, 5), Spec("steal", "stl", .percent, 4),
      Spec("procs_running", "run", .count, 3), Spec("procs_blocked", "blk", .count, 3),
      Spec("intr", "intr", .count, 3), Spec("ctxt", "csw", .count, 3),
      Spec("processes", "new", .count, 6),
    ],
    "memory": [
      Spec("MemFree", "free", .bytes, 3), Spec("MemAvailable", "avail", .bytes, 2),
      Spec("Cached", "cache", .bytes, 4), Spec("Dirty", "dirty", .bytes, 6),
      Spec("SwapFree", "swapfr", .bytes, 8),
    ],
    "disk": [
      Spec("read_sectors", "read", .bytes, 1), Spec("write_sectors", "writ", .bytes, 1),
      Spec("read_ios", "rd", .count, 6), Spec("write_ios", "wr", .count, 6),
      Spec("read_ticks", "rdlat", .milliseconds, 5, per: "read_ios"),
      Spec("write_ticks", "wrlat", .milliseconds, 5, per: "write_ios"),
      Spec("io_ticks", "busy", .percent, 3),
    ],
    "pressure": [
      Spec("cpu.some.total", "cpu", .percent, 4), Spec("memory.some.total", "mem", .percent, 4),
      Spec("io.some.total", "io", .percent, 4),
    ],
    "process": [
      Spec("utime", "usr", .percent, 1), Spec("stime", "sys", .percent, 1),
      Spec("rss", "rss", .bytes, 2), Spec("num_threads", "thrds", .count, 4),
      Spec("majflt", "majflt", .count, 5), Spec("read_bytes", "read", .bytes, 4),
      Spec("write_bytes", "write", .bytes, 4),
    ],
    "top": [Spec("processes", "procs", .count, 4)],
    "packets": [
      Spec("packets_in", "pkt in", .count, 1), Spec("packets_out", "pktout", .count, 2),
      Spec("bytes_in", "in", .bytes, 1), Spec("bytes_out", "out", .bytes, 2),
      Spec("dropped_socket", "lost", .count, 3),
    ],
    "footprint": [
      Spec("Pss", "pss", .bytes, 2), Spec("Swap", "swap", .bytes, 5),
      Spec("placement", "mem", .bytes, 3),
    ],
    "tree": [
      Spec("sum_exec_runtime", "cpu", .percent, 1), Spec("rss", "rss", .bytes, 2),
      Spec("processes", "procs", .count, 2), Spec("threads", "thrds", .count, 4),
      Spec("forks", "forks", .count, 4), Spec("majflt", "majflt", .count, 5),
      Spec("read_bytes", "read", .bytes, 4), Spec("write_bytes", "write", .bytes, 4),
    ],
    "cgroup": [
      Spec("cpu.stat.usage_usec", "cpu", .percent, 1), Spec("cpuacct.usage", "v1 cpu", .percent, 1),
      Spec("memory.current", "mem", .bytes, 1), Spec("memory.usage_in_bytes", "mem", .bytes, 1),
      Spec("pids.current", "tasks", .count, 2),
      Spec("cpu.pressure.some.total", "cpuwt", .percent, 3),
      Spec("memory.pressure.some.total", "memwt", .percent, 4),
      Spec("io.stat.rbytes", "read", .bytes, 3), Spec("io.stat.wbytes", "write", .bytes, 3),
    ],
    "filesystems": [
      Spec("f_bavail", "avail", .bytes, 2), Spec("f_ffree", "inodes", .count, 5),
    ],
    "load": [
      Spec("load1", "1 min", .fixed, 2), Spec("load5", "5 min", .fixed, 3),
      Spec("load15", "15min", .fixed, 4),
    ],
    "vm": [
      Spec("pgfault", "faults", .count, 4), Spec("pgmajfault", "majflt", .count, 4),
      Spec("pswpin", "swp in", .count, 5), Spec("pswpout", "swpout", .count, 5),
    ],
    "numa": [
      Spec("MemFree", "free", .bytes, 3), Spec("local_node", "local", .count, 4),
      Spec("other_node", "remote", .count, 4), Spec("numa_miss", "miss", .count, 5),
    ],
    "sockets": [Spec("TCP.inuse", "tcp", .count, 4), Spec("TCP.tw", "tm wt", .count, 6)],
    "protocols": [
      Spec("Tcp.InSegs", "seg in", .count, 4), Spec("Tcp.OutSegs", "segout", .count, 4),
      Spec("Tcp.RetransSegs", "retr", .count, 3),
    ],
    "net": [
      Spec("rx_bytes", "recv", .bytes, 1), Spec("tx_bytes", "send", .bytes, 1),
      Spec("rx_packets", "pkt in", .count, 6), Spec("tx_packets", "pktout", .count, 6),
      Spec("rx_drop", "drp in", .count, 8), Spec("rx_errs", "err in", .count, 8),
    ],
  ]

  /// The table's columns for these layouts: instances in layout order, metrics in theirs. Within
  /// a collector, an instance after the first is one rank more dispensable for each index.
  /// Collectors that the user has named always have columns; `notice` reports where some are left
  /// out.
  package static func columns(
    of layouts: [Layout], _ style: TableSink.Style, idle: [UInt16: Set<String>] = [:],
    notice: (String) -> Void = { _ in }
  ) -> [TableColumn] {
    var columns: [TableColumn] = []
    let perCPU = style.perCPU || style.showsAll
    for layout in layouts {
      let first = columns.count
      var instances: [String] = []
      var known = Set<String>()
      for column in layout.columns where known.insert(column.instance).inserted {
        instances.append(column.instance)
      }
      let metrics = Dictionary(layout.columns.map { ($0.name, $0.metric) }) { first, _ in first }
      let prefix = layout.columns.first?.name.prefix { $0 != "." } ?? ""
      // What never counted anything is of least interest, the loopback interface of little.
      let lesser: (String) -> Int = { instance in
        (idle[layout.stream]?.contains(instance) ?? false) ? 2 : instance == "lo" ? 1 : 0
      }
      let order =
        instances.filter { lesser($0) == 0 } + instances.filter { lesser($0) == 1 }
        + instances.filter { lesser($0) == 2 }
      var indices: [String: Int] = [:]
      for (index, instance) in order.enumerated() { indices[instance] = index }
      for instance in instances {
        let index = (indices[instance] ?? 0) + lesser(instance) * 4
        if layout.collector == "cpu", !perCPU, !["all", ""].contains(instance) { continue }
        for spec in specs[String(prefix)] ?? [] {
          let source =
            instance.isEmpty
            ? "\(prefix).\(spec.metric)"
            : "\(prefix).\(spec.metric)[\(instance)]"
          guard let metric = metrics[source] else { continue }
          var column = TableColumn(
            group: group(layout.collector, instance), heading: spec.heading, source: source,
            format: spec.format, rank: spec.rank + (instance.isEmpty ? 0 : index))
          column.divisor = spec.divisor.map {
            instance.isEmpty ? "\(prefix).\($0)" : "\(prefix).\($0)[\(instance)]"
          }
          column.unit = unit(metric, spec.format)
          columns.append(column)
        }
      }
      columns += events(of: layout, perCPU: perCPU)
      if style.showsAll {
        let known = Set(columns[first...].map(\.source))
        columns += plain(layout.columns.filter { !known.contains($0.name) }, of: layout)
      } else if columns.count == first, style.named.contains(layout.collector) {
        columns += someOf(layout, idle: idle[layout.stream] ?? [], notice)
      }
    }
    return columns
  }

  /// Performance events and what formulas make of them, which have no table of their own: a column
  /// each, or one for each CPU.
  private static func events(of layout: Layout, perCPU: Bool) -> [TableColumn] {
    let derived = Set(layout.formulas.map(\.column.name))
    return layout.shown.filter { column in
      (column.times != nil || derived.contains(column.name) && column.metric.name != "running")
        && (perCPU || UInt(column.instance) == nil)
    }.map { column in
      let isAll = UInt(column.instance) == nil
      let format: CellFormat =
        switch column.metric.unit {
        case .bytes: .bytes
        case .nanoseconds, .joules, .ratio: .fixed
        default: .count
        }
      var shown = TableColumn(
        group: eventGroup(column.instance), heading: column.metric.name,
        source: column.name, format: format, rank: isAll ? 1 : 5)
      shown.share = column.share
      shown.unit = unit(column.metric, format)
      return shown
    }
  }

  /// The label of an instance: the number of a CPU; the name of a control group, socket or node.
  private static func eventGroup(_ instance: String) -> String {
    if ["all", ""].contains(instance) { return "events" }
    return UInt(instance) == nil ? instance : "cpu\(instance)"
  }

  private static func group(_ collector: String, _ instance: String) -> String {
    switch (collector, instance) {
    case ("cpu", "all"): "cpu"
    case ("cpu", ""): "system"
    case ("cpu", _): "cpu\(instance)"
    case (_, ""): collector
    case ("process", _): "process \(instance)"
    default: instance
    }
  }

  /// The columns that fit `width`, and how many were left out: the highest rank goes first, of
  /// equals the rightmost.
  package static func fit(
    _ columns: [TableColumn], width: Int, fixed: Int
  ) -> (kept: [TableColumn], dropped: [TableColumn]) {
    var kept = columns
    var dropped: [TableColumn] = []
    while kept.count > 1, fixed + Self.width(of: kept) > width {
      let worst = kept.indices.max { (kept[$0].rank, $0) < (kept[$1].rank, $1) } ?? 0
      dropped.append(kept.remove(at: worst))
    }
    return (kept, dropped)
  }
}
