import ArgumentParser
import Runner

/// Shell commands before and after repetitions, with the names that hyperfine uses.
struct HookOptions: ParsableArguments {
  @Option(
    name: .customLong("setup"),
    help: ArgumentHelp(
      "A shell command to run once, before the first repetition.", valueName: "command"))
  var setup: String?
  @Option(
    name: .customLong("prepare"),
    help: ArgumentHelp(
      "A shell command to run before each repetition, outside its bracket.", valueName: "command"))
  var prepare: String?
  @Option(
    name: .customLong("conclude"),
    help: ArgumentHelp(
      "A shell command to run after each repetition, outside its bracket.", valueName: "command"))
  var conclude: String?
  @Option(
    name: .customLong("cleanup"),
    help: ArgumentHelp(
      "A shell command to run once, after the last repetition, also after a failure.",
      valueName: "command"))
  var cleanup: String?

  /// The given hooks.
  var given: [Hook: String] {
    let all: [(Hook, String?)] = [
      (.setup, setup), (.prepare, prepare), (.conclude, conclude), (.cleanup, cleanup),
    ]
    return all.reduce(into: [:]) { $0[$1.0] = $1.1 }
  }
}
