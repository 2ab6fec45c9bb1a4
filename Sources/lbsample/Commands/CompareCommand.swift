import ArgumentParser
import Output
import RunAnalysis
import SampleModel
import Sampler

/// `lbsample compare A B`: what changed, and what could have been found.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Show what changed between runs or phases, and how certain that is.",
    discussion: """
      EXAMPLES
        lbsample compare last               first phase of the last run with the rest
        lbsample compare main last          the run labelled main with the last run
        lbsample compare RUN:old RUN:new    two phases of a run
        lbsample compare A1,A2,A3 B1,B2,B3  several runs per side, one value each
        lbsample compare main last --fail-on 'wall_time>2%'

      The first side is the base of all others. Repetitions that alternated
      (run --order interleaved or abba) are compared in pairs. One run is called
      faster or slower than another only if the two differ by more than stored
      runs of the same command, contents, settings and host differ.
      """)
  @OptionGroup var options: RunOptions
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("text, markdown, json or csv.", valueName: "format"))
  var format = "text"
  @Flag(
    name: .customLong("all"),
    help: "Show every metric that was compared, not only the primary ones and what changed.")
  var all = false
  @Option(
    name: .customLong("metric"),
    help: ArgumentHelp("Show only metrics that match; may be repeated.", valueName: "glob"))
  var metrics: [String] = []
  @Option(
    name: .customLong("primary"),
    help: ArgumentHelp(
      "Treat these metrics as primary too, beside wall_time, cpu_time and workload.*; may be "
        + "repeated. The more there are, the larger a change must be to be found.",
      valueName: "glob"))
  var primary: [String] = []
  @Option(
    name: .customLong("same-within"),
    help: ArgumentHelp(
      "Call a metric the same if its difference is proven to be smaller than this.",
      valueName: "percent"))
  var sameWithin = "2%"
  @Flag(
    name: .customLong("contaminated"),
    help: "Include contaminated repetitions, which are left out by default.")
  var contaminated = false
  @Option(
    name: .customLong("fail-on"),
    help: ArgumentHelp(
      "Exit with code 6 if the whole 95 % interval of a metric is beyond this bound, such as "
        + "wall_time>2% or workload.rate<-2%; primary: if a primary metric is proven to have "
        + "changed, unless for the better; may be repeated.", valueName: "bound"))
  var failOn: [String] = []
  @Argument(help: NamedSides.help)
  var sides: [String]

  func run() throws {
    try Formats.check(format, of: ["text", "markdown", "json", "csv"])
    let bounds = try failOn.map { text throws(LBError) -> FailureBound in
      guard let bound = FailureBound(text) else {
        throw LBError(
          .configuration,
          "--fail-on \(text): expected METRIC>PERCENT%, METRIC<PERCENT% or primary, such as "
            + "wall_time>2%")
      }
      return bound
    }
    var settings = Comparison.Settings()
    guard let margin = Share.parse(sameWithin) else {
      throw LBError(
        .configuration, "--same-within \(sameWithin): expected a percentage such as 2%")
    }
    settings.margin = margin
    let standard = settings.primary
    settings.primary = standard + primary.filter { !standard.contains($0) }
    settings.includesContaminated = contaminated
    var stored = ComparedRuns(options)
    let read = try stored.sides(NamedSides(sides, options))
    let comparison = try Comparison(
      base: read[0], others: Array(read.dropFirst()), settings: settings,
      noise: SessionRuns(try options.directory()).noise(of: read[0], among: read))
    if !metrics.isEmpty {
      let names = comparison.pairs.flatMap {
        $0.rows.map(\.metric) + $0.neverMoved + $0.belowResolution
      }
      try MetricGlobs.check(metrics, Set(names))
    }
    try write(comparison)
    try check(bounds, comparison)
    if stored.isDamaged { throw ExitCode(ErrorCategory.resultPersistence.exitCode) }
  }

  private func write(_ comparison: Comparison) throws(LBError) {
    let filter = ColumnFilter(only: metrics)
    let text = ComparisonText(
      comparison, all: all, passes: metrics.isEmpty ? nil : { filter.passes($0) })
    switch format {
    case "json":
      let document = ComparisonDocument(comparison) { filter.passes($0) }
      try Console.write(try JSONText.encode(document, pretty: true) + "\n")
    case "csv": try Console.show(ComparisonCSV.text(comparison) { filter.passes($0) })
    case "markdown": try Console.show(text.markdown)
    default: try Console.show(text.text)
    }
  }

  /// Says which bounds are exceeded, and ends with the code of a gate where one is.
  private func check(_ bounds: [FailureBound], _ comparison: Comparison) throws(LBError) {
    var exceeded: [String] = []
    for bound in bounds {
      for outcome in try bound.outcomes(comparison) {
        switch outcome {
        case .exceeded(let what): exceeded.append("--fail-on \(bound.text): \(what)")
        case .undecided(let what):
          if !options.log.quiet {
            Console.say("lbsample: --fail-on \(bound.text): undecided: \(what)")
          }
        case .kept: break
        }
      }
    }
    if !exceeded.isEmpty { throw LBError(.gate, exceeded.joined(separator: "; ")) }
  }
}
