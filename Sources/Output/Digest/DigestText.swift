import RunAnalysis
import SampleModel

/// The rows of a digest for people, under their groups.
package enum DigestText {
  /// An amount in the unit that people use: ms, MiB, %, /s.
  package static func value(_ value: Double, _ unit: String) -> String {
    guard value >= 0 else {
      return value.isNaN ? "-" : "-" + Self.value(value.magnitude, unit)
    }
    switch unit {
    case "ns", "count", "": return RunReport.value(value, unit)
    case "1": return "\(short(value * 100)) %"
    case "bytes": return bytes(value)
    case "bytes/s": return bytes(value) + "/s"
    case "count/s": return RunReport.value(value, unit)
    default: return "\(short(value)) \(unit)"
    }
  }

  /// Three digits, more before the point and two of what is small: 0.0012, 0.12, 4.56, 45.6, 4567.
  private static func short(_ value: Double) -> String {
    guard value.isFinite, value < 1e7 else { return Readable.count(value) }
    if value != 0, value < 0.01 {
      // What would be shown as 0 has its exponent.
      guard value >= 1e-6 else { return Readable.exact(value) }
      var decimals = 3
      var bound = 0.01
      while value < bound { (decimals, bound) = (decimals + 1, bound / 10) }
      return Readable.fixed(value, decimals)
    }
    return Readable.fixed(value, value < 10 ? 2 : value < 100 ? 1 : 0)
  }

  /// Bytes in the largest binary unit that fits, as `1.50 KiB`.
  package static func bytes(_ value: Double) -> String {
    var value = value
    var unit = "B"
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] where value >= 1024 {
      value /= 1024
      unit = next
    }
    return unit == "B" ? "\(Readable.exact(value)) B" : "\(short(value)) \(unit)"
  }

  /// The digest of a phase; of several phases (`isOnly` is false) the rows that are the workload's
  /// own. Rows that were 0 in all repetitions stand in a line.
  static func lines(_ digest: Digest, isOnly: Bool) -> [String] {
    let entries = digest.present.filter { isOnly || isOwn($0) }
    let shown = entries.filter { !$0.isZero || $0.row.isOwnMetric }
    var lines: [String] = []
    if !shown.isEmpty {
      let hasParts = shown.contains { $0.count < digest.attempts }
      var table = [["", "", "median", "median's 95 % CI", "MAD"]]
      if hasParts { table[0].append("repetitions") }
      let isShort = isShort(digest)
      var hasTicks = false
      var group: String?
      for entry in shown {
        let inTicks = isShort && isOfTicks(entry)
        hasTicks = hasTicks || inTicks
        let interval = entry.interval.map {
          "\(value($0.low, entry.unit)) … \(value($0.high, entry.unit))"
        }
        table.append([
          entry.row.group == group ? "" : entry.row.group,
          entry.row.name + (inTicks ? " ±" : ""), value(entry.median ?? .nan, entry.unit),
          interval ?? "-", value(entry.spread ?? .nan, entry.unit),
        ])
        group = entry.row.group
        if hasParts {
          table[table.count - 1].append(
            entry.count < digest.attempts ? "\(entry.count) of \(digest.attempts)" : "")
        }
      }
      lines += [""] + TextTable.lines(table, leftColumns: 2)
      if hasTicks {
        lines.append(
          "± counted in kernel clock ticks (usually 10 ms): a difference of one or two ticks is "
            + "not significant")
      }
      if shown.allSatisfy({ $0.interval == nil }), digest.attempts < 6 {
        lines.append("the 95 % CI of a median needs at least 6 repetitions")
      }
    }
    let zero = entries.filter { $0.isZero && !$0.row.isOwnMetric }
    if !zero.isEmpty { lines.append("0 in every repetition: \(names(zero.map(\.row)))") }
    if digest.leftOut > 0 {
      lines.append("(\(Counted.text(digest.leftOut, "row")) of the digest left out: too many)")
    }
    return lines
  }

  private static func names(_ rows: [DigestRow]) -> String {
    rows.map { "\($0.group): \($0.name)" }.joined(separator: "; ")
  }

  /// Whether a row is of the workload itself, or of the tree of its processes, rather than of the
  /// host.
  private static func isOwn(_ entry: Digest.Entry) -> Bool {
    entry.row.rules.contains { rule in
      rule.text == entry.formula
        && rule.expression.names.allSatisfy(RunReport.isOfWorkload)
    }
  }

  /// Whether the repetitions are so short that ticks stand out in them.
  private static func isShort(_ digest: Digest) -> Bool {
    digest.entries.contains {
      $0.formula == RunSummary.wallTime && ($0.median ?? .infinity) < 1e9
    }
  }

  /// Whether a row is made of times that the kernel counts in ticks.
  private static func isOfTicks(_ entry: Digest.Entry) -> Bool {
    entry.unit != "count"
      && entry.row.rules.contains { rule in
        rule.text == entry.formula && rule.expression.names.contains { $0.hasPrefix("cpu.") }
      }
  }

  /// The digest of a recording, with its busy stretches and, of each, the processes in it.
  package static func lines(
    _ digest: RecordingDigest, processes: [[RecordingDigest.Process]]
  ) -> [String] {
    var lines = [
      "",
      "span     \(Readable.duration(digest.span)), \(Counted.text(digest.frames, "frame"))",
    ]
    let present = digest.entries.filter { $0.count > 0 }
    let shown = present.filter { !$0.isZero }
    if !shown.isEmpty {
      var table = [["", "", "mean", "p95", "max", "max at"]]
      var group: String?
      for entry in shown {
        table.append(
          [entry.row.group == group ? "" : entry.row.group, entry.row.name]
            + [entry.mean, entry.percentile95, entry.maximum].map { value($0, entry.unit) }
            + [time(entry.maximumElapsed)])
        group = entry.row.group
      }
      lines += [""] + TextTable.lines(table, leftColumns: 2)
      lines.append(
        "p95: at or below for 95 % of the time (within 3 %); max at: since the first sample, as "
          + "export --from takes it; % of CPU times: of one CPU")
    }
    let zero = present.filter(\.isZero)
    if !zero.isEmpty { lines.append("0 all the time: \(names(zero.map(\.row)))") }
    if digest.leftOut > 0 {
      lines.append("(\(Counted.text(digest.leftOut, "row")) of the digest left out: too many)")
    }
    return lines + busy(digest, processes)
  }

  /// Parts of a busy stretch that are named.
  private static let parts = 4

  /// Its busy stretches, a line each with the processes below it; nothing where there are none.
  package static func busy(
    _ digest: RecordingDigest, _ processes: [[RecordingDigest.Process]]
  ) -> [String] {
    let stretches = digest.stretches
    guard !stretches.isEmpty else { return [] }
    var lines = [""]
    for (index, stretch) in stretches.enumerated() {
      var parts = stretch.parts.prefix(Self.parts).map { part in
        let entry = digest.entries[part.row]
        return "\(entry.row.name) \(value(part.mean, entry.unit)) "
          + "(usually \(value(entry.median, entry.unit)))"
      }
      if stretch.parts.count > Self.parts {
        parts.append("\(stretch.parts.count - Self.parts) more")
      }
      let times = [stretch.start, stretch.end].map {
        time($0 > digest.origin ? $0 - digest.origin : 0)
      }
      lines.append("busy     \(times[0]) … \(times[1]): \(parts.joined(separator: ", "))")
      let span = Double(max(1, stretch.end &- stretch.start))
      let names = processes.indices.contains(index) ? processes[index] : []
      if !names.isEmpty {
        let texts = names.map { "\($0.name) (\($0.pid)) \(value($0.time / span, "1"))" }
        lines.append("         processes: \(texts.joined(separator: ", "))")
      }
    }
    lines.append(
      "busy: means of each row over its own episode, which may be shorter; of processes over the "
        + "stretch")
    return lines
  }

  /// The time is rounded down: from there on, an export has what is there in it.
  private static func time(_ elapsed: UInt64) -> String {
    "\(Readable.fixed(Double(elapsed / 1_000_000) / 1e3, 3)) s"
  }
}

extension DigestRow {
  /// Whether it is one of the workload's own metrics: what was asked for is shown, also where it is
  /// 0.
  var isOwnMetric: Bool { name.hasPrefix("workload.") }
}
