import Exchange
import Foundation
import LinuxSystem
import Output
import RunStore
import SampleModel

/// `lbsample export --format openmetrics`.
extension ExportCommand {
  func exportOpenMetrics(_ reader: RunReader) throws {
    let result = try reader.result([])
    let attempts = Dictionary(
      result.attemptsByBracket(), uniquingKeysWith: { first, _ in first })
    let export = try OpenMetricsExport(
      reader, selection: try selection(reader, result), run: result.runID, attempts: attempts)
    let summary: OpenMetricsExport.Summary
    // A device or FIFO that is named is written to, and not replaced by a file.
    let isFile = output.map {
      $0 != "-" && (!Directories.exists($0) || Directories.isRegularFile($0))
    }
    if let output, isFile == true {
      let draft = try DraftFile(output, mayReplace: true)
      summary = try export.write { bytes throws(LBError) in try draft.write(bytes) }
      try draft.finish()
    } else {
      let destination = try TextDestination(path: output)
      let isShown = Console.outputIsTerminal
      summary = try export.write { bytes throws(LBError) in
        try destination.write(isShown ? Console.shown(bytes) : bytes)
      }
    }
    if !options.log.quiet {
      Console.say(
        "\(Counted.text(summary.samples, "sample")) of \(summary.series) series in "
          + "\(summary.families) families")
      if summary.left > 0 {
        Console.say(
          "lbsample: left out \(Counted.text(summary.left, "sample")) in the millisecond of "
            + "another: Prometheus has one for each millisecond")
      }
      if summary.samples == 0 {
        Console.say(
          "lbsample: no sample lies in \(part.words); --from and --to count from the first sample "
            + "of the run")
      }
    }
    try options.checkWhole(reader)
  }
}
