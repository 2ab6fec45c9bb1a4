import Foundation
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

  /// The sides as they are written on the command line; of a single run, its phases.
  mutating func sides(_ texts: [String]) throws(LBError) -> [ComparedSide] {
    guard texts.count == 1 else {
      var sides: [ComparedSide] = []
      for text in texts {
        var phases: [ComparedPhase] = []
        for part in Self.parts(of: text) { phases.append(try phase(part)) }
        sides.append(ComparedSide(name: text, phases: phases))
      }
      return sides
    }
    let single = LBError(
      .configuration,
      "\(texts[0]) is one side: name a second one, or one run whose phases are compared")
    guard Self.parts(of: texts[0]).count == 1 else { throw single }
    let (run, named) = try parts(of: texts[0])
    guard named == nil else { throw single }
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

  /// The parts of a side: at commas, but not at those in a phase's parameters, as in
  /// `load[threads=2,size=8]`, or in a file's name.
  private static func parts(of text: String) -> [String] {
    if FileManager.default.fileExists(atPath: text) { return [text] }
    var parts = [""]
    var depth = 0
    for character in text {
      if character == "[" { depth += 1 }
      if character == "]" { depth = max(0, depth - 1) }
      if character == ",", depth == 0 {
        parts.append("")
      } else {
        parts[parts.count - 1].append(character)
      }
    }
    return parts.filter { !$0.isEmpty }
  }

  /// The run that a part names, and its phase if it names one.
  private mutating func parts(
    of text: String
  ) throws(LBError) -> (run: Stored, phase: String?) {
    guard !FileManager.default.fileExists(atPath: text), let colon = text.firstIndex(of: ":") else {
      return (try stored(text), nil)
    }
    return (
      try stored(String(text[..<colon])), String(text[text.index(after: colon)...])
    )
  }

  /// A phase that is named, or the only one of its run.
  private mutating func phase(_ text: String) throws(LBError) -> ComparedPhase {
    let (run, name) = try parts(of: text)
    let result = run.result
    if let name {
      let known = result.phases.map(\.name)
      guard let phase = result.phases.first(where: { $0.name == name }) else {
        throw LBError(
          .configuration,
          "\(result.runID) has no phase \(name)\(Nearest.hint(Nearest.word(to: name, in: known)))"
            + "; it has \(Counted.list(known))")
      }
      return Self.compared(run, phase)
    }
    let phases = measured(result)
    guard phases.count < 2 else {
      throw LBError(
        .configuration,
        "\(result.runID) has \(phases.count) phases: name one, as \(text):\(phases[0].name), or "
          + "give the run alone to compare its phases (\(Counted.list(phases.map(\.name))))")
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

  private mutating func stored(_ name: String) throws(LBError) -> Stored {
    let path = try file(name)
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

  /// The file of a run by its name, or of the newest that has such a label.
  private func file(_ name: String) throws(LBError) -> String {
    let directory = try options.directory()
    do throws(LBError) {
      return try directory.resolve(name)
    } catch {
      let files = try directory.files()
      let isBeginning = files.contains { RunDirectory.id(ofFile: $0).hasPrefix(name) }
      if isBeginning || name.contains("/") { throw error }
      for file in files where isLabelled(file, name) { return file }
      if name == "last" { throw error }
      throw LBError(
        error.category,
        "\(name): no run in \(directory.path) has an id that begins with \(name), and none has the "
          + "label \(name); 'lbsample runs list' shows the runs", context: error.context)
    }
  }

  private func isLabelled(_ file: String, _ name: String) -> Bool {
    do throws(LBError) {
      let reader = try RunReader(path: file)
      defer { reader.close() }
      return try reader.labels().contains { $0.value == name || "\($0.key)=\($0.value)" == name }
    } catch {
      Console.say("lbsample: \(error)")
      return false
    }
  }
}
