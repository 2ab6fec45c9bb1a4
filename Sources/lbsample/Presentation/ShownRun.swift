import Output
import RunAnalysis
import SampleModel

/// A run for programs: its result, what the rules find in it, and beside them what a recording has
/// and the journal.
///
/// docs/reference/run-json.md describes every key.
struct ShownRun: Encodable {
  /// Goes up when a key goes or changes its meaning.
  private static let schema = 1

  let result: RunResult
  let findings: RunFindings
  /// The digest's rows of a run; those of a recording are in `recorded`. nil where it is not shown.
  let digest: [DigestDocument.Row]?
  let recorded: RecordingReport?
  let recording: RecordingSummary?
  let journal: [JournalEntry]?

  /// A run with these findings, else with those of all its metrics.
  init(
    _ result: RunResult, findings: RunFindings? = nil, digest: [DigestDocument.Row]? = nil,
    recorded: RecordingReport? = nil, recording: RecordingSummary? = nil,
    journal: [JournalEntry]? = nil
  ) {
    self.digest = digest
    self.recorded = recorded
    self.result = result
    self.findings = findings ?? RunFindings(result)
    self.recording = recording
    self.journal = journal
  }

  private enum Key: CodingKey {
    case schema, findings, findingsNotJudged, digest, busy, recording, journal
  }

  func encode(to encoder: any Encoder) throws {
    try result.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(Self.schema, forKey: .schema)
    if result.kind != "sample" {
      try container.encode(FindingDocument.all(findings), forKey: .findings)
      try container.encode(UnjudgedDocument.all(findings), forKey: .findingsNotJudged)
    }
    if let recorded {
      try container.encode(DigestDocument.rows(recorded.digest), forKey: .digest)
      try container.encode(
        DigestDocument.stretches(recorded.digest, processes: recorded.processes), forKey: .busy)
    } else {
      try container.encodeIfPresent(digest, forKey: .digest)
    }
    try container.encodeIfPresent(recording, forKey: .recording)
    try container.encodeIfPresent(journal, forKey: .journal)
  }
}
