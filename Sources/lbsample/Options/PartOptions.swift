import ArgumentParser
import Output
import RunStore
import SampleModel

/// Which part of a stored run: the same for every command that reads its samples.
struct PartOptions: ParsableArguments {
  @Option(
    name: .customLong("from"), parsing: .unconditional,
    help: ArgumentHelp(
      "Skip samples before this time, counted from the first sample.", valueName: "time"))
  var from: String?
  @Option(
    name: .customLong("to"), parsing: .unconditional,
    help: ArgumentHelp(
      "Skip samples after this time, counted from the first sample.", valueName: "time"))
  var to: String?
  @Option(
    name: .customLong("repetition"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp("Only these counted repetitions; may be repeated.", valueName: "n"))
  var repetitions: [Int] = []
  @Option(
    name: .customLong("phase"),
    help: ArgumentHelp("Only these phases; may be repeated.", valueName: "name"))
  var phases: [String] = []

  /// Whether no part is chosen.
  var isWhole: Bool { from == nil && to == nil && repetitions.isEmpty && phases.isEmpty }

  /// The chosen part as options.
  var words: String {
    let chosen =
      [("--from", from), ("--to", to)].compactMap { name, value in value.map { "\(name) \($0)" } }
      + phases.map { "--phase \($0)" } + repetitions.map { "--repetition \($0)" }
    return chosen.isEmpty ? "the run" : chosen.joined(separator: " ")
  }

  /// Chooses the part of a run whose first sample is at `origin`.
  func choose(
    _ selection: inout RunReplay.Selection, _ labels: [(UInt32, AttemptID)],
    _ result: RunResult, origin: UInt64
  ) throws(LBError) {
    selection.brackets = try brackets(labels, result)
    selection.from = try moment(from, "--from", origin)
    selection.to = try moment(to, "--to", origin)
    if let from = selection.from, let to = selection.to, from > to {
      throw LBError(.configuration, "--from is later than --to")
    }
  }

  private func moment(
    _ text: String?, _ option: String, _ origin: UInt64
  ) throws(LBError) -> UInt64? {
    guard let text else { return nil }
    guard let time = Durations.parse(text) else {
      let reason = Durations.excess(text) ?? "expected a duration such as 10s"
      throw LBError(.configuration, "\(option) \(text): \(reason)")
    }
    let (moment, overflow) = origin.addingReportingOverflow(time)
    return overflow ? .max : moment
  }

  private func brackets(
    _ labels: [(UInt32, AttemptID)], _ result: RunResult
  ) throws(LBError) -> Set<UInt32>? {
    guard !repetitions.isEmpty || !phases.isEmpty else { return nil }
    let known = result.phases.map(\.name).filter { name in labels.contains { $0.1.phase == name } }
    if let absent = phases.first(where: { !known.contains($0) }) {
      throw LBError(
        .configuration,
        "--phase \(absent): "
          + (known.isEmpty
            ? "\(result.runID) has no phases"
            : "run \(result.runID) has samples of \(known.joined(separator: ", "))")
          + Nearest.hint(Nearest.word(to: absent, in: known)))
    }
    let labels = labels.filter { phases.isEmpty || phases.contains($0.1.phase) }
    guard !repetitions.isEmpty else { return Set(labels.map(\.0)) }
    let matching = labels.filter { !$0.1.warmUp && repetitions.contains($0.1.repetition) }
    let found = Set(matching.map(\.1.repetition))
    if let absent = repetitions.first(where: { !found.contains($0) }) {
      let there = Set(labels.filter { !$0.1.warmUp }.map(\.1.repetition)).count
      throw LBError(
        .configuration,
        "--repetition \(absent): run \(result.runID) has \(Counted.text(there, "repetition"))")
    }
    return Set(matching.map(\.0))
  }
}
