package import Output
package import RunAnalysis
package import SampleModel

/// One run of a page, with all that the page says of it.
package struct ReportedRun: Sendable {
  /// What its reader calls it.
  package let name: String
  package let result: RunResult
  package let findings: RunFindings
  package let digest: DigestDefinition
  /// nil where nothing was sampled.
  package let series: RunSeries?
  /// Why there are no series, or not all of them.
  package let lacks: [String]
  /// Of a recording.
  package let recorded: (digest: RecordingDigest, processes: [[RecordingDigest.Process]])?
  package let journal: [JournalEntry]

  /// A run for a page.
  package init(
    name: String, result: RunResult, findings: RunFindings, digest: DigestDefinition,
    series: RunSeries?, lacks: [String] = [],
    recorded: (digest: RecordingDigest, processes: [[RecordingDigest.Process]])? = nil,
    journal: [JournalEntry] = []
  ) {
    self.name = name
    self.result = result
    self.findings = findings
    self.digest = digest
    self.series = series
    self.lacks = lacks
    self.recorded = recorded
    self.journal = journal
  }

  /// Every attempt of the run with its place.
  var attempts: [(phase: PhaseResult, repetition: RepetitionResult, attempt: AttemptResult)] {
    result.phases.flatMap { phase in
      phase.repetitions.flatMap { repetition in
        repetition.attempts.map { (phase, repetition, $0) }
      }
    }
  }
}

extension RepetitionResult {
  /// `3`, or `warm-up 1`.
  var title: String { warmUp ? "warm-up \(repetition)" : "\(repetition)" }
}
