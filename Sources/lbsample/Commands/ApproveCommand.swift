import ArgumentParser
import Output
import RunStore
import Runner
import SampleModel

/// `lbsample approve`: approves that a run which waits continues, or refuses it.
struct ApproveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "approve",
    abstract: "Approve or refuse a run that waits for approval.")

  @OptionGroup var options: RunOptions
  @Flag(name: .customLong("refuse"), help: "Refuse: the run ends with exit code 6.")
  var refuse = false
  @Argument(
    help: ArgumentHelp("A run's id, a unique prefix of one, last, or a file.", valueName: "run"))
  var name: String

  func run() throws {
    let file = try options.directory().resolve(name)
    let reply = try Approval.send(refuse ? .refuse : .approve, toRun: file)
    if !options.log.quiet { Console.say(reply) }
  }
}
