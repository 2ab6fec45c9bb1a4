/// /proc/schedstat (Documentation/scheduler/sched-stats.rst).
extension TextFormat {
  /// The columns of a cpu line, versions 15 to 17.
  package static let scheduleColumns = [
    "yld_count", "legacy", "sched_count", "sched_goidle", "ttwu_count", "ttwu_local",
    "rq_cpu_time", "run_delay", "pcount",
  ]

  /// The columns of load balancing for one state of the CPU. Version 17 has lb_imbalance by kind.
  private static func balancing(_ version: Int) -> [String] {
    let imbalance =
      version < 17
      ? ["lb_imbalance"]
      : ["lb_imbalance_load", "lb_imbalance_util", "lb_imbalance_task", "lb_imbalance_misfit"]
    return ["lb_count", "lb_balanced", "lb_failed"] + imbalance
      + ["lb_gained", "lb_hot_gained", "lb_nobusyq", "lb_nobusyg"]
  }

  /// The columns of a domain line after its CPUs. Version 16 has the busy CPU first.
  package static func domainColumns(version: Int) -> [String] {
    let states = version < 16 ? ["idle", "busy", "newly_idle"] : ["busy", "idle", "newly_idle"]
    return states.flatMap { state in balancing(version).map { "\(state).\($0)" } }
      + ["alb_count", "alb_failed", "alb_pushed", "sbe_count", "sbe_balanced", "sbe_pushed"]
      + ["sbf_count", "sbf_balanced", "sbf_pushed"]
      + ["ttwu_wake_remote", "ttwu_move_affine", "ttwu_move_balance"]
  }

  /// `cpu0 0 0 9 9 9 9 9 9 9` and, for each of the CPU's domains, `domain0 [MC] 0f 1 2 …`; the name
  /// came with version 17. The domains of unknown versions are skipped, and the CPUs of versions
  /// before 15, which have other columns.
  package static func schedule(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    var version = 0
    var cpu: String?
    for line in text.lines() where !line.words.isEmpty {
      let label = text.string(line.words[0])
      let isCPU =
        label.hasPrefix("cpu")
        && text.isDecimal(line.words[0].lowerBound + 3..<line.words[0].upperBound)
      if label == "version", line.words.count > 1 {
        version = Int(text.string(line.words[1])) ?? 0
      } else if isCPU, version >= 15 || line.words.count == scheduleColumns.count + 1 {
        let number = String(label.dropFirst(3))
        cpu = number
        placeholders.columns(
          line, from: 1, scheduleColumns, of: number, least: scheduleColumns.count)
      } else if let cpu, label.hasPrefix("domain"), (15...17).contains(version) {
        let names = domainColumns(version: version)
        placeholders.columns(
          line, from: version < 17 ? 2 : 3, names, of: "\(cpu).\(label)", least: names.count)
      } else {
        // Domain lines that follow an unknown line belong to no known CPU: skip them.
        if !label.hasPrefix("domain") { cpu = nil }
        placeholders.skipRest(line)
      }
    }
    return try placeholders.finished()
  }
}
