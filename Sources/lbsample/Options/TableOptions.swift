import ArgumentParser
import Exchange
import SampleModel

/// How Parquet is written.
struct TableOptions: ParsableArguments {
  @Flag(
    name: .customLong("long"),
    help: ArgumentHelp(
      "Write a row for each value instead of each reading; collectors with more than "
        + "\(ParquetExport.Options.widest) columns are always written this way."))
  var isLong = false
  @Option(
    name: .customLong("dataset"),
    help: ArgumentHelp(
      "Add the run to the data set in this directory, which has one directory per run and a "
        + "catalogue, runs.parquet.", valueName: "dir"))
  var dataset: String?
  @Option(
    name: .customLong("row-group"),
    help: ArgumentHelp(
      "Rows in each row group: queries skip row groups that their filter rules out (default: "
        + "122880, more where these are small).", valueName: "rows"))
  var rows: Int?
  @Flag(
    name: .customLong("compatible"),
    help: "Use no compression, and only encodings that readers have had since Parquet 1.0.")
  var isCompatible = false

  /// Refuses options that `format` does not know, and a destination that is missing.
  func check(_ format: String, hasOutput: Bool) throws(LBError) {
    guard format == "parquet" else {
      let given = [
        (isLong, "--long"), (dataset != nil, "--dataset"), (rows != nil, "--row-group"),
        (isCompatible, "--compatible"),
      ]
      if let option = given.first(where: \.0)?.1 {
        throw LBError(.configuration, "\(option) needs --format parquet")
      }
      return
    }
    guard hasOutput || dataset != nil else {
      throw LBError(
        .configuration,
        "--format parquet writes files: name a new directory, or FILE.parquet, with --output, or a "
          + "data set with --dataset")
    }
    guard !hasOutput || dataset == nil else {
      throw LBError(.configuration, "--output and --dataset exclude each other: remove one")
    }
    guard rows.map({ $0 > 0 && $0 <= 1 << 30 }) ?? true else {
      throw LBError(.configuration, "--row-group \(rows ?? 0): expected 1 to \(1 << 30) rows")
    }
  }

  /// The options of an export.
  func exported(by creator: String) -> ParquetExport.Options {
    var options = ParquetExport.Options(creator: creator)
    options.isLong = isLong
    options.layout.isCompatible = isCompatible
    options.layout.isCompressed = !isCompatible
    if let rows {
      options.layout.groupRows = rows
      options.layout.pageRows = min(options.layout.pageRows, rows)
      options.layout.groupBytes = 0
    }
    return options
  }
}
