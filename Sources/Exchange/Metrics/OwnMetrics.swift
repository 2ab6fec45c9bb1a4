package import SampleModel

/// What lbsample says of itself beside the collectors' values: the ledger, gaps, the state of each
/// collector, its own cost.
package struct OwnMetrics: Sendable {
  /// Facts from outside of the board, as of the last pass of the drain.
  package struct Facts: Sendable {
    /// The account of the sampling threads since sampling began.
    package var ledger = Ledger()
    /// CPU time of the sampling threads, of other named threads, and of the whole process, in
    /// nanoseconds.
    package var threads: [(name: String, nanoseconds: UInt64)] = []
    package var process: UInt64 = 0
    /// Resident bytes of the process, nil where they cannot be read.
    package var resident: UInt64?
    /// Requests that were answered, by status, and connections that were closed without an answer.
    package var answers: [(status: Int, count: UInt64)] = []
    package var abandoned: UInt64 = 0
    /// Whether there is an endpoint.
    package var isServed = false

    /// No facts.
    package init() {}
  }

  private struct Row {
    var labels: [(name: String, value: String)]
    var value: ExposedValue
  }

  private let version: String

  /// The metrics of a program of this version.
  package init(version: String) { self.version = version }

  /// Writes them all; `now` is CLOCK_MONOTONIC.
  package func write(
    _ board: MetricBoard, _ facts: Facts, to writer: inout ExpositionWriter, at now: UInt64
  ) {
    collectors(board, &writer, now)
    ledger(facts.ledger, &writer)
    cost(board, facts, &writer)
    func gauge(_ name: String, _ help: String, _ rows: [Row]) {
      Self.write(.gauge, name, nil, help, rows, &writer)
    }
    gauge(
      "lbsample_build_info", "the version of lbsample that samples; always 1",
      [Row(labels: [("version", version)], value: .integer(1))])
    let events = board.events.sorted { $0.key.rawValue < $1.key.rawValue }.map {
      Row(labels: [("kind", $0.key.rawValue)], value: .integer($0.value))
    }
    Self.write(
      .counter, "lbsample_events", nil,
      "events of sampling: changes of columns, gaps, steps of the clock", events, &writer)
    guard facts.isServed else { return }
    let answers = facts.answers.map {
      Row(labels: [("status", "\($0.status)")], value: .integer($0.count))
    }
    Self.write(
      .counter, "lbsample_http_answers", nil, "requests that were answered, by status", answers,
      &writer)
    Self.write(
      .counter, "lbsample_http_connections_abandoned", nil,
      "connections that were closed without a whole answer: by the client, at a limit of time, "
        + "or in favour of a newer one", [Row(labels: [], value: .integer(facts.abandoned))],
      &writer)
  }

  private static func write(
    _ kind: MetricFamily.Kind, _ name: String, _ unit: String?, _ help: String, _ rows: [Row],
    _ writer: inout ExpositionWriter
  ) {
    guard !rows.isEmpty else { return }
    writer.begin(MetricFamily(name, kind, unit: unit, help: help))
    for row in rows { writer.sample(ExpositionWriter.labels(row.labels), row.value) }
  }

  private func collectors(_ board: MetricBoard, _ writer: inout ExpositionWriter, _ now: UInt64) {
    let streams = board.streams.indices.filter { !board.streams[$0].collector.isEmpty }
    func rows(_ value: (Int) -> ExposedValue?) -> [Row] {
      streams.compactMap { number in
        value(number).map {
          Row(labels: [("collector", board.streams[number].collector)], value: $0)
        }
      }
    }
    let up = rows { .integer(board.isCurrent($0, at: now) ? 1 : 0) }
    let missing = board.unavailable.map {
      Row(labels: [("collector", $0.collector)], value: .integer(0))
    }
    Self.write(
      .gauge, "lbsample_collector_up", nil,
      "1 where the collector's last acquisition has values, 0 where it has none", up + missing,
      &writer)
    Self.write(
      .gauge, "lbsample_collector_unavailable", nil,
      "a requested collector that is not available, with the reason; always 1",
      board.unavailable.map {
        Row(
          labels: [("collector", $0.collector), ("reason", $0.reason)], value: .integer(1))
      }, &writer)
    Self.write(
      .gauge, "lbsample_collector_interval_seconds", "seconds",
      "the configured time between two acquisitions",
      rows { .nanoseconds(board.streams[$0].interval) }, &writer)
    Self.write(
      .gauge, "lbsample_collector_last_read_timestamp_seconds", "seconds",
      "Unix time of the start of the last acquisition with values",
      rows { board.streams[$0].readTime.map { .nanoseconds($0) } }, &writer)
    Self.write(
      .counter, "lbsample_collector_acquisitions", nil, "acquisitions that were delivered",
      rows { .integer(board.streams[$0].acquisitions) }, &writer)
    Self.write(
      .counter, "lbsample_collector_acquisition_seconds", "seconds",
      "time from the start to the end of acquisitions",
      rows { .nanoseconds(board.streams[$0].readingTime) }, &writer)
    let gaps = streams.flatMap { number in
      AcquisitionOutcome.allCases.filter { $0 != .complete }.map { outcome in
        Row(
          labels: [
            ("collector", board.streams[number].collector), ("cause", outcome.word),
          ], value: .integer(board.streams[number].gaps[outcome] ?? 0))
      }
    }
    Self.write(
      .counter, "lbsample_collector_gaps", nil, "acquisitions without values, by cause", gaps,
      &writer)
    let falls: [(String, (CounterCounts) -> UInt64)] = [
      ("wrap", { $0.wraps }), ("reset", { $0.resets }), ("step_back", { $0.stepsBack }),
    ]
    let fallen = streams.flatMap { number in
      falls.compactMap { kind, count in
        board.streams[number].totals.map {
          Row(
            labels: [("collector", board.streams[number].collector), ("kind", kind)],
            value: .integer(count($0.account.counts)))
        }
      }
    }
    Self.write(
      .counter, "lbsample_collector_falls", nil,
      "counters that fell: at the end of their range, anew from zero, or for one reading", fallen,
      &writer)
  }

  private func ledger(_ ledger: Ledger, _ writer: inout ExpositionWriter) {
    let outcomes: [(String, (TickLedger) -> UInt64)] = [
      ("on_time", { $0.onTime }), ("late", { $0.late }), ("skipped", { $0.skipped }),
    ]
    let deadlines = ledger.threads.flatMap { thread in
      outcomes.map { outcome, count in
        Row(
          labels: [("thread", "\(thread.thread)"), ("outcome", outcome)],
          value: .integer(count(thread.ticks)))
      }
    }
    Self.write(
      .counter, "lbsample_deadlines", nil,
      "deadlines of each sampling thread, by whether their samples were taken in time", deadlines,
      &writer)
    func rows(_ value: (ThreadLedger) -> ExposedValue) -> [Row] {
      ledger.threads.map { Row(labels: [("thread", "\($0.thread)")], value: value($0)) }
    }
    Self.write(
      .gauge, "lbsample_deadline_lateness_max_seconds", "seconds",
      "the longest time from a deadline to its sample",
      rows { .nanoseconds($0.ticks.latenessMaximum) }, &writer)
    Self.write(
      .counter, "lbsample_ring_frames_pushed", nil, "frames offered to the ring",
      rows { .integer($0.ring.pushed) }, &writer)
    Self.write(
      .counter, "lbsample_ring_frames_dropped", nil, "frames lost since the ring was full",
      rows { .integer($0.ring.dropped) }, &writer)
  }

  private func cost(
    _ board: MetricBoard, _ facts: Facts, _ writer: inout ExpositionWriter
  ) {
    Self.write(
      .counter, "lbsample_thread_cpu_seconds", "seconds", "CPU time of threads of lbsample",
      facts.threads.map { Row(labels: [("thread", $0.name)], value: .nanoseconds($0.nanoseconds)) },
      &writer)
    Self.write(
      .counter, "process_cpu_seconds", "seconds", "CPU time of lbsample",
      [Row(labels: [], value: .nanoseconds(facts.process))], &writer)
    if let resident = facts.resident {
      Self.write(
        .gauge, "process_resident_memory_bytes", "bytes", "resident memory of lbsample",
        [Row(labels: [], value: .integer(resident))], &writer)
    }
    Self.write(
      .gauge, "process_start_time_seconds", "seconds", "Unix time at which sampling was armed",
      [Row(labels: [], value: .nanoseconds(board.armed))], &writer)
  }
}
