/// Identifies an attempt within a run.
package struct AttemptID: Sendable, Hashable {
  package let phase: String
  /// The number of the repetition, from 1; warm-ups are numbered separately.
  package let repetition: Int
  package let warmUp: Bool
  /// The number of the attempt at the repetition, from 1.
  package let attempt: Int

  /// An attempt at a repetition of a phase.
  package init(phase: String, repetition: Int, warmUp: Bool, attempt: Int) {
    self.phase = phase
    self.repetition = repetition
    self.warmUp = warmUp
    self.attempt = attempt
  }
}

extension RunResult {
  /// The attempts of all brackets, in order of the brackets: phases may have taken turns. Empty for
  /// a recording.
  package func attemptsByBracket() -> [(UInt32, AttemptID)] {
    guard kind == "run" else { return [] }
    var attempts: [(UInt32, AttemptID)] = []
    for phase in phases {
      for repetition in phase.repetitions {
        for attempt in repetition.attempts {
          guard let bracket = attempt.bracket else { continue }
          attempts.append(
            (
              bracket,
              AttemptID(
                phase: phase.name, repetition: repetition.repetition, warmUp: repetition.warmUp,
                attempt: attempt.attempt)
            ))
        }
      }
    }
    return attempts.sorted { $0.0 < $1.0 }
  }
}
