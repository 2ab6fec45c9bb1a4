import ArgumentParser
import CLinux
import Foundation
import LinuxSystem
import Output
import SampleModel
import Sampler

/// The command.
@main
struct Lbsample: ParsableCommand {
  static let version = "0.1.0"

  static let examples = """
    EXAMPLES
      lbsample --cpu --net               watch the host, a row a second
      lbsample 1 5                       five rows, like vmstat 1 5
      lbsample --cpu -i 10ms --format csv -o cpu.csv
      lbsample run -r 10 -- ./workload   bracket ten repetitions
      lbsample runs show last            what the last run measured
      lbsample compare main last         what changed since the run labelled main
      lbsample history sort              when the runs named sort changed
      lbsample export last --format csv  the samples of the last run
      lbsample view last                 the table of the last run, full screen
      lbsample report last -o run.html   a page about the last run for a browser
      lbsample serve                     this host for Prometheus
      lbsample doctor                    what this host permits

    Data goes to standard output, everything else to standard error.
    """

  static let exitCodes = """
    EXIT CODES
      0    success
      1    internal error
      2    invalid usage or configuration
      3    a required collector is not available, or failed
      4    the workload failed or timed out
      5    the output or a result file could not be written, or a result file is
           damaged or cannot be read
      6    the host gate (gates.host = block) or a quota stopped the run, an
           approval was refused or timed out, a setting of --set-host could not
           be changed or restored, --strict found contaminated attempts or
           warnings, compare or history found only contaminated repetitions, or
           a bound of compare --fail-on is exceeded
      130  stopped by SIGINT, 143 by SIGTERM; results are kept
    """

  static let configuration = CommandConfiguration(
    commandName: "lbsample",
    abstract: "Samples a Linux host at high resolution, alone or around a workload.",
    discussion: examples + "\n\n" + exitCodes,
    version: version,
    subcommands: [
      SampleCommand.self, RunCommand.self, ArmCommand.self, ApproveCommand.self, RunsCommand.self,
      CompareCommand.self, HistoryCommand.self, ExportCommand.self, ReportCommand.self,
      ViewCommand.self, ServeCommand.self, CollectorsCommand.self, DoctorCommand.self,
      OverheadCommand.self,
      ConfigCommand.self,
    ],
    defaultSubcommand: SampleCommand.self)

  /// Bytes of stack that are enough for all that is done here, whatever the limit (ulimit -s).
  private static let stack = 8 << 20
  /// What other threads need of it.
  private static let threadStack = 2 << 20

