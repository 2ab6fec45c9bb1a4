import Sampler

/// What collectors.conf says of performance events: sets, formulas and stand-ins. Each section
/// takes keys of the user's own beside these, and so does `[digest]`.
extension SettingsSchema {
  /// Sections whose keys are names that the user may choose, by the kind of their values.
  static let openSections: [String: SettingType] = [
    "perf": .text, "derived": .formula, "fallback": .text, "digest": .digestRow,
  ]

  static let eventKeys: [SettingKey] = sets + formulas + standIns

  private static let sets: [SettingKey] = [
    SettingKey(
      "perf.basic", .text,
      "task-clock,context-switches,cpu-migrations,page-faults,"
        + "cycles,instructions,branches,branch-misses", "events of --perf basic"),
    SettingKey(
      "perf.cache", .text,
      "{cache-references,cache-misses},{L1-dcache-loads,L1-dcache-load-misses},"
        + "{LLC-loads,LLC-load-misses}", "events of --perf cache"),
    SettingKey(
      "perf.tlb", .text, "{dTLB-loads,dTLB-load-misses},{iTLB-loads,iTLB-load-misses}",
      "events of --perf tlb"),
    SettingKey(
      "perf.topdown", .text,
      "{slots,topdown-retiring,topdown-bad-spec,topdown-fe-bound,topdown-be-bound},"
        + "{topdown-total-slots,topdown-slots-issued,topdown-slots-retired,"
        + "topdown-fetch-bubbles,topdown-recovery-bubbles}", "events of --perf topdown"),
    SettingKey(
      "perf.memory", .text,
      "minor-faults,major-faults,{LLC-load-misses,LLC-store-misses},node-load-misses",
      "events of --perf memory"),
    SettingKey(
      "perf.energy", .text,
      "power/energy-pkg/,power/energy-cores/,power/energy-ram/,power/energy-psys/",
      "events of --perf energy, with -a"),
    SettingKey(
      "perf.scheduler", .text,
      "context-switches,cpu-migrations,sched:sched_switch,sched:sched_wakeup,"
        + "sched:sched_migrate_task", "events of --perf scheduler"),
  ]

  private static let formulas: [SettingKey] = [
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
    SettingKey("derived.\(name)", .formula, formula, "perf.\(name), where its events are counted")
  }

  private static let standIns: [SettingKey] = [
    ("cycles", "ref-cycles"), ("cpu-cycles", "ref-cycles"), ("ref-cycles", "task-clock"),
    ("instructions", "task-clock"),
  ].map { name, other in
    SettingKey("fallback.\(name)", .text, other, "stands in for \(name), under its own name")
  }

  /// A key that is not in the table, of a section that takes any; nil for any other.
  static func ownKey(_ name: String) -> SettingKey? {
    let parts = name.split(separator: ".", maxSplits: 1)
    guard parts.count == 2, let type = openSections[String(parts[0])], isOwnName(parts[1]) else {
      return nil
    }
    return SettingKey(name, type, "", "of your own")
  }

  /// What TOML takes as a key without quotes.
  private static func isOwnName(_ name: Substring) -> Bool {
    name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
  }
}
