import ArgumentParser
import Foundation
import LinuxSystem
import RunStore
import SampleModel

/// `lbsample runs label RUN key=value …`.
struct RunsLabel: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "label", abstract: "Change the labels of a finished run.",
    discussion: """
      EXAMPLES
        lbsample runs label last branch=main tuned=yes
        lbsample runs label last --remove tuned
      """)
  @OptionGroup var options: RunOptions
  @Option(
    name: .customLong("remove"),
    help: ArgumentHelp("Remove this label; may be repeated.", valueName: "key"))
  var removed: [String] = []
  @Argument(
    help: ArgumentHelp("A run's id, a unique prefix of one, last, or a file.", valueName: "run"))
  var runName: String
  @Argument(help: ArgumentHelp("Labels to set.", valueName: "key=value"))
  var assignments: [String] = []

  func run() throws {
    let set = try labels()
    let path = try options.directory().resolve(runName)
    if let user = Trust.otherOwner(of: path) {
      let name = UserIdentity(named: "\(user)").map { " (\($0.name))" } ?? ""
      throw LBError(
        .configuration,
        "\(path) belongs to user \(user)\(name), not to you: only its owner changes its labels",
        context: ErrorContext(path: path))
    }
    let reader = try options.open(path)
    defer {
      reader.close()
      RunIndex.remove([path])
    }
    try reader.label(set: set, removed: removed)
    guard !options.log.quiet else { return }
    let run = try reader.overview()
    let all = run.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    Console.say(
      "labels of \(run.runID): " + (all.isEmpty ? "none" : all.joined(separator: ", ")))
  }

  /// What is to be set, by key.
  private func labels() throws(LBError) -> [String: String] {
    var set: [String: String] = [:]
    for text in assignments {
      guard let (key, value) = text.halves("="), !key.isEmpty else {
        throw LBError(.configuration, "\(text): expected a label as KEY=VALUE")
      }
      guard set.updateValue(value, forKey: key) == nil else {
        throw LBError(.configuration, "\(text): the label \(key) is set twice")
      }
    }
    for key in Set(set.keys).union(removed).sorted() where RunResult.ownLabels.contains(key) {
      throw LBError(
        .configuration, "the label \(key) is lbsample's own record of the run: choose another key")
    }
    if let key = removed.first(where: { set[$0] != nil }) {
      throw LBError(.configuration, "the label \(key) is both set and removed")
    }
    if Set(removed).count < removed.count {
      throw LBError(.configuration, "--remove names a label twice")
    }
    guard !set.isEmpty || !removed.isEmpty else {
      throw LBError(
        .configuration, "nothing to change: name labels as KEY=VALUE, or --remove KEY")
    }
    return set
  }
}
