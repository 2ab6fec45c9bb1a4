import LinuxSystem
import SampleModel

extension RunCommand {
  /// Throws for options that would change a resumed run, which keeps its own.
  func refuseOthers() throws(LBError) {
    let withValue: Set<String> = [
      "--resume", "--format", "--result", "--runs-dir", "--config", "--events", "--event-format",
      "--notify", "--log-file",
    ]
    let flags: Set<String> = [
      "--force", "--end-leftovers", "--verbose", "--quiet", "--json-errors",
    ]
    var rest = ProgramArguments.all.drop { $0 != "run" }.dropFirst()
    var other: String?
    while other == nil, let argument = rest.popFirst() {
      let name = String(argument.prefix { $0 != "=" })
      if withValue.contains(name) {
        // The next argument is the value, even if it begins with -: standard output.
        if name == argument { rest = rest.dropFirst() }
      } else if argument.hasPrefix("-"), !flags.contains(name) {
        other = argument
      }
    }
    if let other {
      throw LBError(
        .configuration, "--resume uses the options of the interrupted run: remove \(other)")
    }
  }
}
