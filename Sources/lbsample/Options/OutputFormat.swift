import SampleModel

/// A format of samples: one list for the commands, their help and the settings.
struct OutputFormat {
  /// Where a format is written from.
  enum Source {
    /// A session, while it samples.
    case live
    /// A stored run.
    case stored
  }

  let name: String
  let sources: [Source]
  /// For the help.
  let summary: String

  static let all = [
    OutputFormat(name: "table", sources: [.live, .stored], summary: "table"),
    OutputFormat(name: "csv", sources: [.live, .stored], summary: "csv"),
    OutputFormat(name: "ndjson", sources: [.live, .stored], summary: "ndjson"),
    OutputFormat(
      name: "parquet", sources: [.stored],
      summary: "parquet: tables of raw values, for DuckDB and data frames"),
    OutputFormat(
      name: "perfetto", sources: [.stored],
      summary: "perfetto: a trace for ui.perfetto.dev"),
    OutputFormat(
      name: "openmetrics", sources: [.stored],
      summary: "openmetrics: all samples with their times, for promtool's backfill"),
    OutputFormat(
      name: "lb", sources: [.stored],
      summary: "lb: a directory in the layout of linux-benchmark-lib"),
  ]

  static func names(of source: Source) -> [String] {
    all.filter { $0.sources.contains(source) }.map(\.name)
  }

  /// The formats in words.
  static func help(of source: Source) -> String {
    let known = all.filter { $0.sources.contains(source) }
    let plain = known.filter { $0.summary == $0.name }.map(\.name)
    let others = known.filter { $0.summary != $0.name }.map(\.summary)
    return plain.joined(separator: ", ") + (others.isEmpty ? "." : "; ")
      + others.joined(separator: "; ") + (others.isEmpty ? "" : ".")
  }
}
