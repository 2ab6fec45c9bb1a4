/// Which repetition a bracket is, for the streams of a run.
package struct BracketLabel: Sendable, Hashable {
  package let phase: String
  package let repetition: Int
  package let warmUp: Bool
  package let attempt: Int

  /// The label of one attempt.
  package init(phase: String, repetition: Int, warmUp: Bool, attempt: Int) {
    self.phase = phase
    self.repetition = repetition
    self.warmUp = warmUp
    self.attempt = attempt
  }
}

extension RunResult {
  /// The labels of all attempts with a bracket, in order of the brackets: phases may have taken
  /// turns. Empty for a recording.
  package func bracketLabels() -> [(UInt32, BracketLabel)] {
    guard kind == "run" else { return [] }
    var labels: [(UInt32, BracketLabel)] = []
    for phase in phases {
      for repetition in phase.repetitions {
        for attempt in repetition.attempts {
          guard let bracket = attempt.bracket else { continue }
          labels.append(
            (
              bracket,
              BracketLabel(
                phase: phase.name, repetition: repetition.repetition, warmUp: repetition.warmUp,
                attempt: attempt.attempt)
            ))
        }
      }
    }
    return labels.sorted { $0.0 < $1.0 }
  }
}
