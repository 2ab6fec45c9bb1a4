import LinuxSystem
import Logging
import RunStore
import SampleModel

/// With what phases are measured, and those that an earlier run has measured with the same.
extension PhaseRunner {
  /// With what each of these phases, whose repetitions come in this order, is about to be measured.
  func provenances(of nodes: [PhaseNode], _ order: RunOrder) -> [PhaseProvenance] {
    var position = CellInspection.Position()
    if nodes.count > 1 {
      position.order = order
      position.mates = nodes.map(\.name)
    }
    position.setups = setups
    position.hasServers = !resources.isEmpty
    return nodes.map { inspection.provenance(of: $0, at: position, in: context.surroundings) }
  }

  /// Takes phases from the newest run that has measured all of them with the same; false where they
  /// are to be measured. Those that take turns are pairs: they come from one run, or from none.
  func take(
    _ nodes: [PhaseNode], _ provenances: [PhaseProvenance]
  ) throws(LBError) -> Bool {
    let ages = nodes.compactMap { $0.specification?.reuse }
    guard let stored, ages.count == nodes.count, let age = ages.min(),
      nodes.allSatisfy({ session.earlierPhase($0.name) == nil })
    else { return false }
    let keys = provenances.compactMap(\.key)
    guard keys.count == nodes.count else {
      for (node, provenance) in zip(nodes, provenances) {
        guard let reason = provenance.unknown else { continue }
        try context.journal.record(
          .notice, "phase.unknown", "\(node.name) is measured and not reused: \(reason)")
      }
      return false
    }
    let known = stored.problems.count
    let now = context.services.clock.realtime()
    let found = stored.find(keys, age: age, now: now)
    for problem in stored.problems.dropFirst(known) {
      let message = "--reuse could not use a stored run: \(problem)"
      session.result.warnings.append(message)
      try context.journal.record(.warning, "phase.unknown", message)
    }
    guard let found else {
      if let refusal = stored.refusal {
        let names = Counted.list(nodes.map(\.name))
        let message = "\(names): measured again: \(refusal)"
        try context.journal.record(.notice, "phase.unknown", message)
        progress(
          RunProgress(phase: nodes[0].name, attempt: nil, total: 0, activity: .taken(message)))
      }
      return false
    }
    for (phase, provenance) in zip(found.phases, provenances) {
      let phase = Self.taken(phase, provenance, from: found.run)
      let message =
        "\(phase.name): not measured again, its results are those of "
        + "\(phase.provenance?.takenFrom ?? found.run), measured "
        + "\(ReuseAge.brief(now - min(now, found.start))) ago (--reuse)"
      try session.take(phase)
      try context.journal.record(.notice, "phase.taken", message, status: .completed)
      progress(RunProgress(phase: phase.name, attempt: nil, total: 0, activity: .taken(message)))
    }
    return true
  }

  /// A stored phase as another run has it: its samples, outputs and accounts stay where they are.
  private static func taken(
    _ phase: PhaseResult, _ provenance: PhaseProvenance, from run: String
  ) -> PhaseResult {
    var taken = phase
    taken.provenance = provenance
    taken.provenance?.takenFrom = phase.provenance?.takenFrom ?? run
    taken.note = nil
    for index in taken.repetitions.indices {
      for number in taken.repetitions[index].attempts.indices {
        var attempt = taken.repetitions[index].attempts[number]
        attempt.bracket = nil
        attempt.ledger = Ledger()
        attempt.overhead = nil
        attempt.outputBytes = 0
        attempt.outputBytesKept = 0
        taken.repetitions[index].attempts[number] = attempt
      }
    }
    return taken
  }

  /// Begins a phase. If an earlier session began it with other settings or contents, the phase
  /// gets no key, since its repetitions are not comparable; changed contents cause a warning.
  func begin(_ node: PhaseNode, _ provenance: PhaseProvenance) throws(LBError) -> Int {
    var phase = node.unexecuted
    phase.provenance = provenance
    let before = session.earlierPhase(node.name).flatMap { session.result.phases[$0].provenance }
    let index = try session.begin(phase)
    guard let before, before.key != provenance.key else { return index }
    let now = provenance.files
    let changed = before.files.filter { old in
      now.contains { $0.path == old.path && $0.sha256 != old.sha256 } && old.sha256 != nil
    }
    let reason = "it was measured in sessions that differ"
    guard changed.isEmpty else {
      try lose("\(reason): \(Counted.list(changed.map(\.path))) changed", index, provenance)
      return index
    }
    var mixed = before
    mixed.key = nil
    mixed.unknown = reason
    try session.setProvenance(mixed, ofPhase: index)
    return index
  }

  /// Checks again the files that phases need, once their own `setup` has run: an input that is
  /// not there is an error.
  func checkInputs(
    of phases: [MeasuredPhase], _ order: RunOrder
  ) throws(LBError) -> LBError? {
    guard !isStopped else { return nil }
    let hasSetup = phases.contains { $0.specification.hooks[.setup] != nil }
    if hasSetup {
      for (phase, after) in zip(phases, provenances(of: phases.map(\.node), order)) {
        guard let before = session.result.phases[phase.index].provenance else { continue }
        guard before.executable != after.executable || before.inputs != after.inputs else {
          continue
        }
        var now = after
        now.key = nil
        now.unknown = "setup changed its executable or an input"
        try session.setProvenance(now, ofPhase: phase.index)
      }
    }
    for phase in phases {
      let files = session.result.phases[phase.index].provenance?.inputs ?? []
      // The error is reported where standard input is opened for the workload.
      for file in files.prefix(phase.specification.inputs.count) where file.sha256 == nil {
        return CellInspection.refusal(of: file.path, in: phase.node.name)
      }
    }
    return nil
  }

  /// Says which contents have changed while phases were measured.
  func noteChanges(of phases: [MeasuredPhase]) throws(LBError) {
    guard !isStopped else { return }
    for phase in phases {
      guard let provenance = session.result.phases[phase.index].provenance else { continue }
      let changed = inspection.changes(since: provenance)
      guard !changed.isEmpty else { continue }
      try lose("\(Counted.list(changed)) changed while it was measured", phase.index, provenance)
    }
  }

  /// Leaves a phase without a key: it was not measured with one thing.
  private func lose(
    _ reason: String, _ index: Int, _ found: PhaseProvenance
  ) throws(LBError) {
    var provenance = found
    provenance.key = nil
    provenance.unknown = reason
    try session.setProvenance(provenance, ofPhase: index)
    let message = "\(session.result.phases[index].name): \(reason)"
    session.result.warnings.append(message)
    try context.journal.record(.warning, "phase.changed", message)
  }
}

extension RunSession {
  /// Adds a phase that an earlier run has measured, whole.
  func take(_ phase: PhaseResult) throws(LBError) {
    advance(&result.status, to: .running)
    phaseRows.append(try store?.addTaken(phase) ?? 0)
    result.phases.append(phase)
  }

  /// Records anew with what a phase is measured.
  func setProvenance(
    _ provenance: PhaseProvenance, ofPhase index: Int
  ) throws(LBError) {
    result.phases[index].provenance = provenance
    if phaseRows[index] != 0 { try store?.setProvenance(phaseRows[index], provenance) }
  }
}
