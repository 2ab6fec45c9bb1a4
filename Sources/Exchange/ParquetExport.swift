import LinuxSystem
package import RunStore
package import SampleModel

/// `export --format parquet`: a run as tables, each in a file.
package struct ParquetExport {
  /// What may be chosen of the files.
  package struct Options: Sendable {
    /// Columns up to which a collector has a wide table.
    package static let widest = 500

    /// All samples in long form.
    package var isLong = false
    package var layout = ParquetLayout()
    /// `lbsample 0.2.0`.
    package var creator: String

    /// The usual files, by a program of this name and version.
    package init(creator: String) { self.creator = creator }
  }

  /// What was written.
  package struct Summary: Sendable, Equatable {
    package var tables = 0
    package var samples = TableCount()
    package var isCompressed = true
  }

  private let reader: RunReader
  private let replay: ColumnarReplay
  private let result: RunResult
  private let options: Options
  private let version: String
  private let collectors: [(name: String, streams: [UInt16])]

  /// An export of the selected part of a run.
  package init(
    _ reader: RunReader, selection: RunReplay.Selection, options: Options
  ) throws(LBError) {
    self.reader = reader
    self.options = options
    replay = try ColumnarReplay(reader, selection: selection)
    result = try reader.result([.metrics, .accounts])
    version = try reader.version()
    var collectors: [(name: String, streams: [UInt16])] = []
    for stream in replay.streams {
      let layouts = replay.layouts(of: stream.stream)
      guard layouts.contains(where: { !$0.choosing(selection.passes).shown.isEmpty }) else {
        continue
      }
      if let known = collectors.firstIndex(where: { $0.name == stream.collector }) {
        collectors[known].streams.append(stream.stream)
      } else {
        collectors.append((stream.collector, [stream.stream]))
      }
    }
    self.collectors = collectors
  }

  /// The row of the run.
  package var row: RunRow { RunRow(result, version: version) }

  private func context(namesRun: Bool) -> ExportedRun {
    ExportedRun(result, replay, namesRun: namesRun)
  }

  private func table(
    _ facts: [(name: String, value: String)] = [],
    _ draft: @escaping () throws(LBError) -> DraftFile
  ) -> TableFile {
    TableFile(
      draft: draft, creator: options.creator,
      facts: [
        ("lbsample.run", result.runID), ("lbsample.recorded_by", version),
        ("lbsample.values", "raw: cumulative values and levels in base units"),
        ("lbsample.clock", "time is CLOCK_REALTIME; elapsed_ns follows CLOCK_MONOTONIC"),
      ].map { (name: $0, value: OSText.written($1)) } + facts,
      layout: options.layout)
  }

  private func isLong(_ collector: (name: String, streams: [UInt16])) -> Bool {
    if options.isLong { return true }
    let columns = ValueColumns(
      collector.streams.flatMap(replay.layouts), passes: replay.passes)
    return columns.shown.count > Options.widest
  }

  /// Writes one table of samples: those of the only collector, or in long form of all.
  package func write(file path: String) throws(LBError) -> Summary {
    guard collectors.count == 1 || options.isLong else {
      throw LBError(
        .configuration,
        collectors.isEmpty
          ? "no sample of this run is selected"
          : "\(path): a file has the samples of one collector, and the run has "
            + "\(collectors.map(\.name).joined(separator: ", ")): choose by --metric 'cpu.*', or "
            + "add --long, or name a directory")
    }
    var summary = Summary()
    summary.isCompressed = ZstdLibrary.isAvailable
    let file = table { () throws(LBError) in try DraftFile(path) }
    summary.samples = try samples(collectors, file, context(namesRun: true))
    summary.tables = 1
    return summary
  }

  private func samples(
    _ collectors: [(name: String, streams: [UInt16])], _ file: TableFile, _ context: ExportedRun
  ) throws(LBError) -> TableCount {
    if let only = collectors.first, collectors.count == 1, !isLong(only) {
      return try WideTable(
        replay: replay, context: context, collector: only.name, streams: only.streams, file: file
      ).write()
    }
    return try LongTable(
      replay: replay, context: context, collectors: collectors, file: file
    ).write()
  }

  /// Writes all tables into a new directory, or one that is empty.
  package func write(directory path: String) throws(LBError) -> Summary {
    let folder = try DraftFolder(path)
    let summary = try write(into: folder, namesRun: true)
    try folder.finish()
    return summary
  }

  /// Adds the run to a data set, and to its catalogue; returns when both are on the disk.
  package func add(toDataset path: String) throws(LBError) -> Summary {
    let dataset = try Dataset(path)
    let summary = try dataset.add(row) { folder throws(LBError) in
      try write(into: folder, namesRun: false)
    }
    _ = try dataset.writeCatalogue(by: options.creator)
    return summary
  }

  /// Writes all tables into a draft.
  private func write(into folder: DraftFolder, namesRun: Bool) throws(LBError) -> Summary {
    let context = context(namesRun: namesRun)
    var summary = Summary()
    summary.isCompressed = ZstdLibrary.isAvailable
    var names = Set<String>()
    func file(_ name: String) -> TableFile {
      // Two names of collectors may differ only in characters that file names do not have.
      var free = name
      var number = 2
      while !names.insert(free).inserted {
        free = "\(name)-\(number)"
        number += 1
      }
      let path = "\(free).parquet"
      summary.tables += 1
      return table { () throws(LBError) in try folder.file(path) }
    }
    for collector in collectors {
      let name = "samples-" + Self.component(collector.name)
      let long = isLong(collector) ? ".long" : ""
      summary.samples.add(try samples([collector], file(name + long), context))
    }
    var kinds: [String] = []
    for schema in replay.schemas where !kinds.contains(schema.name) { kinds.append(schema.name) }
    for kind in kinds {
      _ = try RecordTable(
        replay: replay, context: context, kind: kind, file: file("records-" + Self.component(kind))
      ).write()
    }
    let tables = ResultTables(
      result: result, context: context, units: try reader.metricUnits())
    _ = try tables.writeRepetitions(file("repetitions"))
    _ = try tables.writeMetrics(file("metrics"), passes: replay.passes)
    _ = try tables.writeEvents(file("events"), try reader.journal(run: result.runID))
    let run = try CellTable(file("run"), RunRow.columns)
    try run.append(row.cells)
    try run.finish()
    return summary
  }

  /// A name as a part of a file's name: letters, digits, `.`, `_` and `-`.
  static func component(_ text: String) -> String {
    String(
      decoding: text.utf8.prefix(100).map { byte in
        (byte | 0x20) &- 97 < 26 || byte &- 48 < 10 || [45, 46, 95].contains(byte) ? byte : 95
      }, as: UTF8.self)
  }
}
