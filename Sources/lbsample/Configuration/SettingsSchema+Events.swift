import Runner

/// What collectors.conf says of performance events: sets, formulas and stand-ins. Each section
/// takes keys of the user's own beside these, and so does `[digest]`.
extension SettingsSchema {
  /// Sections whose keys are names that the user may choose, by the kind of their values.
  static let openSections: [String: SettingType] = [
    "perf": .text, "derived": .formula, "fallback": .text, "digest": .digestRow,
  ]

  static let eventKeys: [Setting] = sets + formulas + standIns

  private static let sets: [Setting] = [
    Setting(
      "perf.basic", .text,
      "task-clock,context-switches,cpu-migrations,page-faults,"
        + "cycles,instructions,branches,branch-misses", "Events of --perf basic."),
    Setting(
      "perf.cache", .text,
      "{cache-references,cache-misses},{L1-dcache-loads,L1-dcache-load-misses},"
        + "{LLC-loads,LLC-load-misses}", "Events of --perf cache."),
    Setting(
      "perf.tlb", .text, "{dTLB-loads,dTLB-load-misses},{iTLB-loads,iTLB-load-misses}",
      "Events of --perf tlb."),
    Setting(
      "perf.topdown", .text,
      "{slots,topdown-retiring,topdown-bad-spec,topdown-fe-bound,topdown-be-bound},"
        + "{topdown-total-slots,topdown-slots-issued,topdown-slots-retired,"
        + "topdown-fetch-bubbles,topdown-recovery-bubbles}", "Events of --perf topdown."),
    Setting(
      "perf.memory", .text,
      "minor-faults,major-faults,{LLC-load-misses,LLC-store-misses},node-load-misses",
      "Events of --perf memory."),
    Setting(
      "perf.energy", .text,
      "power/energy-pkg/,power/energy-cores/,power/energy-ram/,power/energy-psys/",
      "Events of --perf energy, with -a."),
    Setting(
      "perf.scheduler", .text,
      "context-switches,cpu-migrations,sched:sched_switch,sched:sched_wakeup,"
        + "sched:sched_migrate_task", "Events of --perf scheduler."),
  ]

  private static let formulas: [Setting] = [
    ("IPC", "instructions / cycles"), ("GHz", "cycles / task-clock"),
    ("branch_miss_ratio", "branch-misses / branches"),
    ("branch_misses_per_1000", "1000 * branch-misses / instructions"),
    ("cache_miss_ratio", "cache-misses / cache-references"),
    ("L1_dcache_miss_ratio", "L1-dcache-load-misses / L1-dcache-loads"),
    ("LLC_miss_ratio", "LLC-load-misses / LLC-loads"),
    ("dTLB_miss_ratio", "dTLB-load-misses / dTLB-loads"),
    ("iTLB_miss_ratio", "iTLB-load-misses / iTLB-loads"),
    ("retiring", "topdown-retiring / slots"), ("bad_speculation", "topdown-bad-spec / slots"),
    ("frontend_bound", "topdown-fe-bound / slots"), ("backend_bound", "topdown-be-bound / slots"),
    ("page_faults_per_cpu_second", "1000000000 * page-faults / task-clock"),
    ("context_switches_per_cpu_second", "1000000000 * context-switches / task-clock"),
  ].map { name, formula in
    Setting("derived.\(name)", .formula, formula, "perf.\(name), where its events are counted.")
  }

  private static let standIns: [Setting] = [
    ("cycles", "ref-cycles"), ("cpu-cycles", "ref-cycles"), ("ref-cycles", "task-clock"),
    ("instructions", "task-clock"),
  ].map { name, other in
    Setting("fallback.\(name)", .text, other, "Stands in for \(name), under its own name.")
  }

  /// A key that is not in the table, of a section that takes any; nil for any other.
  static func ownKey(_ name: String) -> Setting? {
    let parts = name.split(separator: ".", maxSplits: 1)
    guard parts.count == 2, let type = openSections[String(parts[0])], isOwnName(parts[1]) else {
      return nil
    }
    return Setting(name, type, "", "Of your own.")
  }

  /// What TOML takes as a key without quotes.
  private static func isOwnName(_ name: Substring) -> Bool {
    name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
  }
}
