import ArgumentParser
import Exchange
import LinuxSystem
import Output
import RunStore
import SampleModel

/// How a Perfetto trace is written.
struct TraceOptions: ParsableArguments {
  @Flag(
    name: .customLong("full"),
    help: ArgumentHelp(
      "Draw all points: above \(PerfettoExport.Options.usualPoints / 1_000_000) million a trace "
        + "has the least and the greatest value of each group of points."))
  var isFull = false

  /// Refuses options that `format` does not know, and a destination that is missing.
  func check(_ format: String, hasOutput: Bool) throws(LBError) {
    guard format == "perfetto" else {
      if isFull { throw LBError(.configuration, "--full needs --format perfetto") }
      return
    }
    guard hasOutput else {
      throw LBError(
        .configuration,
        "--format perfetto writes a binary file: name it with --output FILE.pftrace")
    }
  }
}

/// `lbsample export --format perfetto`.
extension ExportCommand {
  func exportTrace(_ reader: RunReader) throws {
    let result = try reader.result([])
    var drawn = PerfettoExport.Options()
    if trace.isFull { drawn.mostPoints = nil }
    drawn.withRates = !raw
    let export = try PerfettoExport(
      reader, selection: try selection(reader, result), options: drawn)
    let path = output ?? ""
    let summary = try export.write(path)
    if !options.log.quiet {
      Console.say(
        "\(Counted.text(summary.points, "point")) in \(Counted.text(summary.tracks, "track")) of "
          + "\(path), \(Readable.bytes(Double(summary.bytes))): open it at ui.perfetto.dev")
    }
    for remark in summary.remarks { Console.say("lbsample: \(remark)") }
    if summary.frames == 0 {
      Console.say(
        "lbsample: no sample lies in \(part.words); --from and --to count from the first sample of "
          + "the run")
    }
    try options.checkWhole(reader)
  }
}
