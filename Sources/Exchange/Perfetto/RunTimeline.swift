import RunStore
import SampleModel

/// What happened in a run besides its samples: phases, repetitions, events, contamination, ledger.
struct RunTimeline {
  /// One execution of a workload, or a whole recording.
  struct Attempt {
    let id: AttemptID?
    let result: AttemptResult
    /// The attempt that its repetition's result is of.
    let stands: Bool
    /// On the run's time line.
    var start: UInt64
    var end: UInt64
  }

  /// An entry of the journal on the run's time line.
  struct Event {
    let time: UInt64
    let entry: JournalEntry
  }

  /// In order of time, without overlap.
  let attempts: [Attempt]
  let events: [Event]

  /// The selected part of a run.
  init(
    _ reader: RunReader, _ result: RunResult, _ anchors: [ClockAnchor],
    _ selection: RunReplay.Selection
  ) throws(LBError) {
    var sampled: [UInt32: (UInt64, UInt64)] = [:]
    for stretch in try reader.sampledStretches() {
      let known = sampled[stretch.bracket] ?? (stretch.start, stretch.end)
      sampled[stretch.bracket] = (min(known.0, stretch.start), max(known.1, stretch.end))
    }
    let isRun = result.kind == "run"
    let clock = JournalClock(anchors)
    var attempts: [Attempt] = []
    for phase in result.phases {
      for repetition in phase.repetitions {
        let standing = repetition.standing?.attempt
        for attempt in repetition.attempts {
          guard let (start, end) = Self.extent(attempt, isRun, sampled, clock) else { continue }
          let id = AttemptID(
            phase: phase.name, repetition: repetition.repetition, warmUp: repetition.warmUp,
            attempt: attempt.attempt)
          attempts.append(
            Attempt(
              id: isRun ? id : nil, result: attempt, stands: attempt.attempt == standing,
              start: start, end: end))
        }
      }
    }
    let (from, to) = (selection.from ?? 0, selection.to ?? .max)
    attempts = attempts.filter { attempt in
      attempt.start <= to && attempt.end >= from
        && selection.brackets.map { all in attempt.result.bracket.map(all.contains) ?? false }
          ?? true
    }.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
    // One after another by construction; a damaged file may say otherwise.
    var last: UInt64 = 0
    for index in attempts.indices {
      attempts[index].start = max(attempts[index].start, last)
      attempts[index].end = max(attempts[index].end, attempts[index].start)
      last = attempts[index].end
    }
    self.attempts = attempts
    var entries = clock
    events = try reader.journal(run: result.runID).map { entry in
      Event(time: entries.time(of: entry), entry: entry)
    }.filter { event in
      guard event.time >= from, event.time <= to else { return false }
      return selection.brackets == nil || Self.isWithin(event.time, attempts)
    }
  }

  /// Whether a time lies within one of these, which are in order.
  private static func isWithin(_ time: UInt64, _ attempts: [Attempt]) -> Bool {
    var (low, high) = (0, attempts.count)
    while low < high {
      let middle = (low + high) / 2
      if attempts[middle].end < time { low = middle + 1 } else { high = middle }
    }
    return low < attempts.count && attempts[low].start <= time
  }

  /// The time of an attempt: that of its samples, or by its date where it has none.
  private static func extent(
    _ attempt: AttemptResult, _ isRun: Bool, _ sampled: [UInt32: (UInt64, UInt64)],
    _ clock: JournalClock
  ) -> (UInt64, UInt64)? {
    if !isRun {
      let all = Array(sampled.values)
      guard let start = all.map(\.0).min(), let end = all.map(\.1).max() else { return nil }
      return (start, end)
    }
    if let found = attempt.bracket.flatMap({ sampled[$0] }) { return found }
    guard attempt.startUnixNanoseconds > 0 else { return nil }
    var clock = clock
    let start = clock.time(of: attempt.startUnixNanoseconds)
    let length = max(attempt.bracketNanoseconds, attempt.wallNanoseconds ?? 0)
    return (start, start.addingReportingOverflow(length).overflow ? start : start + length)
  }

  /// Stretches of attempts of the same phase: phases may take turns.
  var phases: [(name: String, attempts: [Attempt])] {
    var phases: [(name: String, attempts: [Attempt])] = []
    for attempt in attempts {
      let name = attempt.id?.phase ?? "recording"
      if let last = phases.indices.last, phases[last].name == name {
        phases[last].attempts.append(attempt)
      } else {
        phases.append((name, [attempt]))
      }
    }
    return phases
  }
}

extension RunTimeline.Attempt {
  var name: String { id?.shortName ?? "samples" }

  /// What a reader asks first about it.
  var notes: [TraceNote] {
    var notes = [TraceNote("status", result.status.rawValue)]
    if let id {
      notes += [TraceNote("phase", id.phase), TraceNote("stands", .flag(stands))]
      notes += [TraceNote("warm_up", .flag(id.warmUp))]
    }
    notes += [
      TraceNote(signed: "exit_code", result.exitCode), TraceNote(signed: "signal", result.signal),
      TraceNote("wall_ns", result.wallNanoseconds), TraceNote("user_ns", result.userNanoseconds),
      TraceNote("system_ns", result.systemNanoseconds),
      TraceNote("peak_resident_bytes", result.peakResidentBytes),
    ].compactMap { $0 }
    if let error = result.error { notes.append(TraceNote("error", "\(error)")) }
    return notes
  }

  /// The account of its deadlines and frames.
  var ledger: [TraceNote] {
    let (ticks, ring) = (result.ledger.ticks, result.ledger.ring)
    return [
      ("deadlines", ticks.deadlines), ("on_time", ticks.onTime), ("late", ticks.late),
      ("skipped", ticks.skipped), ("lateness_max_ns", ticks.latenessMaximum),
      ("frames_pushed", ring.pushed), ("frames_drained", ring.drained),
      ("frames_dropped", ring.dropped), ("gaps", result.ledger.gaps),
    ].map { TraceNote($0.0, .number($0.1)) }
      + [TraceNote("own_cpu_ns", result.overhead?.processNanoseconds)].compactMap { $0 }
  }
}
