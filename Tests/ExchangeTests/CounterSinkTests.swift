import RunAnalysis
import SampleModel
import Testing

@testable import Exchange

/// Which points the counters of a run have, from its frames on.
@Suite struct CounterSinkTests {
  private final class Bytes {
    var all: [UInt8] = []
  }

  /// A recording of a counter in ticks of 2, and a gauge, of one collector.
  private func layout(epoch: UInt32 = 1, _ instances: [String] = ["a", "b"]) -> Layout {
    let counter = MetricDescription(
      "ticks", .count, .counter, scale: Scale(2), meaning: "ticks of it")
    let gauge = MetricDescription("level", .bytes, .gauge, extent: .host, meaning: "how high it is")
    return Layout(
      collector: "c", stream: 0, epoch: epoch,
      columns: instances.map { Column(collector: "c", metric: counter, instance: $0) }
        + [Column(collector: "c", metric: gauge, instance: "")])
  }

  private struct Frame {
    var at: UInt64
    var values: [UInt64]
    var outcome = AcquisitionOutcome.complete
    var edge = BracketEdge.none
    var bracket: UInt32 = 1
    var layout: Layout
  }

  private func play(_ frames: [Frame], into sink: CounterSink) throws {
    try sink.begin(
      StreamMeta(
        interval: 10, streams: [], unavailable: [], records: [],
        anchor: ClockAnchor(monotonic: 0, realtime: 0, boottime: 0), notes: []))
    var epoch: UInt32 = 0
    for frame in frames {
      if frame.layout.epoch != epoch { try sink.layout(frame.layout) }
      epoch = frame.layout.epoch
      try sink.frame(
        FrameHeader(
          outcome: frame.outcome, edge: frame.edge, stream: 0, epoch: epoch, bracket: frame.bracket,
          start: frame.at, end: frame.at), frame.values.span)
    }
    try sink.commit(watermark: .max)
  }

  private func trace(
    _ frames: [Frame], _ options: CounterSink.Options = CounterSink.Options(), limit: Int = .max
  ) throws -> ReadTrace {
    // CLOCK_BOOTTIME is 1000 ahead.
    let clock = TraceClock([ClockAnchor(monotonic: 0, realtime: 0, boottime: 1000)])
    let sink = CounterSink(options, clock)
    try play(frames, into: sink)
    let bytes = Bytes()
    let writer = TraceWriter(run: "r") { part throws(LBError) in bytes.all += part }
    let labels = [
      1 as UInt32: AttemptID(phase: "p", repetition: 1, warmUp: false, attempt: 1),
      2: AttemptID(phase: "p", repetition: 2, warmUp: false, attempt: 1),
    ]
    var tracks = try TraceTracks("host", description: "", labels: labels, on: writer)
    try sink.write(to: writer, limit: limit, tracks: &tracks)
    try play(frames, into: sink)
    try writer.finish()
    return try #require(ReadTrace(bytes.all))
  }

  private func points(_ events: [ReadTrace.Event]) -> [[Double?]] {
    events.map { [Double($0.time), $0.whole.map { Double($0) } ?? $0.real] }
  }

  private func frames(_ rows: [(UInt64, [UInt64])]) -> [Frame] {
    rows.enumerated().map { index, row in
      Frame(at: row.0, values: row.1, edge: index == 0 ? .open : .none, layout: layout())
    }
  }

