import ArgumentParser
import Foundation
import LinuxSystem
import Output
import SampleModel

/// `lbsample config`: the configuration in force.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Show or check the configuration.",
    subcommands: [ConfigShow.self, ConfigKeys.self, ConfigCheck.self],
    defaultSubcommand: ConfigShow.self)
}

/// `lbsample config show`.
struct ConfigShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show each value in force with its origin.")
  @Option(
    name: .customLong("config"),
    help: ArgumentHelp(
      "Use this configuration file instead of the default one.", valueName: "file"))
  var config: String?
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text or json.", valueName: "format"))
  var format = "text"

  func run() throws {
    try Formats.check(format, of: ["text", "json"])
    let environment = ProgramEnvironment.variables
    let file = try ConfigurationFile.find(explicit: config, environment: environment)
    let settings = try Settings(file: file, environment: environment)
    if format == "json" {
      try Console.write(try JSONText.encode(settings.all, pretty: true) + "\n")
      return
    }
    let rows = settings.all.map { [$0.key, $0.value.isEmpty ? "\"\"" : $0.value, $0.origin] }
    try Console.show(TextTable.lines(rows, leftColumns: 3).joined(separator: "\n") + "\n")
  }
}

/// `lbsample config keys`.
struct ConfigKeys: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys",
    abstract: "List every key with its values, default and option, or write a collectors.conf.",
    discussion: """
      EXAMPLES
        lbsample config keys
        lbsample config keys --format toml > collectors.conf
      """)
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp(
      "text, json (with meanings, and settings that only options or plans have), or toml: a "
        + "collectors.conf with every default.", valueName: "format"))
  var format = "text"

  func run() throws {
    try Formats.check(format, of: ["text", "json", "toml"])
    switch format {
    case "json":
      let keys = SettingsSchema.all.map(ConfigurationText.Key.init)
      try Console.write(try JSONText.encode(keys, pretty: true) + "\n")
    case "toml": try Console.write(ConfigurationText.file())
    default:
      try Console.show(ConfigurationText.table().joined(separator: "\n") + "\n")
    }
  }
}

/// `lbsample config check [FILE]`.
struct ConfigCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Check a configuration file and list all of its mistakes.")
  @Argument(help: "The file to check (default: the one that would be used).")
  var file: String?

  func run() throws {
    let environment = ProgramEnvironment.variables
    let found = try ConfigurationFile.find(explicit: file, environment: environment)
    _ = try Settings(file: found, environment: environment)
    let name = found?.path ?? "no file: the defaults"
    Console.say("\(name): valid")
  }
}
