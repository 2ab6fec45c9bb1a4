import Exchange
import Foundation
import LinuxSystem
import Output
import RunStore
import SampleModel

/// `lbsample export --format parquet`.
extension ExportCommand {
  /// What wrote the file, as formats have it that say so.
  static var creator: String { "lbsample version \(Lbsample.version)" }

  func exportTables(_ reader: RunReader) throws {
    let result = try reader.result([])
    let export = try ParquetExport(
      reader, selection: try selection(reader, result), options: tables.exported(by: Self.creator))
    let start = Clock.monotonic()
    let summary: ParquetExport.Summary
    let path: String
    if let dataset = tables.dataset {
      path = dataset
      summary = try export.add(toDataset: dataset)
    } else {
      path = output ?? ""
      let isFile = path.hasSuffix(".parquet")
      summary = isFile ? try export.write(file: path) : try export.write(directory: path)
    }
    if !options.log.quiet {
      let seconds = Double(Clock.monotonic() - start) / 1e9
      let rate = Double(summary.samples.values) / max(seconds, 1e-9) / 1e6
      Console.say(
        "\(Counted.text(summary.tables, "table")) in \(path): "
          + "\(summary.samples.values) values in \(Readable.fixed(seconds, 2)) s "
          + "(\(Readable.fixed(rate, 1)) million a second)"
          + (summary.isCompressed || tables.isCompatible
            ? "" : "; not compressed, since libzstd.so.1 is not installed"))
    }
    if summary.samples.rows == 0 {
      Console.say(
        "lbsample: no sample lies in \(part.words); --from and --to count from the first sample of "
          + "the run")
    }
    try options.checkWhole(reader)
  }
}
