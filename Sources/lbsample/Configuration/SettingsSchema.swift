import Runner

/// Every setting there is: collectors.conf, the environment, `config show` and the options all
/// follow this table. Those of runs are declared in the module Runner, which reads them from plans.
enum SettingsSchema {
  /// In the order of collectors.conf.
  static let all: [Setting] =
    ofSamples + cadences + eventKeys + Setting.ofRuns + digestKeys

  /// Those of collectors.conf and the environment.
  static let keys: [Setting] = all.filter(\.isInFile)

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// A setting of the table, or one of the user's own in a section that takes them.
  static func setting(_ name: String) -> Setting? { byName[name] ?? ownKey(name) }

  /// A key of the file, or one of the user's own in a section that takes them.
  static func key(_ name: String) -> Setting? { setting(name).flatMap { $0.isInFile ? $0 : nil } }

  /// The setting that the program itself names.
  static func declared(_ name: String) -> Setting {
    guard let setting = byName[name] else { preconditionFailure("no setting is called \(name)") }
    return setting
  }

  /// The values of options that are given without one, by the option's name.
  static let bareOptions = Dictionary(
    uniqueKeysWithValues: all.compactMap { setting in
      setting.option.flatMap { option in option.bare.map { (option.name, $0) } }
    })

  private static let ofSamples: [Setting] = [
    Setting(
      "sample.interval", .duration(minimum: Setting.shortestInterval), "1s",
      "Time between two samples of lbsample sample, such as 10ms; a bare number is seconds."
    )
    .option("interval", short: "i", "time"),
    Setting(
      "sample.format", .choice(OutputFormat.names(of: .live)), "table",
      "What lbsample sample writes to standard output: table, csv or ndjson."
    )
    .option("format", "format"),
    Setting(
      "sample.colour", .choice(["auto", "always", "never"]), "auto",
      "Colour in the table; auto: on a terminal unless NO_COLOR is set."),
    Setting(
      "sampling.pin", .placement, "auto",
      "CPUs to pin the sampling threads to: auto (the highest allowed CPU that the workload does "
        + "not use), node, or a CPU list."
    )
    .option("pin", "placement"),
    Setting(
      "sampling.priority", .priority, "other",
      "Scheduling policy of the sampling threads: other, fifo:N or rr:N."
    )
    .option("priority", "policy"),
    Setting(
      "sampling.budget", .share, "",
      "CPU budget for sampling, as a percentage of one CPU, such as 0.5%; intervals are lengthened "
        + "to meet it. Empty: no bound."
    )
    .option("budget", "percentage"),
    Setting(
      "sampling.least_running", .share, "1%",
      "An event has no value if it was counted for less than this share of the time because the "
        + "processor has too few counters."),
    Setting(
      "sampling.event_cost", .share, "5%",
      "Limit of the CPU time for reading a workload's events, as a share of one CPU; the events "
        + "are read less often to keep to it. Empty: no limit."),
    Setting(
      "sampling.align", .boolean, "false",
      "Align deadlines to wall-clock multiples of the interval."
    )
    .option("align"),
    Setting("sampling.huge_pages", .boolean, "false", "Ask for huge pages for the rings."),
    Setting(
      "sampling.lock_memory", .boolean, "true",
      "Lock rings and sampling stacks in memory, as far as the limit allows."),
    Setting(
      "collectors.default", .collectors, "cpu,memory,disk,net,pressure",
      "Collectors that are sampled if the command line names none."),
    Setting(
      "collectors.per_cpu", .boolean, "false",
      "Show each CPU in the table (sample and export; csv, ndjson and recordings always have them)."
    )
    .option("per-cpu"),
    Setting(
      "collectors.disk_devices", .choice(["disks", "partitions", "all"]), "disks",
      "Devices of disk: disks, partitions (and disks), or all (loop and RAM disks too)."
    )
    .option("disk-devices", "which"),
    Setting(
      "collectors.net_source", .choice(["auto", "text", "netlink"]), "auto",
      "Source of net: text (/proc/net/dev), netlink, or auto (netlink with more than 16 "
        + "interfaces)."
    )
    .option("net-source", "which"),
  ]

  /// An interval for each collector.
  private static let cadences =
    CadenceOptions.collectors.map { name in
      Setting(
        interval(of: name), .optionalDuration(minimum: Setting.shortestInterval), "",
        "Sampling interval of \(name); empty: the session's interval, or the default interval of "
          + "the collector if that is longer.")
    }

  /// What collectors.conf says of all of them together.
  static let meaningOfIntervals =
    "Sampling interval of each collector; empty: the session's interval, but at least the default "
    + "interval of the collector (\"interval 1s or longer by default\" in lbsample collectors)."

  /// What collectors.conf says of sections whose keys do not explain themselves.
  static let sections = [
    "perf":
      "Sets of performance events: `--perf basic`. Events in braces are scheduled together. A set "
      + "may have any name; events that this host does not know are left out.",
    "derived":
      "Formulas over events that are counted together, such as perf.IPC; times are in nanoseconds. "
      + "A formula may have any name. Put spaces around operators, since names contain dashes.",
    "fallback": "Which event is counted, under its own name, where another one cannot be.",
    "gates":
      "Limits for repetitions. A repetition that exceeds one is contaminated: it is marked with "
      + "the reason, summaries are given with and without it, and it is repeated if the workload "
      + "is idempotent. An empty limit turns its gate off. Before a run, others' CPU time and "
      + "steal are compared with foreign_cpu and steal plus two clock ticks, the unit in which the "
      + "kernel accounts CPU time.",
    "digest":
      "The digest: the rows that `lbsample run` and `lbsample runs show` print. A row may have any "
      + "name; one that is empty is left out. \"group; name; unit; better; formula\": the unit is "
      + "ns, bytes, count, 1 (a share), J, W, bytes/s, count/s or empty for the metric's own; "
      + "better is lower, higher or none. A formula is over names of metrics and bracket_time, the "
      + "time that a repetition's samples cover; a name with * is the sum of all metrics that "
      + "match. Of several formulas the first whose metrics are there is used. A row called * is "
      + "one row for each metric that matches.",
  ]

  /// The key of a collector's interval.
  static func interval(of collector: String) -> String { "collectors.\(collector)_interval" }
}
