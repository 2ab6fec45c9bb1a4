import ArgumentParser
import Foundation
import LinuxSystem
import Output
import Report
import RunAnalysis
import SampleModel

/// `lbsample report SIDE … -o FILE`: an HTML page about stored runs.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Write one HTML page about stored runs.",
    discussion: """
      EXAMPLES
        lbsample report last -o report.html
        lbsample report before.lbsample after.lbsample -o report.html --open
        lbsample report main last -o report.html
        lbsample report host.lbsample -o host.html --full 'cpu.user[all]'
        lbsample report last --format svg --metric 'cpu.user[all]' -o cpu.svg

      The page is one file that needs no network and no server. Of several
      sides, named as for compare, the first one is the base of the comparison.
      """)
  @OptionGroup var options: RunOptions
  @Option(
    name: [.customShort("o"), .customLong("output")],
    help: ArgumentHelp(
      "Write to this file; required if standard output is a terminal.", valueName: "file"))
  var output: String?
  @Flag(name: .customLong("open"), help: "Open the page in a browser (xdg-open).")
  var opens = false
  @Option(
    name: .customLong("full"),
    help: ArgumentHelp(
      "Keep every sample of these metrics, not only the minimum, median and maximum of each time "
        + "bucket; may be repeated. The page may then be larger than 10 MB.", valueName: "glob"))
  var full: [String] = []
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp(
      "html, or svg: charts of some metrics as a picture for a document.", valueName: "format"))
  var format = "html"
  @OptionGroup(title: "Pictures") var picture: PictureOptions
  @Argument(help: NamedSides.help)
  var sides: [String] = ["last"]

  /// The maximum number of runs on a page, which are named by letters.
  private static let mostRuns = 26

  func run() throws {
    try Formats.check(format, of: ["html", "svg"])
    if format == "svg" { return try writePicture() }
    guard !picture.isChosen else {
      throw LBError(
        .configuration,
        "--metric, --from, --to, --repetition and --phase are for pictures: add --format svg")
    }
    guard output != nil && output != "-" || !Console.outputIsTerminal else {
      throw LBError(.configuration, "report writes a page: name its file with -o report.html")
    }
    if opens, output == nil || output == "-" {
      throw LBError(.configuration, "--open opens a file: name it with -o report.html")
    }
    let named = try NamedSides(sides, options)
    guard named.runs.count <= Self.mostRuns else {
      throw LBError(
        .configuration, "\(named.runs.count) runs: a page has at most \(Self.mostRuns)")
    }
    if named.sides.count == 1, let part = named.runs.first(where: { $0.phase != nil }) {
      throw LBError(
        .configuration,
        "\(named.sides[0].text): a page of one side shows whole runs: give \(part.run), or a "
          + "second side to compare the phase with")
    }
    let definition = try options.settings().digest
    var read = try ReportedRuns(options, named, full: full, definition)
    var files = NamedFiles()
    files.writes("--output", output)
    for path in read.paths { files.reads("the run", path) }
    try files.check()
    let (comparison, incomparable) = try compared(named)
    let destination = try TextDestination(path: output)
    try destination.write(read.page(comparison, incomparable: incomparable))
    if !options.log.quiet {
      for notice in read.notices { Console.say("lbsample: \(notice)") }
    }
    if opens, let output { try open(output) }
    if let failure = read.failure { throw failure }
    if read.isDamaged { throw ExitCode(ErrorCategory.resultPersistence.exitCode) }
  }

  /// The sides as `compare` compares them, or the phases of a single run; nil, and why, where they
  /// cannot be compared.
  private func compared(_ named: NamedSides) throws -> (Comparison?, incomparable: String?) {
    do throws(LBError) {
      var stored = ComparedRuns(options)
      let sides = try stored.sides(named)
      let comparison = try Comparison(
        base: sides[0], others: Array(sides.dropFirst()), settings: Comparison.Settings(),
        noise: SessionRuns(try options.directory()).noise(of: sides[0], among: sides))
      return (comparison, nil)
    } catch {
      guard [.configuration, .gate].contains(error.category) else { throw error }
      let isOne = named.sides.count == 1 && named.runs.count == 1
      return (
        nil, isOne && error.category == .configuration ? nil : "Not compared: \(error.message)"
      )
    }
  }

  private func open(_ path: String) throws {
    let variables = ProgramEnvironment.variables
    let program: String
    do {
      program = try CommandPath.resolve(
        "xdg-open", searchPath: variables["PATH"] ?? "/usr/bin:/bin", directory: nil)
    } catch {
      throw LBError(
        .configuration,
        "--open: xdg-open is not in PATH (package xdg-utils); the page is \(path)")
    }
    let browser = Process()
    browser.executableURL = URL(fileURLWithPath: program)
    browser.arguments = [path.begins("-") ? "./\(path)" : path]
    try browser.run()
    browser.waitUntilExit()
    guard browser.terminationStatus == 0 else {
      throw LBError(
        .configuration,
        "--open: xdg-open ended with \(browser.terminationStatus); the page is \(path)")
    }
  }
}
