import ArgumentParser
import LinuxSystem
import Runner
import SampleModel

/// When a repetition gets another attempt, and when repetitions are added.
struct AttemptOptions: ParsableArguments {
  @Flag(
    name: .customLong("idempotent"),
    help: ArgumentHelp(
      "Allow the workload to be executed again: after a failure (--retries), and if a gate found "
        + "that a repetition was disturbed ([gates] in collectors.conf)."))
  var idempotent = false
  @Option(
    name: .customLong("retries"), parsing: .unconditional,
    help: ArgumentHelp(
      "Retries of a repetition that failed (default: 0); needs --idempotent.", valueName: "n"))
  var retries: String?
  @Option(
    name: .customLong("idle-retries"), parsing: .unconditional,
    help: ArgumentHelp(
      "Retries of a repetition that --idle-timeout ended (default: --retries); needs --idempotent.",
      valueName: "n"))
  var idleRetries: String?
  @Option(
    name: .customLong("max-attempts"), parsing: .unconditional,
    help: ArgumentHelp(
      "Limit of attempts at one repetition: the first, retries and repeats together (default: 10).",
      valueName: "n"))
  var maximumAttempts: String?
  @Option(
    name: .customLong("until"), parsing: .unconditional,
    help: ArgumentHelp(
      "Add repetitions until the 95 % confidence interval of the median wall time, or of another "
        + "metric, is at most this wide, relative to the median.", valueName: "ci<=1%"))
  var until: String?
  @Option(
    name: .customLong("max-repetitions"), parsing: .unconditional,
    help: ArgumentHelp(
      "Limit of repetitions with --until (default: 100).", valueName: "n"))
  var maximumRepetitions: String?
  @Option(
    name: .customLong("ask"), parsing: .unconditional,
    help: ArgumentHelp(
      "If a phase that later phases may need (a server) fails, wait this long for lbsample "
        + "approve, or yes at the terminal, then continue without the phase (default: the run "
        + "ends).",
      valueName: "time"))
  var ask: String?
  @Flag(
    name: .customLong("strict"),
    help: ArgumentHelp(
      "Exit with code 6 if an attempt was contaminated or a warning was given, warnings about the "
        + "host before the run included."))
  var strict = false

  /// Options that override settings: key, value, option.
  var overrides: [(String, String, String)] {
    let given: [(String, String?, String)] = [
      ("run.retries", retries, "--retries"),
      ("run.idle_retries", idleRetries, "--idle-retries"),
      ("run.max_attempts", maximumAttempts, "--max-attempts"),
      ("run.max_repetitions", maximumRepetitions, "--max-repetitions"),
    ]
    return given.compactMap { key, value, option in value.map { (key, $0, option) } }
  }

  /// The keys of plans that options override.
  var pinned: Set<String> {
    let given: [(String, Bool)] = [
      ("idempotent", idempotent), ("retries", retries != nil),
      ("idle_retries", idleRetries != nil), ("until", until != nil),
      ("max_repetitions", maximumRepetitions != nil),
    ]
    return Set(given.filter(\.1).map(\.0))
  }

  /// Refuses retries of a workload that is not idempotent, and options without effect.
  func check(_ plan: PhaseNode) throws(LBError) {
    let measured = plan.everyMeasured.compactMap(\.specification)
    if let idleRetries, measured.allSatisfy({ $0.idleTimeout == nil }) {
      throw LBError(
        .configuration,
        "--idle-retries \(idleRetries): has no effect without --idle-timeout: add that")
    }
    if let maximumRepetitions, measured.allSatisfy({ $0.until == nil }) {
      throw LBError(
        .configuration,
        "--max-repetitions \(maximumRepetitions): has no effect without --until: add that, or use "
          + "--repetitions")
    }
    for node in plan.everyMeasured {
      guard let policy = node.specification?.attempts, !policy.isIdempotent else { continue }
      let option: String
      if retries != nil, policy.retries > 0 {
        option = "--retries"
      } else if idleRetries != nil, policy.idleRetries ?? 0 > 0 {
        option = "--idle-retries"
      } else {
        continue
      }
      throw LBError(
        .configuration,
        (node.name == "main" ? "" : "\(node.name): ")
          + "\(option) needs --idempotent: add it if the workload can safely be executed more than "
          + "once")
    }
  }

  /// Sets the policy and the limits in a specification.
  func apply(_ settings: Settings, to specification: inout RunSpecification) throws(LBError) {
    var policy = AttemptPolicy()
    policy.isIdempotent = idempotent
    policy.retries = settings.integer("run.retries")
    policy.idleRetries = Int(settings["run.idle_retries"])
    policy.maximum = settings.integer("run.max_attempts")
    policy.contaminatedRepeats = settings.integer("gates.repeats")
    policy.backoff = settings.list("run.backoff").compactMap { Durations.parse($0) }
    guard policy.backoff.count == settings.list("run.backoff").count, !policy.backoff.isEmpty
    else {
      throw LBError(
        .configuration,
        "\(settings.written("run.backoff")): expected durations such as "
          + "0s,5s,15s")
    }
    specification.attempts = policy
    var gates = GateLimits()
    gates.skipped = Share.parse(settings["gates.skipped"])
    gates.running = Share.parse(settings["gates.running"])
    gates.ownCost = Share.parse(settings["gates.own_cost"], most: Share.mostCPUs)
    gates.foreignCPU = Share.parse(settings["gates.foreign_cpu"], most: Share.mostCPUs)
    gates.steal = Share.parse(settings["gates.steal"])
    gates.packetDrops = Share.parse(settings["gates.packet_drops"])
    gates.throttling = settings.flag("gates.throttling")
    gates.noted = Set(settings.list("gates.noted"))
    if let unknown = gates.noted.subtracting(RepetitionGates.names).min() {
      let hint = Nearest.hint(Nearest.word(to: unknown, in: RepetitionGates.names.sorted()))
      throw LBError(
        .configuration,
        "\(settings.written("gates.noted")): no gate is called "
          + "\(unknown)\(hint); there are " + RepetitionGates.names.sorted().joined(separator: ", ")
      )
    }
    specification.gates = gates
    specification.host.severity = GateFinding.Severity(rawValue: settings["gates.host"])
    specification.host.window = settings.duration("gates.host_window")
    specification.host.foreignCPU = gates.foreignCPU
    specification.host.steal = gates.steal
    specification.maximumRepetitions = settings.integer("run.max_repetitions")
    if let ask {
      guard let limit = Durations.parse(ask), limit > 0 else {
        let reason = Durations.excess(ask) ?? "expected a duration such as 10m"
        throw LBError(.configuration, "--ask \(ask): \(reason)")
      }
      specification.askLimit = limit
    }
    if let until {
      guard let precision = Precision(until) else {
        throw LBError(
          .configuration, "--until \(until): expected ci<=1% or ci(METRIC)<=1%")
      }
      specification.until = precision
      let repetitions = settings.integer("run.repetitions")
      if let problem = Precision.problem(
        repetitions: repetitions, most: specification.maximumRepetitions,
        names: ("--max-repetitions", "--repetitions"))
      {
        throw LBError(.configuration, "--until \(until) needs \(problem)")
      }
    }
  }
}
