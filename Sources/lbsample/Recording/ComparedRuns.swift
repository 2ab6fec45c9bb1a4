import RunAnalysis
import RunStore
import Runner
import SampleModel

/// Reads the sides of a comparison from where runs are stored.
struct ComparedRuns {
  private struct Stored {
    let result: RunResult
    let version: String
    let steps: [String: Double]
  }

  private let options: RunOptions
  /// What has been read, by path.
  private var runs: [ExactText: Stored] = [:]
  /// Whether part of a file could not be read, which has been reported.
  private(set) var isDamaged = false

  init(_ options: RunOptions) { self.options = options }

  /// The sides with the repetitions of their phases; of a single run, its phases.
  mutating func sides(_ named: NamedSides) throws(LBError) -> [ComparedSide] {
    guard named.sides.count == 1, let only = named.sides.first else {
      var sides: [ComparedSide] = []
      for side in named.sides {
        var phases: [ComparedPhase] = []
        for part in side.parts { phases.append(try phase(part)) }
        sides.append(ComparedSide(name: side.text, phases: phases))
      }
      return sides
    }
    guard only.parts.count == 1, let part = only.parts.first, part.phase == nil else {
      throw LBError(
        .configuration,
        "\(only.text) is one side: name a second one, or one run whose phases are compared")
    }
    let run = try stored(part.path)
    let phases = measured(run.result)
    guard phases.count > 1 else {
      throw LBError(
        .configuration,
        phases.isEmpty && [.pending, .running, .waiting].contains(run.result.status)
          ? "\(run.result.runID): no repetition has completed yet; compare when the run has ended"
          : "\(run.result.runID) has \(Counted.text(phases.count, "phase")) with completed "
            + "repetitions: name a second run to compare it with")
    }
    return phases.map { phase in
      ComparedSide(name: phase.name, phases: [Self.compared(run, phase)])
    }
  }

  private static func compared(_ run: Stored, _ phase: PhaseResult) -> ComparedPhase {
    ComparedPhase(run.result, phase, version: run.version, resolutions: run.steps)
  }

  /// A phase that is named, or the only one of its run.
  private mutating func phase(_ part: NamedSides.Part) throws(LBError) -> ComparedPhase {
    let run = try stored(part.path)
    let result = run.result
    if let name = part.phase {
      return Self.compared(run, try NamedSides.check(name, in: result))
    }
    let phases = measured(result)
    guard phases.count < 2 else {
      throw LBError(
        .configuration,
        "\(result.runID) has \(phases.count) phases: name one, as \(part.run):\(phases[0].name), "
          + "or give the run alone to compare its phases (\(Counted.list(phases.map(\.name))))")
    }
    guard let only = phases.first ?? result.phases.first else {
      throw LBError(.configuration, "\(result.runID) has no repetition: nothing was executed yet")
    }
    return Self.compared(run, only)
  }

  /// The phases with a completed repetition; reports those without.
  private func measured(_ result: RunResult) -> [PhaseResult] {
    result.phases.filter { phase in
      let counted = phase.repetitions.filter { !$0.warmUp }
      let hasCompleted = counted.contains { repetition in
        repetition.attempts.contains { $0.status == .completed }
      }
      if !hasCompleted, !counted.isEmpty, !options.log.quiet {
        Console.say("lbsample: phase \(phase.name) is left out: none of its repetitions completed")
      }
      return hasCompleted
    }
  }

  private mutating func stored(_ path: String) throws(LBError) -> Stored {
    if let known = runs[ExactText(path)] { return known }
    let reader = try options.open(path)
    defer { reader.close() }
    let result = try reader.summarised()
    guard result.kind == "run" else {
      throw LBError(
        .configuration,
        "\(result.runID) is a recording without repetitions: compare takes runs of lbsample run",
        context: ErrorContext(path: path))
    }
    let stored = Stored(
      result: result, version: try reader.version(), steps: try reader.steps())
    isDamaged = isDamaged || reader.damage != nil
    runs[ExactText(path)] = stored
    return stored
  }
}
