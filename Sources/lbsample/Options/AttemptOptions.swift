import ArgumentParser
import LinuxSystem
import Runner
import SampleModel

/// When a repetition gets another attempt, and when repetitions are added.
struct AttemptOptions: ParsableArguments, SettingFlags {
  @Flag("attempts.idempotent") var idempotent: Bool
  @Option("run.retries") var retries: Given?
  @Option("run.idle_retries") var idleRetries: Given?
  @Option("run.max_attempts") var maximumAttempts: Given?
  @Option("attempts.until") var until: Given?
  @Option("run.max_repetitions") var maximumRepetitions: Given?
  @Option("attempts.ask") var ask: Given?
  @Flag(
    name: .customLong("strict"),
    help: ArgumentHelp(
      "Exit with code 6 if an attempt was contaminated or a warning was given, warnings about the "
        + "host before the run included."))
  var strict = false

  var flags: [(name: String, isGiven: Bool)] { [("attempts.idempotent", idempotent)] }

  /// Refuses retries of a workload that is not idempotent, and options without effect.
  func check(_ plan: PhaseNode) throws(LBError) {
    let measured = plan.everyMeasured.compactMap(\.specification)
    if let idleRetries, measured.allSatisfy({ $0.idleTimeout == nil }) {
      throw LBError(
        .configuration,
        "--idle-retries \(idleRetries.text): has no effect without --idle-timeout: add "
          + "--idle-timeout")
    }
    if let maximumRepetitions, measured.allSatisfy({ $0.until == nil }) {
      throw LBError(
        .configuration,
        "--max-repetitions \(maximumRepetitions.text): has no effect without --until: add "
          + "--until, or use --repetitions")
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

  /// Refuses a precision that the repetitions of `specification` cannot reach.
  func checkPrecision(_ specification: RunSpecification) throws(LBError) {
    guard let until else { return }
    if let problem = Precision.problem(
      repetitions: specification.repetitions, most: specification.maximumRepetitions,
      names: ("--max-repetitions", "--repetitions"))
    {
      throw LBError(.configuration, "--until \(until.text) needs \(problem)")
    }
  }
}
