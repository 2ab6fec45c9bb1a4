import RunAnalysis
import SampleModel

/// Adds repetitions until a metric is precise enough (`--until`).
extension RepetitionRunner {
  /// The progress of a phase.
  private struct State {
    /// The number of its repetitions.
    var count: Int
    let looks: [Int]
    var isReached = false
    /// Consecutive repetitions without the metric, since they failed or did not print it. After
    /// three no more are added.
    var without = 0

    func isOpen(upTo most: Int) -> Bool { !isReached && without < 3 && count < most }
  }

  /// Adds repetitions, one of each phase in turn, until all phases are as precise as requested.
  func refine(
    _ phases: [MeasuredPhase],
    _ execute: (ScheduledRepetition) throws(LBError) -> RepetitionEnd
  ) throws(LBError) -> PhaseEnd {
    var states = phases.map { phase in
      State(count: phase.specification.repetitions, looks: phase.specification.looks)
    }
    let phases = phases.map(session.withoutUnknownMetric)
    func measured(_ phase: MeasuredPhase, _ until: Precision) -> [Double] {
      RunSummary.values(of: until.metric, in: session.result.phases[phase.index])
    }
    func look(_ index: Int) {
      let (phase, state) = (phases[index], states[index])
      guard let until = phase.specification.until, state.looks.contains(state.count) else { return }
      let have = session.result.phases[phase.index].repetitions.count { !$0.warmUp }
      // An earlier session has evaluated the condition at this count and measured more since.
      guard have <= state.count else { return }
      states[index].isReached = until.isReached(
        by: measured(phase, until), looks: state.looks.count)
    }
    for index in phases.indices {
      look(index)
      if let until = phases[index].specification.until, measured(phases[index], until).isEmpty {
        states[index].without = states[index].count
      }
    }
    while true {
      let open = phases.indices.filter { index in
        phases[index].specification.until != nil
          && states[index].isOpen(upTo: phases[index].specification.maximumRepetitions)
      }
      if open.isEmpty { break }
      for index in open {
        guard let until = phases[index].specification.until else { continue }
        let known = measured(phases[index], until).count
        states[index].count += 1
        let next = ScheduledRepetition(
          phase: index, repetition: states[index].count, warmUp: false)
        switch try execute(next) {
        case .next: break
        case .stopped: return .over
        case .failed(let error): return .failed(error)
        }
        let isMissing = measured(phases[index], until).count == known
        states[index].without = isMissing ? states[index].without + 1 : 0
        look(index)
      }
    }
    for (index, phase) in phases.enumerated() {
      guard let until = phase.specification.until, !states[index].isReached else { continue }
      let reason =
        states[index].without > 0
        ? "; the last repetitions do not have the metric" : " (--max-repetitions)"
      session.result.warnings.append(
        "\(phase.node.name): --until was not reached for \(until.metric) after "
          + "\(Counted.text(states[index].count, "repetition"))\(reason)")
    }
    return .over
  }
}
