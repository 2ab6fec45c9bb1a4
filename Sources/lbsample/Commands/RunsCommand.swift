import ArgumentParser
import Foundation
import LinuxSystem
import Output
import RunAnalysis
import RunStore
import Runner
import SampleModel
import Sampler

/// Options of commands that read stored runs.
struct RunOptions: ParsableArguments {
  @OptionGroup(title: "Results") var store: StoreOptions
  @OptionGroup(title: "Messages") var log: LogOptions
  @Option(
    name: .customLong("config"),
    help: ArgumentHelp(
      "Use this configuration file instead of the default one.", valueName: "file"))
  var config: String?

  func settings() throws(LBError) -> Settings {
    let environment = ProgramEnvironment.variables
    let file = try ConfigurationFile.find(explicit: config, environment: environment)
    return try Settings(file: file, environment: environment)
  }

  func directory() throws(LBError) -> RunDirectory {
    RunsLocation.directory(store, try settings())
  }

  /// Throws the exit code of a damaged file if part of the samples could not be read, which has
  /// been reported.
  func checkWhole(_ reader: RunReader) throws {
    if reader.damage != nil { throw ExitCode(ErrorCategory.resultPersistence.exitCode) }
  }

  /// Opens the run called `run`; marks it as interrupted if its writer has ended.
  func open(_ run: String) throws(LBError) -> RunReader {
    let path = try directory().resolve(run)
    let reader = try RunReader(path: path)
    if try reader.finishIfAbandoned(), !log.quiet {
      Console.say(
        "lbsample: \(path): the process recording it is no longer running; marked as interrupted")
    }
    if let damage = try reader.damageOfTail() { Console.say("lbsample: \(damage)") }
    return reader
  }
}

/// `lbsample runs`: stored runs.
struct RunsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runs", abstract: "List, show, bundle, label, import and remove stored runs.",
    subcommands: [
      RunsList.self, RunsShow.self, RunsBundle.self, RunsLabel.self, RunsImport.self,
      RunsRemove.self, RunsPrune.self,
    ],
    defaultSubcommand: RunsList.self)
}

/// Patterns of metrics.
enum MetricGlobs {
  /// A pattern that none of these names matches is a slip.
  static func check(
    _ globs: [String], _ names: Set<String>, option: String = "--metric"
  ) throws(LBError) {
    for glob in globs {
      let one = ColumnFilter(only: [glob])
      guard !names.contains(where: one.passes) else { continue }
      let groups = Set(names.map { String($0.prefix { $0 != "." }) }).sorted()
      let group = String(glob.prefix { $0 != "." })
      let longer = ["\(glob)[*", "\(glob)*"].filter { pattern in
        names.contains { Glob.matches(pattern, $0) }
      }.map { "'\($0)'" }
      let hint =
        !longer.isEmpty
        ? "; instances stand in brackets: try \(longer.joined(separator: " or "))"
        : groups.contains(group) ? "" : Nearest.hint(Nearest.word(to: group, in: groups))
      // A name without a group is a pattern itself.
      let patterns = groups.map { names.contains($0) ? $0 : "\($0).*" }
      throw LBError(
        .configuration,
        "\(option) \(glob): no metric of this run matches\(hint); this run has "
          + patterns.joined(separator: ", "))
    }
  }
}

/// What else `runs remove` and `runs prune` may remove.
struct RemovalOptions: ParsableArguments {
  @Flag(
    name: .customLong("force"),
    help: ArgumentHelp(
      "Also remove runs of other users, runs whose --set-host cannot be undone, and runs that left "
        + "processes running."))
  var force = false
  @Flag(
    name: .customLong("end-leftovers"),
    help: "First end the processes that a killed run left running.")
  var endsLeftovers = false
}

/// `lbsample runs remove RUN`.
struct RunsRemove: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove stored runs.")
  @OptionGroup var options: RunOptions
  @OptionGroup(title: "Host") var mounts: MountOptions
  @OptionGroup var removal: RemovalOptions
  @Argument(help: "Runs to remove: ids, unique prefixes of ids, last, or files.")
  var runs: [String]

  func run() throws {
    let directory = try options.directory()
    var removed = RunRemoval(directory, mounts.roots, removal, isQuiet: options.log.quiet)
    defer { RunIndex.remove(removed.touched) }
    for run in runs { try removed.remove(try directory.resolve(run)) }
  }
}

/// Checks the values of options for formats.
enum Formats {
  static func check(
    _ format: String, of known: [String], option: String = "--format"
  ) throws(LBError) {
    guard known.contains(format) else {
      throw LBError(
        .configuration,
        "\(option) \(format): expected \(known.joined(separator: ", "))"
          + Nearest.hint(Nearest.word(to: format, in: known)))
    }
  }
}