  /// The opening sample of a recording is the baseline of its rates, as in `export`.
  @Test func valuesAreRawInBaseUnitsAndRatesBeginWithTheirWindows() throws {
    let second: UInt64 = 1_000_000_000
    let trace = try trace(
      frames([
        (0, [5, 1, 70]), (second, [8, 1, 70]), (2 * second, [9, 1, 60]),
      ]))
    let (one, two) = (Double(second) + 1000, 2 * Double(second) + 1000)
    #expect(points(trace.events("c", "c.ticks", "c.ticks[a]")) == [[one, 16], [two, 18]])
    #expect(points(trace.events("c", "c.ticks", "c.ticks[b]")) == [[one, 2]])
    #expect(points(trace.events("c", "c.level")) == [[one, 70], [two, 60]])
    #expect(
      points(trace.events("rates", "c", "rate of c.ticks", "rate of c.ticks[a]"))
        == [[1000, 6], [one, 2]])
    #expect(
      points(trace.events("rates", "c", "rate of c.ticks", "rate of c.ticks[b]")) == [[1000, 0]])
    #expect(trace.events("rates", "c", "c.level").isEmpty)
  }

  @Test func rawValuesStandAloneWithoutRates() throws {
    var options = CounterSink.Options()
    options.withRates = false
    let trace = try trace(frames([(0, [5, 1, 70]), (10, [8, 1, 70])]), options)
    #expect(!trace.names.values.contains { $0.contains("rates") })
  }

  /// A frame without values is one instant, and the values come back by points of their own.
  @Test func aGapIsAnInstantAndNoValue() throws {
    var frames = frames([
      (0, [5, 1, 70]), (10, [5, 1, 70]), (20, []), (30, []), (40, [5, 1, 70]),
    ])
    frames[2].outcome = .absent
    frames[3].outcome = .absent
    let trace = try trace(frames)
    #expect(points(trace.events("c", "c.level")) == [[1010, 70], [1040, 70]])
    let lost = trace.events("c", "no value")
    #expect(lost.map(\.time) == [1020] && lost.map(\.type) == [3])
    #expect(lost.first?.name == "no value" && lost.first?.notes["column"] == "all of c")
    #expect(lost.first?.notes["cause"] == AcquisitionOutcome.absent.phrase)
  }

  @Test func aColumnThatIsGoneHasAnInstant() throws {
    var frames = frames([(0, [5, 1, 70]), (10, [5, 1, 70])])
    frames.append(Frame(at: 20, values: [6, 70], layout: layout(epoch: 2, ["a"])))
    let lost = try trace(frames).events("c", "no value")
    #expect(lost.map(\.time) == [1020] && lost.first?.notes["column"] == "c.ticks[b]")
    #expect(lost.first?.notes["cause"] == "its column is gone")
  }

  /// Two repetitions, from 100 and 500 on, begin with the trace, which begins at 1100.
  @Test func repetitionsBeginTogether() throws {
    var all: [Frame] = []
    for (bracket, start) in [(1, 100), (2, 500)] as [(UInt32, UInt64)] {
      for (step, edge) in [(0, .open), (1, .none), (2, .close)] as [(UInt64, BracketEdge)] {
        all.append(
          Frame(
            at: start + step * 10, values: [step * step * UInt64(bracket), 0, step], edge: edge,
            bracket: bracket, layout: layout()))
      }
    }
    var options = CounterSink.Options()
    options.isRun = true
    options.origin = 1100
    options.overlays = [1: CounterSink.Overlay(start: 100), 2: CounterSink.Overlay(start: 500)]
    let trace = try trace(all, options)
    for (repetition, factor) in [(1, 1.0), (2, 2.0)] {
      let path = ["repetitions", "p", "rate of c.ticks[a]", "repetition \(repetition)"]
      let found = points(trace.events(path[0], path[1], path[2], path[3]))
      #expect(found == [[1100, factor * 2e8], [1110, factor * 6e8]])
      #expect(
        points(trace.events("repetitions", "p", "c.level", "repetition \(repetition)"))
          == [[1100, 0], [1110, 1], [1120, 2]])
    }
    // At their own times they are there too.
    #expect(
      points(trace.events("c", "c.level")).map { $0[0] } == [1100, 1110, 1120, 1500, 1510, 1520])
  }

  @Test func tooManyPointsAreThinnedToTheirExtremes() throws {
    var random = SplitMix64(seed: 4)
    let rows = (0..<2000).map { index in
      (UInt64(index) * 10, [UInt64(index), 0, random.next() % 1_000_000])
    }
    let trace = try trace(frames(rows), limit: 600)
    let all = trace.events.values.flatMap { $0 }
    #expect(all.count <= 600 && all.count > 200)
    let drawn = Set(trace.events("c", "c.level").compactMap(\.whole))
    let real = rows.dropFirst().map { $0.1[2] }
    #expect(drawn.contains(real.max() ?? 0) && drawn.contains(real.min() ?? 0))
    // What has one point keeps it.
    #expect(trace.events("c", "c.ticks", "c.ticks[b]").count == 1)
  }
}
