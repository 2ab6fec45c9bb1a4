package import RunStore
package import SampleModel

/// `export --format perfetto`: a run as a trace for ui.perfetto.dev.
package struct PerfettoExport {
  /// What is drawn.
  package struct Options: Sendable {
    /// Points above which a viewer in a browser becomes slow.
    package static let usualPoints = 5_000_000
    /// Repetitions of a phase that are drawn above one another, at most.
    package static let mostOverlays = 50
    /// Tracks that these may take.
    static let mostOverlayTracks = 20_000

    /// Points of counters, at most; nil for all.
    package var mostPoints: Int? = Options.usualPoints
    /// Rates beside raw values, and repetitions above one another.
    package var withRates = true

    /// The usual trace.
    package init() {}
  }

  /// What was written.
  package struct Summary: Sendable, Equatable {
    package var tracks = 0
    /// Points of counters, and instants.
    package var points = 0
    package var bytes = 0
    /// Frames and batches of records that were read.
    package var frames = 0
    /// What is not in the trace, in sentences.
    package var remarks: [String] = []
  }

  private let reader: RunReader
  private let replay: RunReplay
  private let selection: RunReplay.Selection
  private let options: Options
  private let result: RunResult
  private let anchors: [ClockAnchor]
  private let labels: [UInt32: AttemptID]
  private let version: String

  /// An export of the selected part of a run.
  package init(
    _ reader: RunReader, selection: RunReplay.Selection, options: Options
  ) throws(LBError) {
    self.reader = reader
    self.selection = selection
    self.options = options
    replay = RunReplay(reader, selection: selection)
    result = try reader.result(.accounts)
    version = try reader.version()
    anchors = try replay.anchors()
    labels = Dictionary(result.attemptsByBracket(), uniquingKeysWith: { first, _ in first })
  }

  /// Writes the trace into a file whose name must be free.
  package func write(_ path: String) throws(LBError) -> Summary {
    let file = try DraftFile(path)
    var summary = try write { bytes throws(LBError) in try file.write(bytes) }
    summary.bytes = file.position
    try file.finish()
    return summary
  }

  /// Writes the trace to where `output` takes its bytes.
  func write(_ output: @escaping TraceWriter.Output) throws(LBError) -> Summary {
    let clock = TraceClock(anchors)
    let timeline = try RunTimeline(reader, result, anchors, selection)
    let (sink, overlaid) = try makeSink(timeline, clock)
    var remarks = overlaid
    let frames = try replay.play(into: sink)
    let writer = TraceWriter(run: result.runID, output: output)
    for reading in clock.readings {
      try writer.clocks(
        boottime: reading.boottime, monotonic: reading.monotonic, realtime: reading.realtime)
    }
    let (lives, livesLeftOut) = ProcessLives.lanes(sink.lives.lives)
    remarks += Self.remarks(
      gaps: sink.gaps.leftOut, lives: sink.lives.leftOut + livesLeftOut)
    if let most = options.mostPoints, sink.count > most {
      remarks.append(
        "the run has \(sink.count) points, of which about \(most) are drawn: of each group of "
          + "points the least and the greatest; --full draws all")
    }
    var tracks = try TraceTracks(
      result.host["hostname"] ?? result.name,
      description: description(remarks), labels: labels, on: writer)
    let names = Dictionary(
      try replay.layouts().map { ($0.stream, $0.collector) }, uniquingKeysWith: { $1 })
    let happened = TimelineWriter(
      writer: writer, clock: clock, timeline: timeline, collectors: names)
    try happened.writePhases(&tracks)
    try happened.writeEvents(
      &tracks, remark: remarks.isEmpty ? nil : remarks.joined(separator: "; "))
    try happened.writeLedger(&tracks, sink.gaps.gaps)
    try happened.writeProcesses(&tracks, lives)
    try sink.write(to: writer, limit: options.mostPoints ?? .max, tracks: &tracks)
    // Of a run that goes on, what has been counted.
    var counted = selection
    counted.to = min(selection.to ?? .max, sink.lastStart)
    _ = try replay.selecting(counted).play(into: sink)
    try writer.finish()
    return Summary(
      tracks: Int(writer.tracks), points: writer.events, frames: frames, remarks: remarks)
  }

  /// The sink, and the parts that are not drawn.
  private func makeSink(
    _ timeline: RunTimeline, _ clock: TraceClock
  ) throws(LBError) -> (CounterSink, [String]) {
    var drawn = CounterSink.Options()
    drawn.isRun = !labels.isEmpty
    drawn.withRates = options.withRates
    let first = try RunReplay.firstStart(reader)
    let start = timeline.attempts.first?.start ?? first
    drawn.origin = clock.boottime(max(start, selection.from ?? 0))
    guard options.withRates, selection.from == nil, selection.to == nil else {
      return (CounterSink(drawn, clock), [])
    }
    let columns = Set(try replay.layouts().flatMap { $0.shown.map(\.name) }).count
    let most = min(Options.mostOverlays, Options.mostOverlayTracks / max(1, columns))
    var counts: [String: Int] = [:]
    var remarks: [String] = []
    let compared = timeline.attempts.filter {
      $0.stands && $0.id?.warmUp == false && $0.result.bracket != nil
    }
    let all = Dictionary(grouping: compared) { $0.id?.phase ?? "" }.mapValues(\.count)
    for attempt in compared {
      guard let bracket = attempt.result.bracket, let phase = attempt.id?.phase else { continue }
      // One alone is not compared with any.
      guard all[phase, default: 0] > 1, counts[phase, default: 0] < most else { continue }
      counts[phase, default: 0] += 1
      drawn.overlays[bracket] = CounterSink.Overlay(start: attempt.start)
    }
    for (phase, count) in all.sorted(by: { $0.key < $1.key }) where count > max(1, most) {
      remarks.append(
        "of the \(count) repetitions of \(phase) the first \(most) are drawn above one another")
    }
    return (CounterSink(drawn, clock), remarks)
  }

  private static func remarks(gaps: Int, lives: Int) -> [String] {
    var remarks: [String] = []
    if gaps > 0 { remarks.append("the ledger lacks \(Counted.text(gaps, "gap"))") }
    if lives > 0 {
      remarks.append("\(lives) \(lives == 1 ? "process is" : "processes are") not drawn")
    }
    return remarks
  }

  private func description(_ remarks: [String]) -> String {
    let start = CivilTime(
      unixSeconds: Int64(clamping: result.startUnixNanoseconds / 1_000_000_000))
    return
      ([
        "run \(result.runID) of \(start.text) UTC, \(result.status.rawValue), recorded by "
          + "lbsample \(version)",
        "a value is drawn until it changes: samples between are equal",
      ] + remarks).joined(separator: "; ")
  }
}
