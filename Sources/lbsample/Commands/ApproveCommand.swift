import ArgumentParser
import Output
import RunStore
import Runner
import SampleModel

/// `lbsample approve`: lets a run that waits go on.
struct ApproveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "approve",
    abstract: "Approve or refuse the continuation of a run that waits for it.")

  @OptionGroup var options: RunOptions
  @Flag(name: .customLong("refuse"), help: "Refuse it: the run ends with exit code 6.")
  var refuse = false
  @Argument(
    help: ArgumentHelp("A run's id, a unique prefix of one, last, or a file.", valueName: "run"))
  var name: String

  func run() throws {
    let file = try options.directory().resolve(name)
    let answer = try Approval.tell(refuse ? .refuse : .approve, toRun: file)
    if !options.log.quiet { Console.say(answer) }
  }
}
