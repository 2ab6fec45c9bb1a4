import SampleModel

/// Writes what happened besides the samples: slices and instants above the counters.
struct TimelineWriter {
  let writer: TraceWriter
  let clock: TraceClock
  let timeline: RunTimeline
  /// The names of the collectors by stream.
  let collectors: [UInt16: String]

  /// Phases with their repetitions, and the contamination that arrows from these lead to.
  func writePhases(_ tracks: inout TraceTracks) throws(LBError) {
    let phases = try tracks.add(
      TraceTrack(
        name: "phases and repetitions",
        description: "each repetition from its opening to its closing sample, below its phase"),
      below: tracks.host, on: writer)
    let contamination = try tracks.add(
      TraceTrack(
        name: "contamination", description: "what a gate found that disturbed a repetition"),
      below: tracks.host, on: writer)
    for phase in timeline.phases {
      guard let first = phase.attempts.first, let last = phase.attempts.last else { continue }
      try writer.begin(phases, at: clock.boottime(first.start), phase.name)
      for attempt in phase.attempts {
        let arrows = attempt.result.contamination.map { _ in writer.flow() }
        try writer.begin(
          phases, at: clock.boottime(attempt.start), attempt.name, attempt.notes, flows: arrows)
        let end = clock.boottime(attempt.end)
        try writer.end(phases, at: end)
        for (cause, arrow) in zip(attempt.result.contamination, arrows) {
          try writer.instant(
            contamination, at: end, "contaminated",
            [TraceNote("repetition", attempt.name), TraceNote("cause", cause)], ending: arrow)
        }
      }
      try writer.end(phases, at: clock.boottime(last.end))
    }
  }

  /// The journal.
  func writeEvents(_ tracks: inout TraceTracks, remark: String?) throws(LBError) {
    let events = try tracks.add(
      TraceTrack(name: "events", description: "the journal of the run"), below: tracks.host,
      on: writer)
    if let remark {
      let start = timeline.attempts.first?.start ?? timeline.events.first?.time ?? 0
      try writer.instant(
        events, at: clock.boottime(start), "trace", [TraceNote("message", remark)],
        category: "warning")
    }
    for event in timeline.events {
      let entry = event.entry
      var notes = [TraceNote("message", entry.message)]
      if let phase = entry.phase { notes.append(TraceNote("phase", phase)) }
      notes += [
        TraceNote(signed: "repetition", entry.repetition),
        TraceNote(signed: "attempt", entry.attempt),
      ].compactMap { $0 }
      if let status = entry.status { notes.append(TraceNote("status", status.rawValue)) }
      if let error = entry.error { notes.append(TraceNote("error", "\(error)")) }
      try writer.instant(
        events, at: clock.boottime(event.time), entry.kind, notes, category: entry.level)
    }
  }

  /// The account of each repetition, and below it where each collector lacks frames or values.
  func writeLedger(_ tracks: inout TraceTracks, _ gaps: [TraceGap]) throws(LBError) {
    let ledger = try tracks.add(
      TraceTrack(
        name: "ledger",
        description: "the account of deadlines and frames; below it what a collector lacks",
        childOrder: .byRank), below: tracks.host, on: writer)
    for attempt in timeline.attempts {
      try writer.begin(
        ledger, at: clock.boottime(attempt.start), "ledger of \(attempt.name)", attempt.ledger)
      try writer.end(ledger, at: clock.boottime(attempt.end))
    }
    var lanes: [String: UInt64] = [:]
    var last: [UInt64: UInt64] = [:]
    for gap in gaps {
      let collector = collectors[gap.stream] ?? "stream \(gap.stream)"
      let isDeadlines = gap.cause == .deadlines
      let name = "\(collector): \(isDeadlines ? "deadlines" : "readings") without values"
      let track: UInt64
      if let known = lanes[name] {
        track = known
      } else {
        track = try tracks.add(TraceTrack(name: name), below: ledger, on: writer)
        lanes[name] = track
      }
      // In order, whatever a damaged file says.
      let start = max(clock.boottime(gap.start), last[track] ?? 0)
      let end = max(clock.boottime(gap.end), start)
      last[track] = end
      try writer.begin(track, at: start, gap.title, gap.notes)
      try writer.end(track, at: end)
    }
  }

  /// The processes of the workload's tree.
  func writeProcesses(
    _ tracks: inout TraceTracks, _ lives: [(life: ProcessLife, lane: Int)]
  ) throws(LBError) {
    guard !lives.isEmpty else { return }
    let group = try tracks.add(
      TraceTrack(
        name: "processes", description: "the processes of the workload's tree",
        childOrder: .byRank),
      below: tracks.host, on: writer)
    var lanes: [UInt64] = []
    for (life, lane) in lives {
      while lanes.count <= lane {
        // Of one name, which makes them the rows of one track.
        lanes.append(
          try tracks.add(
            TraceTrack(
              name: "lives of processes", description: "each from when it was first seen",
              merging: .byName), below: group, on: writer))
      }
      try writer.begin(lanes[lane], at: clock.boottime(life.start), life.name, life.notes)
      try writer.end(lanes[lane], at: clock.boottime(life.end))
    }
  }
}

extension TraceGap {
  fileprivate var title: String {
    switch cause {
    case .deadlines: Counted.text(count, "deadline") + " without a sample"
    case .outcome(let outcome): "no values: \(outcome.word)"
    }
  }

  fileprivate var notes: [TraceNote] {
    switch cause {
    case .deadlines:
      [
        TraceNote("deadlines", .number(count)),
        TraceNote("cause", "skipped by the sampling thread, or dropped since its ring was full"),
      ]
    case .outcome(let outcome):
      [TraceNote("readings", .number(count)), TraceNote("cause", outcome.phrase)]
    }
  }
}

extension ProcessLife {
  fileprivate var notes: [TraceNote] {
    [
      TraceNote("pid", pid), TraceNote("ppid", parent), TraceNote("cpu_time_ns", cpuTime),
      TraceNote("exit_code", exitCode),
    ].compactMap { $0 } + [TraceNote("has_ended", .flag(hasEnded))]
  }
}
