import RunAnalysis
import SampleModel

/// Repetitions that are added until they are precise enough.
extension RepetitionRunner {
  /// Where a phase stands.
  private struct State {
    /// Its repetitions.
    var count: Int
    let looks: [Int]
    var isReached = false
    /// Repetitions in a row that have not the metric, since they failed or did not print it: of
    /// three it is not measured any more.
    var without = 0

    func isOpen(upTo most: Int) -> Bool { !isReached && without < 3 && count < most }
  }

  /// Adds repetitions, one of each phase in turn, until all are as precise as was asked for.
  func refine(
    _ phases: [MeasuredPhase],
    _ execute: (ScheduledRepetition) throws(LBError) -> (goOn: Bool, fatal: LBError?)
  ) throws(LBError) -> LBError? {
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
      // An earlier session has looked here, and more has been measured since.
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
        let (goOn, fatal) = try execute(
          ScheduledRepetition(phase: index, repetition: states[index].count, warmUp: false))
        guard goOn, fatal == nil else { return fatal }
        let isMissing = measured(phases[index], until).count == known
        states[index].without = isMissing ? states[index].without + 1 : 0
        look(index)
      }
    }
    for (index, phase) in phases.enumerated() {
      guard let until = phase.specification.until, !states[index].isReached else { continue }
      let reason =
        states[index].without > 0 ? "; the last of them do not have it" : " (--max-repetitions)"
      session.result.warnings.append(
        "\(phase.node.name): --until was not reached for \(until.metric) after "
          + "\(Counted.text(states[index].count, "repetition"))\(reason)")
    }
    return nil
  }
}
