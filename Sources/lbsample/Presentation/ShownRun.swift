import Output
import RunAnalysis
import SampleModel

/// A run for programs: its result, what the rules find in it, and beside them what a recording has
/// and the journal.
struct ShownRun: Encodable {
  let result: RunResult
  let findings: RunFindings
  let recording: RecordingSummary?
  let journal: [JournalEntry]?

  /// A run with these findings, else with those of all its metrics.
  init(
    _ result: RunResult, findings: RunFindings? = nil, recording: RecordingSummary? = nil,
    journal: [JournalEntry]? = nil
  ) {
    self.result = result
    self.findings = findings ?? RunFindings(result)
    self.recording = recording
    self.journal = journal
  }

  private enum Key: CodingKey { case findings, findingsNotJudged, recording, journal }

  func encode(to encoder: any Encoder) throws {
    try result.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    if result.kind != "sample" {
      try container.encode(FindingDocument.all(findings), forKey: .findings)
      try container.encode(UnjudgedDocument.all(findings), forKey: .findingsNotJudged)
    }
    try container.encodeIfPresent(recording, forKey: .recording)
    try container.encodeIfPresent(journal, forKey: .journal)
  }
}
