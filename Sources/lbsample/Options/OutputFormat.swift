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

  /// What a format carries beside the samples' values, or needs.
  enum Trait {
    /// Cumulative values, which `--raw` chooses.
    case raw
    /// Cumulative values alone.
    case rawOnly
    /// It is a file, or a directory of files: `--output` names it.
    case named
  }

  let name: String
  let sources: [Source]
  let traits: [Trait]
  /// For the help.
  let summary: String

  static let all = [
    OutputFormat(name: "table", sources: [.live, .stored], traits: [], summary: "table"),
    OutputFormat(name: "csv", sources: [.live, .stored], traits: [.raw], summary: "csv"),
    OutputFormat(name: "ndjson", sources: [.live, .stored], traits: [.raw], summary: "ndjson"),
    OutputFormat(
      name: "parquet", sources: [.stored], traits: [.rawOnly, .named],
      summary: "parquet: tables of raw values, for DuckDB and data frames"),
    OutputFormat(
      name: "lb", sources: [.stored], traits: [.named],
      summary: "lb: a directory in the layout of linux-benchmark-lib"),
  ]

  static func named(_ name: String) -> OutputFormat? { all.first { $0.name == name } }

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
