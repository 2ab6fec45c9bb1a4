import SampleModel

/// The rows of the digest, in order: `[digest]` of collectors.conf.
package struct DigestDefinition: Sendable, Equatable {
  package let rows: [DigestRow]

  /// These rows.
  package init(_ rows: [DigestRow]) { self.rows = rows }

  /// The most rows of one digest; what is beyond them is counted.
  package static let mostRows = 200

  /// What is used where no configuration says otherwise.
  package static let standard = DigestDefinition(
    standardTexts.compactMap { key, text in
      do throws(DigestRowError) { return try DigestRow(key: key, text) } catch { return nil }
    })

  /// Which values of a metric, or of a row by its key or name, are wanted: what the first row says
  /// that grows with this metric alone. Nil where no row does, and where neither lower nor higher
  /// ones are better by themselves.
  package func direction(of metric: String) -> Comparison.Better? {
    for row in rows {
      if row.key == metric || row.name == metric { return row.better }
      if row.rules.contains(where: { Self.grows($0.expression, with: metric) }) {
        return row.better
      }
    }
    return nil
  }

  /// Whether a formula is of this metric alone, but for times, and grows with it.
  private static func grows(_ expression: Expression, with metric: String) -> Bool {
    let names = expression.names
    let own = names.count == 1 ? names : names.filter { !DigestName.isTime($0) }
    guard own.count == 1,
      own[0] == metric || DigestName.isPattern(own[0]) && Glob.matches(own[0], metric)
    else { return false }
    let values = [1.0, 2].map { value in
      expression.evaluate(names.map { $0 == own[0] ? value : 1 })
    }
    guard let less = values[0], let more = values[1] else { return false }
    return more > less
  }

  /// Whether any row is made of this metric, or of its minimum or maximum. For many metrics, see
  /// `usage`.
  package func uses(_ metric: String) -> Bool { usage(metric) }

  /// The same as a function, which has the rows' names at hand: a recording may have hundreds of
  /// layouts of hundreds of metrics.
  package var usage: @Sendable (_ metric: String) -> Bool {
    let names = Set(rows.flatMap(\.rules).flatMap(\.expression.names))
    let patterns = names.filter(DigestName.isPattern).sorted()
    return { metric in
      [metric, metric + ".max", metric + ".min"].contains { name in
        names.contains(name) || patterns.contains { Glob.matches($0, name) }
      }
    }
  }

  private static let busy =
    "( cpu.user[all] + cpu.nice[all] + cpu.system[all] + cpu.irq[all] + cpu.softirq[all] )"

  /// The rows that are built in, by key, as collectors.conf has them.
  ///
  /// Of a repetition, `wall_time` and its like are the workload's own (wait4(2)); `tree.*` is the
  /// workload with its descendants, all other collectors are of the whole host. Pressure is the
  /// growth of `total` (Documentation/accounting/psi.rst), over the time that the samples cover.
  package static let standardTexts: [(key: String, text: String)] = [
    ("workload", "workload; *; ; none; workload.*"),
    ("wall_time", "time; wall time; ns; lower; wall_time"),
    ("cpu_time", "CPU; CPU time; ns; lower; user_time + system_time"),
    (
      "cpu_share",
      "CPU; share used; 1; none; ( user_time + system_time ) / wall_time"
    ),
    ("user_time", "CPU; user time; ns; lower; user_time; cpu.user[all] + cpu.nice[all]"),
    (
      "system_time",
      "CPU; system time; ns; lower; system_time; cpu.system[all] + cpu.irq[all] + cpu.softirq[all]"
    ),
    ("voluntary_switches", "CPU; voluntary switches; count; none; voluntary_switches"),
    ("involuntary_switches", "CPU; involuntary switches; count; lower; involuntary_switches"),
    ("host_busy", "CPU; busy, whole host; 1; none; \(busy) / bracket_time"),
    ("host_switches", "CPU; switches, whole host; count; none; cpu.ctxt"),
    ("run_queue", "CPU; run-queue wait, whole host; ns; lower; scheduler.run_delay[*]"),
    ("peak_memory", "memory; peak resident; bytes; lower; peak_resident; tree.rss.max"),
    ("minor_faults", "memory; minor faults; count; lower; tree.minflt; vm.pgfault - vm.pgmajfault"),
    ("major_faults", "memory; major faults; count; lower; tree.majflt; vm.pgmajfault"),
    ("available", "memory; available, whole host; bytes; higher; memory.MemAvailable"),
    ("read", "disk; read by the workload; bytes; lower; tree.read_bytes"),
    ("written", "disk; written by the workload; bytes; lower; tree.write_bytes"),
    ("disk_read", "disk; read, all disks; bytes; none; disk.read_sectors[*]"),
    ("disk_written", "disk; written, all disks; bytes; none; disk.write_sectors[*]"),
    (
      "received",
      "network; received; bytes; none; net.rx_bytes[*] - net.rx_bytes[lo]; net.rx_bytes[*]"
    ),
    ("sent", "network; sent; bytes; none; net.tx_bytes[*] - net.tx_bytes[lo]; net.tx_bytes[*]"),
    (
      "pressure_cpu", "pressure; CPU, some; 1; lower; pressure.cpu.some.total / bracket_time"
    ),
    (
      "pressure_memory_some",
      "pressure; memory, some; 1; lower; pressure.memory.some.total / bracket_time"
    ),
    (
      "pressure_memory_full",
      "pressure; memory, full; 1; lower; pressure.memory.full.total / bracket_time"
    ),
    ("pressure_io_some", "pressure; I/O, some; 1; lower; pressure.io.some.total / bracket_time"),
    ("pressure_io_full", "pressure; I/O, full; 1; lower; pressure.io.full.total / bracket_time"),
    ("energy", "energy; packages; J; lower; power.energy[*.package*]"),
    (
      "power",
      "energy; packages, power; W; lower; "
        + "1000000000 * power.energy[*.package*] / bracket_time"
    ),
  ]
}
