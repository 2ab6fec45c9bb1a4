import LinuxSystem
import RunAnalysis
import SampleModel
import Sampler

/// What a setting's value may be.
enum SettingType {
  /// A length of time, at least this many nanoseconds.
  case duration(minimum: UInt64)
  case integer(ClosedRange<Int>)
  /// A whole number, or nothing.
  case optionalInteger(ClosedRange<Int>)
  case boolean
  case text
  /// A share in percent, or nothing.
  case share
  /// One of these words.
  case choice([String])
  /// Names of collectors.
  case collectors
  case placement
  case priority
  /// Arithmetic over names of events.
  case formula
  /// A row of the digest, or nothing.
  case digestRow

  /// What is wrong with `text`, which is no such value.
  func complaint(_ text: String) -> String {
    if case .digestRow = self { return Self.digestComplaint(text) ?? "expected \(expectation)" }
    guard case .duration(let minimum) = self else { return "expected \(expectation)" }
    if Durations.parse(text) == nil { return Durations.excess(text) ?? Self.noDuration }
    return "too short; the minimum is \(Durations.text(minimum))"
  }

  /// What is said of a text that is no length of time.
  static let noDuration =
    "not a duration; expected a number with a unit (ns, us, ms, s, m, h), such as 500ms"

  /// What is expected, in words.
  var expectation: String {
    switch self {
    case .duration(let minimum):
      "a duration of at least \(Durations.text(minimum))"
    case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .optionalInteger(let range):
      "a whole number from \(range.lowerBound) to \(range.upperBound), or nothing"
    case .boolean: "true or false"
    case .text: "text"
    case .share: "a percentage above 0% and up to 100%, with the % sign, such as 0.5%"
    case .formula:
      "a formula of names and numbers with blanks around + - * /, such as instructions / cycles"
    case .digestRow: "a row \(DigestRow.form), or nothing"
    case .choice(let words): "one of " + words.joined(separator: ", ")
    case .collectors: "collector names, separated by commas in the environment"
    case .placement: "auto, node, a CPU or a list of CPUs such as 0-3,8"
    case .priority: "other, fifo:1 to fifo:99, or rr:1 to rr:99"
    }
  }

  /// Whether `text` is such a value.
  func accepts(_ text: String) -> Bool {
    switch self {
    case .duration(let minimum): Durations.parse(text).map { $0 >= minimum } ?? false
    case .integer(let range): Int(text).map(range.contains) ?? false
    case .optionalInteger(let range): text.isEmpty || Int(text).map(range.contains) ?? false
    case .boolean: text == "true" || text == "false"
    case .text, .collectors: true
    case .choice(let words): words.contains(text)
    case .share: text.isEmpty || Share.parse(text) != nil
    case .formula: Self.isFormula(text)
    case .digestRow: text.isEmpty || Self.digestComplaint(text) == nil
    case .placement: Placement(text) != nil
    case .priority: SchedulingPriority(text) != nil
    }
  }
}

extension SettingType {
  private static func isFormula(_ text: String) -> Bool {
    do throws(FormulaError) {
      _ = try Expression(Expression.tokens(text))
      return true
    } catch {
      return false
    }
  }
}

/// One key of the configuration.
struct SettingKey {
  /// `section.name`, as in the file.
  let name: String
  let type: SettingType
  let standard: String
  let explanation: String

  init(_ name: String, _ type: SettingType, _ standard: String, _ explanation: String) {
    self.name = name
    self.type = type
    self.standard = standard
    self.explanation = explanation
  }

  /// `LBSAMPLE_SECTION_NAME`.
  var environmentName: String {
    "LBSAMPLE_" + String(name.uppercased().map { ".-".contains($0) ? "_" : $0 })
  }
}

/// Every key there is: collectors.conf, the environment and `config show` all follow this table.
enum SettingsSchema {
  static let shortestInterval: UInt64 = 10_000

  static let keys: [SettingKey] =
    [
      SettingKey(
        "sample.interval", .duration(minimum: shortestInterval), "1s",
        "time between two samples of `lbsample sample`"),
      SettingKey(
        "sample.format", .choice(OutputFormat.names(of: .live)), "table",
        "what `lbsample sample` writes to standard output"),
      SettingKey(
        "sample.colour", .choice(["auto", "always", "never"]), "auto",
        "colour in the table; auto: on a terminal unless NO_COLOR is set"),
      SettingKey(
        "sampling.pin", .placement, "auto",
        "CPUs of the sampling threads; auto: the highest allowed one that the workload leaves"),
      SettingKey(
        "sampling.priority", .priority, "other", "scheduling of the sampling threads"),
      SettingKey(
        "sampling.budget", .share, "",
        "the most that sampling may cost of one CPU, such as 0.5%; empty: no bound"),
      SettingKey(
        "sampling.least_running", .share, "1%",
        "events counted for less of the time than this are no value"),
      SettingKey(
        "sampling.event_cost", .share, "5%",
        "the most that reading a workload's events may cost of one CPU; empty: no bound"),
      SettingKey(
        "sampling.align", .boolean, "false",
        "take samples at multiples of the interval on the wall clock"),
      SettingKey(
        "sampling.huge_pages", .boolean, "false", "ask for huge pages for the rings"),
      SettingKey(
        "sampling.lock_memory", .boolean, "true",
        "lock rings and sampling stacks in memory, as far as the limit allows"),
      SettingKey(
        "collectors.default", .collectors, "cpu,memory,disk,net,pressure",
        "collectors when none is named on the command line"),
      SettingKey(
        "collectors.per_cpu", .boolean, "false",
        "show each CPU in the table (csv, ndjson and recordings always have them)"),
      SettingKey(
        "collectors.disk_devices", .choice(["disks", "partitions", "all"]), "disks",
        "block devices: whole disks, with partitions, or loop and RAM disks too"),
      SettingKey(
        "collectors.net_source", .choice(["auto", "text", "netlink"]), "auto",
        "interface counters from /proc/net/dev or rtnetlink; auto: rtnetlink with many interfaces"),
    ]
    + cadenceKeys + eventKeys + runKeys + gateKeys + digestKeys

