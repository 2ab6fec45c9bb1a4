import ArgumentParser
import Runner

/// Commands around the repetitions, as hyperfine names them.
struct HookOptions: ParsableArguments {
  @Option(
    name: .customLong("setup"),
    help: ArgumentHelp("A shell command to run once before everything.", valueName: "command"))
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
      "A shell command to run once after everything, whatever happened.", valueName: "command"))
  var cleanup: String?

  /// Those that were given.
  var given: [Hook: String] {
    let all: [(Hook, String?)] = [
      (.setup, setup), (.prepare, prepare), (.conclude, conclude), (.cleanup, cleanup),
    ]
    return all.reduce(into: [:]) { $0[$1.0] = $1.1 }
  }
}
