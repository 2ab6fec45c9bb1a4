import ArgumentParser
import Foundation
import RunAnalysis
import RunStore
import SampleModel

/// The sides of a comparison as a command line names them: `RUN`, `RUN:PHASE`, or several of them
/// separated by commas. `RUN` is what `RunDirectory.resolve` takes, or a label: its value, or
/// `key=value`, which names the newest run that has it.
struct NamedSides {
  /// A run of a side.
  struct Part {
    /// The run as it was typed.
    let run: String
    /// Its file.
    let path: String
    /// The phase, where one was typed.
    let phase: String?
  }

  struct Side {
    /// The side as it was typed.
    let text: String
    /// At least one.
    let parts: [Part]
  }

  static var help: ArgumentHelp {
    ArgumentHelp(
      "Sides: RUN, RUN:PHASE, or several of them separated by commas. RUN is an id, a unique "
        + "prefix of one, last, a file, or a label (its value, or key=value): the newest run that "
        + "has it.",
      valueName: "side")
  }

  let sides: [Side]

  /// Finds the files of all sides. Throws where a text names no run, or several.
  init(_ texts: [String], _ options: RunOptions) throws(LBError) {
    var sides: [Side] = []
    let directory = try options.directory()
    for text in texts {
      var parts: [Part] = []
      for part in Self.split(text) { parts.append(try Self.part(part, directory)) }
      guard !parts.isEmpty else {
        throw LBError(.configuration, "\(text.isEmpty ? "an empty text" : text) names no run")
      }
      sides.append(Side(text: text, parts: parts))
    }
    self.sides = sides
  }

  /// The runs of all sides in order, each once.
  var runs: [Part] {
    var known = Set<ExactText>()
    return sides.flatMap(\.parts).filter { known.insert(ExactText($0.path)).inserted }
  }

  /// What a run is called beside the others: the letter of each side that has it, with its number
  /// where the side has several runs, as in `A2`.
  func letter(ofFile path: String) -> String {
    sides.enumerated().compactMap { index, side in
      var own: [ExactText] = []
      for part in side.parts where !own.contains(ExactText(part.path)) {
        own.append(ExactText(part.path))
      }
      return own.firstIndex(of: ExactText(path)).map { number in
        Comparison.letter(index) + (own.count > 1 ? "\(number + 1)" : "")
      }
    }.joined(separator: "+")
  }

  /// The phase of a run by its name; throws where the run has none of that name.
  static func check(_ phase: String, in result: RunResult) throws(LBError) -> PhaseResult {
    let known = result.phases.map(\.name)
    guard let found = result.phases.first(where: { $0.name == phase }) else {
      throw LBError(
        .configuration,
        "\(result.runID) has no phase \(phase)\(Nearest.hint(Nearest.word(to: phase, in: known)))"
          + "; it has \(Counted.list(known))")
    }
    return found
  }

  /// The parts of a side: at commas, but not at those in a phase's parameters, as in
  /// `load[threads=2,size=8]`, or in a file's name.
  private static func split(_ text: String) -> [String] {
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

  private static func part(_ text: String, _ directory: RunDirectory) throws(LBError) -> Part {
    guard !FileManager.default.fileExists(atPath: text), let colon = text.firstIndex(of: ":") else {
      return Part(run: text, path: try file(text, directory), phase: nil)
    }
    let run = String(text[..<colon])
    return Part(
      run: run, path: try file(run, directory), phase: String(text[text.index(after: colon)...]))
  }

  /// The file of a run by its name, or of the newest that has such a label.
  private static func file(_ name: String, _ directory: RunDirectory) throws(LBError) -> String {
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

  private static func isLabelled(_ file: String, _ name: String) -> Bool {
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
