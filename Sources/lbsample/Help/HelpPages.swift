import ArgumentParser
import LinuxSystem
import Runner
import SampleModel

/// What `lbsample help` and `--help` print: for commands with many options those that one uses
/// first, and topics for the rest.
enum HelpPages {
  /// The options that one uses first, by their commands, without dashes.
  private static let first: [(command: any ParsableCommand.Type, options: [String])] = [
    (
      SampleCommand.self,
      [
        "cpu", "memory", "disk", "net", "pressure", "process", "top", "perf", "packets", "all",
        "per-cpu", "only", "interval", "count", "duration", "format", "output", "record", "raw",
        "quiet",
      ]
    ),
    (
      RunCommand.self,
      [
        "repetitions", "warmup", "interval", "timeout", "cpu", "net", "perf", "workload-cpus",
        "setup", "prepare", "metric", "name", "parameter-list", "plan", "dry-run", "until",
        "idempotent", "format", "result", "resume",
      ]
    ),
    (
      ArmCommand.self,
      ["control", "interval", "record", "name", "cpu", "net", "process", "perf", "all", "quiet"]
    ),
    (
      ServeCommand.self,
      ["listen", "token-file", "interval", "cpu", "net", "disk", "all", "only", "quiet"]
    ),
  ]

  /// Those of sampling that the overview has.
  private static let shownFirst = [
    "cpu", "net", "process", "top", "perf", "all", "interval", "count", "format", "record",
  ]

  /// The page that words ask for: a command, a topic, `topics` for all of them; none for the
  /// overview. With `--all` a command's page has every option.
  static func page(_ words: [String]) throws(LBError) -> String {
    let isWhole = words.contains("--all")
    let names = words.filter { !$0.hasPrefix("-") && $0 != "help" }
    guard let name = names.first else { return isWhole ? Lbsample.helpMessage() : overview() }
    if names == ["topics"] {
      return HelpTopic.all.map { "\($0.name.uppercased())\n\n" + page($0) }.joined(separator: "\n")
    }
    let topic = HelpTopic.all.first { $0.name == name }
    if let topic, names.count == 1, Lbsample.command(names) == nil { return page(topic) }
    let command = try Lbsample.command(named: names, topics: HelpTopic.all.map(\.name))
    let text = (isWhole ? nil : page(of: command)) ?? Lbsample.helpMessage(for: command)
    guard let topic, names.count == 1 else { return text }
    return text + "\nTHE TOPIC \(name.uppercased())\n\n" + page(topic)
  }

  /// The page in place of the parser's, which these arguments asked for; nil for a command whose
  /// help by the parser is short.
  static func page(asked arguments: [String]) -> String? {
    let names = arguments.prefix { !$0.hasPrefix("-") }
    if names.isEmpty {
      return ["--help", "-h"].contains(arguments.first) ? overview() : page(of: SampleCommand.self)
    }
    return Lbsample.command(Array(names)).flatMap { page(of: $0) }
  }

  private static var width: Int { Console.terminalSize().columns }

  private static func overview() -> String {
    var help = HelpText(width: width)
    help.paragraph(Lbsample.configuration.abstract)
    help.lines(Lbsample.examples)
    help.lines("USAGE: lbsample [sample] [<options>] | lbsample <command> [<options>]")
    help.heading("COMMANDS")
    for command in Lbsample.configuration.subcommands {
      help.row(command.configuration.commandName ?? "", command.configuration.abstract)
    }
    help.heading("COMMON OPTIONS OF SAMPLING")
    help.rows(options(first[0]).filter { shownFirst.contains(where: $0.isCalled) })
    let topics = HelpTopic.all.map(\.name).joined(separator: ", ")
    help.paragraph("TOPICS (lbsample help <topic>): \(topics)")
    help.lines(Lbsample.exitCodes)
    help.paragraph(
      "--version shows the version. See also 'lbsample help <command>', 'lbsample help <topic>' "
        + "and, for all topics, 'lbsample help topics'.")
    return help.text
  }

  /// The page of a command with many options; nil for all others.
  private static func page(of command: any ParsableCommand.Type) -> String? {
    guard let entry = first.first(where: { $0.command == command }),
      let name = command.configuration.commandName
    else { return nil }
    var help = HelpText(width: width)
    help.paragraph(command.configuration.abstract)
    help.lines(command.configuration.discussion)
    help.lines("USAGE: \(usage(name))")
    help.heading("COMMON OPTIONS")
    help.rows(options(entry))
    addTopics(&help)
    let count = OptionHelp.all(of: command).count
    help.lines("'lbsample help \(name) --all' prints all \(count) options.")
    return help.text
  }

  private static func usage(_ name: String) -> String {
    switch name {
    case "run": "lbsample run [<options>] -- <command> ..."
    case "sample": "lbsample [sample] [<options>] [<interval> [<count>]]"
    default: "lbsample \(name) [<options>]"
    }
  }

  private static func options(
    _ entry: (command: any ParsableCommand.Type, options: [String])
  ) -> [OptionHelp] {
    let all = OptionHelp.all(of: entry.command)
    return entry.options.compactMap { name in all.first { $0.isCalled(name) } }
  }

  private static func addTopics(_ help: inout HelpText) {
    help.heading("TOPICS (lbsample help <topic>)")
    for topic in HelpTopic.all { help.row(topic.name, topic.summary) }
  }

  private static func page(_ topic: HelpTopic) -> String {
    var help = HelpText(width: width)
    help.paragraph(topic.explanation)
    let apart = topic.apart.flatMap { OptionHelp.all(of: $0).map(\.label) }
    var options = topic.groups.flatMap { OptionHelp.all(of: $0) }.filter {
      !apart.contains($0.label)
    }
    let others = [RunCommand.self, SampleCommand.self].flatMap {
      OptionHelp.all(of: $0 as any ParsableArguments.Type)
    }
    for name in topic.options where !options.contains(where: { $0.isCalled(name) }) {
      // An option that both commands have may differ in its words: both stand here.
      var texts: Set<String> = []
      options += others.filter { $0.isCalled(name) && texts.insert($0.text).inserted }
    }
    help.heading("OPTIONS")
    help.rows(options)
    let settings = SettingsSchema.keys.filter { setting in
      let isNamed = topic.keys.contains {
        $0.hasSuffix(".") ? setting.name.hasPrefix($0) : setting.name == $0
      }
      return isNamed
        || setting.option.map { one in options.contains { $0.isCalled(one.name) } } ?? false
    }
    if !settings.isEmpty {
      help.heading("KEYS OF collectors.conf")
      for setting in settings {
        let standard = setting.standard.isEmpty ? "\"\"" : setting.standard
        let option = setting.option.map { ", option --\($0.name)" } ?? ""
        help.row(setting.name, "\(setting.meaning) (default: \(standard)\(option))")
      }
    }
    help.lines("More: docs/\(topic.page)")
    return help.text
  }
}
