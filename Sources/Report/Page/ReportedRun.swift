package import Output
package import RunAnalysis
package import SampleModel

/// A run with everything that a page shows of it.
package struct ReportedRun: Sendable {
  /// The run as the command line names it.
  package let name: String
  /// Identifies the run among several, as in `A` or `B2`; empty for a letter by its position.
  package let letter: String
  package let result: RunResult
  package let findings: RunFindings
  package let digest: DigestDefinition
  /// nil if nothing was sampled.
  package let series: RunSeries?
  /// Reasons why series, or parts of them, are missing.
  package let lacks: [String]
  /// The digest of a recording, with the processes of its busy stretches; nil for a run.
  package let recorded: (digest: RecordingDigest, processes: [[RecordingDigest.Process]])?
  package let journal: [JournalEntry]

  /// A run to show.
  package init(
    name: String, letter: String = "", result: RunResult, findings: RunFindings,
    digest: DigestDefinition,
    series: RunSeries?, lacks: [String] = [],
    recorded: (digest: RecordingDigest, processes: [[RecordingDigest.Process]])? = nil,
    journal: [JournalEntry] = []
  ) {
    self.name = name
    self.letter = letter
    self.result = result
    self.findings = findings
    self.digest = digest
    self.series = series
    self.lacks = lacks
    self.recorded = recorded
    self.journal = journal
  }

  /// A name for command lines that keeps its meaning, unlike `last` and labels.
  var command: String {
    name.contains("/") || name.hasSuffix(".lbsample") ? name : result.runID
  }

  /// Every attempt of the run, with its phase and repetition.
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