  static func main() {
    // A closed descriptor would become the next file that is opened, and that would get what is
    // written to it.
    var failure = lb_hold_standard_descriptors()
    if failure != 0 { Foundation.exit(1) }
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_STACK.rawValue)
    guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < rlim_t(stack) else { start() }
    // Raising the limit may not be allowed, and workloads would inherit it.
    failure = lb_raise_thread_stacks(threadStack)
    if failure == 0 { failure = lb_call_on_stack(stack) { Lbsample.start() } }
    let reason = SystemError.words(failure)
    Console.say("lbsample: no memory for a stack: \(reason); raise the limit (ulimit -s or -v)")
    Foundation.exit(1)
  }

  private static func start() -> Never {
    // A closed reader and a file at its size limit are errors of write(2), not reasons to end.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    let arguments = rewritten(ProgramArguments.all)
    // Known without the parser, whose start takes ten times as long.
    if arguments == ["--version"] { Foundation.exit(answerVersion()) }
    // What starts workloads: made first, since workloads pay for what this process has by then.
    if ["run", "overhead"].contains(arguments.first) { WorkloadStarter.prepare() }
    Foundation.exit(execute(arguments))
  }

  private static func answerVersion() -> Int32 {
    do throws(LBError) {
      try Console.write(version + "\n")
      return 0
    } catch {
      return report(error, asJSON: false)
    }
  }

  /// Short options that take a value.
  private static let shortWithValue: Set<Unicode.Scalar> = [
    "i", "c", "o", "p", "r", "w", "e", "C", "G", "L",
  ]

  /// Rewrites what the parser does not support: options without their value (`--reuse`), the value
  /// of a short option directly after it, as in `-r10`, and an option for the interval of each
  /// collector (`--disk-interval`). Arguments after `--` are the workload's.
  static func rewritten(_ arguments: [String]) -> [String] {
    var result: [String] = []
    var rest = arguments[...]
    while let argument = rest.first, argument != "--" {
      rest = rest.dropFirst()
      if let (interval, usesNext) = CadenceOptions.rewritten(argument, next: rest.first) {
        result += interval
        if usesNext { rest = rest.dropFirst() }
      } else {
        result += rewritten(argument)
      }
    }
    return result + rest
  }

  private static func rewritten(_ argument: String) -> [String] {
    if argument.begins("--"),
      let value = SettingsSchema.bareOptions[String(argument.dropFirst(2))]
    {
      return ["\(argument)=\(value)"]
    }
    if let (name, value) = marked(argument) { return [name, value] }
    let scalars = argument.unicodeScalars
    let value = scalars.dropFirst(2)
    guard scalars.first == "-", let letter = scalars.dropFirst().first,
      shortWithValue.contains(letter), let first = value.first, first != "="
    else { return [argument] }
    return ["-\(letter)", String(value)]
  }

  /// `--name=value` as two arguments where the value begins with a combining mark: with that the
  /// parser takes the equals sign for another character.
  private static func marked(_ argument: String) -> (name: String, value: String)? {
    guard argument.begins("--"), let (name, value) = argument.halves("="),
      argument.prefix(while: { $0 != "=" }).utf8.count > name.utf8.count
    else { return nil }
    return (name, value)
  }

  /// The command that the arguments name, with its options.
  ///
  /// The subcommand alone is tried first: the parser searches the whole tree several times before
  /// it begins, which takes a quarter of the time to the first sample. Mistakes and help go through
  /// the whole tree, which has the right messages.
  private static func parsed(_ arguments: [String]) throws -> any ParsableCommand {
    var rest = arguments[...]
    let named = configuration.subcommands.first { $0.configuration.commandName == arguments.first }
    if named != nil { rest = rest.dropFirst() }
    let isPlain = arguments.first.map { $0.hasPrefix("-") || $0.first?.isNumber == true } ?? true
    if let command = named ?? (isPlain ? SampleCommand.self : nil),
      command.configuration.subcommands.isEmpty
    {
      do {
        let alone = try command.parseAsRoot(Array(rest))
        // With --help the parser returns another command.
        if type(of: alone) == command { return alone }
      } catch {
        // As above.
      }
    }
    return try parseAsRoot(arguments)
  }

  /// The command that these words name; nil where there is none.
  static func command(_ names: [String]) -> (any ParsableCommand.Type)? {
    var command: any ParsableCommand.Type = Lbsample.self
    for name in names {
      guard
        let next = command.configuration.subcommands.first(where: {
          $0.configuration.commandName == name
        })
      else { return nil }
      command = next
    }
    return command
  }

  /// The same, with an error for help about what is neither a command nor one of these topics.
  static func command(
    named names: [String], topics: [String]
  ) throws(LBError) -> any ParsableCommand.Type {
    for count in names.indices where command(Array(names[...count])) == nil {
      let word = names[count]
      let parent = command(Array(names[..<count])) ?? Lbsample.self
      let known = parent.configuration.subcommands.compactMap { $0.configuration.commandName }
      let path = (["lbsample"] + names[..<count]).joined(separator: " ")
      let nearest = Nearest.word(to: word, in: known + (count == 0 ? topics : []))
      throw LBError(
        .configuration,
        "no command \(count == 0 ? "or help topic " : "")\(word)\(Nearest.hint(nearest)); "
          + "see '\(path) --help'")
    }
    return command(names) ?? Lbsample.self
  }

  /// Whether it is one of our commands, not one of the parser's, such as its help.
  private static func isOwn(
    _ type: any ParsableCommand.Type, below parent: any ParsableCommand.Type = Lbsample.self
  ) -> Bool {
    type == parent || parent.configuration.subcommands.contains { isOwn(type, below: $0) }
  }

  /// The error of a word where an interval or a command was expected.
  static func misplaced(_ word: String) -> LBError {
    let commands = configuration.subcommands.compactMap { $0.configuration.commandName }
    guard !commands.contains(word) else {
      return LBError(
        .configuration,
        "options come after the command: lbsample \(word) …; see 'lbsample help \(word)'")
    }
    return LBError(
      .configuration,
      "'\(word)' is neither a subcommand nor an interval"
        + Nearest.hint(Nearest.word(to: word, in: commands)) + "; see 'lbsample --help'")
  }

  /// Runs the command; gives the exit code.
  static func execute(_ arguments: [String]) -> Int32 {
    let asJSON = arguments.prefix { $0 != "--" }.contains("--json-errors")
    do {
      if arguments.first == "help" {
        try Console.write(HelpPages.page(Array(arguments.dropFirst())))
        return 0
      }
      var command = try parsed(arguments)
      if !isOwn(type(of: command)), let page = HelpPages.page(asked: arguments) {
        try Console.write(page)
        return 0
      }
      try command.run()
      return 0
    } catch let failure as LBError {
      let code = report(failure, asJSON: asJSON)
      // A write that the stop ended is no failure of its own: the stop decides the exit code.
      guard failure.context.errno == ECANCELED, let stop = StopSignals.stop?.raised else {
        return code
      }
      return LBError.stopped(by: stop).exitCode
    } catch let code as ExitCode {
      return code.rawValue
    } catch {
      let code = exitCode(for: error)
      let message = fullMessage(for: error)
      guard code != .success else {
        do throws(LBError) { try Console.write(message + "\n") } catch {
          return report(error, asJSON: asJSON)
        }
        return 0
      }
      if asJSON {
        return report(LBError(.configuration, Lbsample.message(for: error)), asJSON: true)
      }
      if arguments.contains(where: { $0.has("\n") }) {
        // An argument with a line feed may imitate lines of the parser: only its message is shown.
        Console.say("Error: \(Lbsample.message(for: error))")
      } else {
        for line in message.lines { Console.say(String(line)) }
      }
      if arguments.first == "run", message.lowercased().contains("unexpected argument") {
        Console.say("Put the command after --, as in: lbsample run --cpu -- ./workload")
      }
      if let typed = cluster(message, arguments) {
        Console.say("The option is in \(typed): write short options separately, as in -a -r 2")
      }
      return ErrorCategory.configuration.exitCode
    }
  }

  /// The argument with several letters, one of which the parser took for an unknown option.
  private static func cluster(_ message: String, _ arguments: [String]) -> String? {
    guard let start = message.range(of: "Unknown option '-")?.upperBound,
      let letter = message[start...].first, letter != "-"
    else { return nil }
    return arguments.prefix { $0 != "--" }.first {
      $0.count > 2 && $0.hasPrefix("-") && !$0.hasPrefix("--") && $0.contains(letter)
    }
  }

  /// Whether the error is that the reader of standard output has closed it, which is no failure.
  static func isClosedOutput(_ failure: LBError) -> Bool {
    failure.category == .resultPersistence && failure.context.errno == EPIPE
      && failure.context.path == Console.outputName
  }

  /// Prints an error and returns its exit code. A closed standard output is not reported.
  static func report(_ failure: LBError, asJSON: Bool) -> Int32 {
    if isClosedOutput(failure) { return 0 }
    if asJSON {
      do {
        Console.say(try JSONText.encode(failure), within: 2000)
      } catch {
        Console.say("lbsample: \(failure)", within: 2000)
      }
    } else {
      for line in failure.description.lines where !line.isEmpty {
        Console.say("lbsample: \(line)", within: 2000)
      }
    }
    return failure.exitCode
  }
}