  /// A cadence for each collector.
  private static let cadenceKeys =
    CadenceOptions.collectors.map { name in
      SettingKey(
        interval(of: name), .text, "",
        "sampling interval of \(name); empty: the general one, or what its cost asks for")
    }

  /// The key of a collector's interval.
  static func interval(of collector: String) -> String { "collectors.\(collector)_interval" }

  private static let runKeys: [SettingKey] = [
    SettingKey(
      "run.interval", .duration(minimum: shortestInterval), "100ms",
      "time between two samples of `lbsample run`"),
    SettingKey("run.repetitions", .integer(1...1_000_000), "1", "counted repetitions"),
    SettingKey("run.warmup", .integer(0...1_000_000), "0", "repetitions that are not counted"),
    SettingKey(
      "run.cooldown", .duration(minimum: 0), "0s", "pause between two repetitions"),
    SettingKey(
      "run.timeout", .duration(minimum: 0), "0s", "limit of one repetition; 0s: none"),
    SettingKey(
      "run.idle_timeout", .duration(minimum: 0), "0s",
      "time without output and CPU time after which a workload is ended; 0s: no limit"),
    SettingKey(
      "run.settle", .duration(minimum: 0), "0s",
      "pause between what prepares an attempt and its beginning"),
    SettingKey(
      "run.cooldown_until_idle", .duration(minimum: 0), "0s",
      "time to wait before each repetition until the host is quiet; 0s: none"),
    SettingKey(
      "run.grace", .duration(minimum: 0), "30s",
      "time between SIGTERM and SIGKILL when a workload is ended"),
    SettingKey(
      "run.retries", .integer(0...1000), "0",
      "attempts after a failure, of a workload that is idempotent"),
    SettingKey(
      "run.idle_retries", .optionalInteger(0...1000), "",
      "attempts after an end by idle_timeout, of a workload that is idempotent; empty: as many as "
        + "retries"),
    SettingKey(
      "run.backoff", .text, "0s,5s,15s",
      "pauses before the first, the second, … of them; the last is repeated"),
    SettingKey(
      "run.max_attempts", .integer(1...1000), "10",
      "attempts at one repetition in all, whatever their cause"),
    SettingKey(
      "run.max_repetitions", .integer(1...1_000_000), "100",
      "repetitions that --until may add up to"),
    SettingKey(
      "run.output_limit", .integer(0...1 << 30), "1048576",
      "bytes of the workload's output that are kept of each repetition"),
    SettingKey(
      "run.workload_output", .text, "keep",
      "where the workload's standard output goes: keep (into the result), null or a file"),
    SettingKey(
      "run.mask", .text, EnvironmentMask.standard,
      "names of variables (shell patterns, regardless of case) whose values are not kept in "
        + "results"),
    SettingKey(
      "run.runs_dir", .text, "",
      "directory of result files; empty: $XDG_DATA_HOME/lbsample/runs"),
  ]

  private static let gateKeys: [SettingKey] = [
    SettingKey(
      "gates.host", .choice(["note", "block", "off"]), "note",
      "what follows where a host is not fit to measure on before a run: load, others' CPU time, "
        + "steal, heat, throttling, frequency, clock source"),
    SettingKey(
      "gates.host_window", .duration(minimum: 0), "200ms",
      "time for which the host is watched before a run; 0s: it is looked at only"),
    SettingKey(
      "gates.noted", .text, "",
      "gates of a repetition that are noted only, of deadlines, drops, running, packets, own_cost, "
        + "steal, foreign_cpu, throttling"),
    SettingKey(
      "gates.skipped", .share, "10%",
      "deadlines not taken, of all, from which a repetition is contaminated; empty: no such gate"),
    SettingKey(
      "gates.running", .share, "",
      "the least share of its time for which events are counted; empty: no such gate"),
    SettingKey(
      "gates.own_cost", .share, "5%",
      "lbsample's own CPU time while the workload runs, of one CPU; empty: no such gate"),
    SettingKey(
      "gates.foreign_cpu", .share, "10%",
      "others' CPU time on the workload's CPUs, of one CPU; empty: no such gate"),
    SettingKey(
      "gates.steal", .share, "2%", "share of time that the hypervisor took; empty: no such gate"),
    SettingKey(
      "gates.packet_drops", .share, "1%",
      "packets that a capture lost, of all; empty: no such gate"),
    SettingKey("gates.throttling", .boolean, "true", "whether thermal throttling contaminates"),
    SettingKey(
      "gates.quiet", .share, "5%",
      "busy time of all CPUs, at most, for a host to be quiet (run.cooldown_until_idle)"),
    SettingKey(
      "gates.repeats", .integer(0...1000), "3",
      "attempts after contaminated ones, of a workload that is idempotent"),
  ]

  /// A key of the table, or one of the user's own in a section that takes them.
  static func key(_ name: String) -> SettingKey? {
    keys.first { $0.name == name } ?? ownKey(name)
  }
}
