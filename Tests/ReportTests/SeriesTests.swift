import TestSupport
import Testing

@testable import Report
@testable import SampleModel

/// A level and a counter of bytes, at one instance each.
private let columns = [
  Column(
    collector: "m", metric: MetricDescription("level", .bytes, .gauge, meaning: "A level."),
    instance: ""),
  Column(
    collector: "m", metric: MetricDescription("sent", .bytes, .counter, meaning: "Sent."),
    instance: "eth0"),
]

@Suite struct SeriesTests {
  private let tick: UInt64 = 1_000_000
  private let start: UInt64 = 50_000_000

  private func sink(
    _ stretches: [TimeGrid.Stretch], buckets: Int, cadence: UInt64 = 1,
    isWhole: @escaping (String) -> Bool = { _ in false }
  ) throws -> SeriesSink {
    let sink = SeriesSink(
      TimeGrid(stretches, buckets: buckets, interval: tick), origin: start, isWhole: isWhole)
    try sink.begin(
      StreamMeta(
        interval: tick,
        streams: [
          .init(collector: "m", stream: 0, thread: 0, cpu: 0, cadence: cadence, required: true)
        ], unavailable: [], records: [],
        anchor: ClockAnchor(monotonic: start, realtime: 9_000_000_000, boottime: 0), notes: ["n"]))
    try sink.layout(Layout(collector: "m", stream: 0, epoch: 1, columns: columns))
    return sink
  }

  private func send(
    _ sink: SeriesSink, _ index: UInt64, _ values: [UInt64], bracket: UInt32 = 1,
    epoch: UInt32 = 1, edge: BracketEdge = .none, outcome: AcquisitionOutcome = .complete,
    at base: UInt64? = nil
  ) throws {
    let time = (base ?? start) + index * tick
    let header = FrameHeader(
      outcome: outcome, edge: edge, stream: 0, epoch: epoch, bracket: bracket,
      deadlineIndex: index, deadline: time, start: time, end: time + 10)
    try sink.frame(header, (outcome == .complete ? values : []).span)
  }

  /// 1,000 levels of a known sequence in 10 buckets: least, median and greatest of each are those
  /// of the hundred values in it, a spike of one sample too.
  @Test func aBucketHasLeastMedianAndGreatest() throws {
    let sink = try sink(
      [.init(bracket: 1, start: start, end: start + 1000 * tick)], buckets: 10)
    var levels: [UInt64] = []
    for index in 0...999 as ClosedRange<UInt64> {
      levels.append(index == 637 ? 1_000_000 : (index * 7919) % 1009)
      try send(sink, index, [levels[Int(index)], index * 2048], edge: index == 0 ? .open : .none)
    }
    let run = sink.finish()
    let level = try #require(run["m.level"])
    #expect(level.unit == "bytes" && level.envelope.count == 10)
    // The opening sample is a baseline.
    for bucket in 0..<10 {
      let own = levels[max(1, bucket * 100)..<bucket * 100 + 100].sorted()
      let middle = own.count / 2
      let median =
        own.count % 2 == 1 ? Double(own[middle]) : Double(own[middle - 1] + own[middle]) / 2
      #expect(
        level.envelope[bucket]
          == .values(
            minimum: Float(own[0]), median: Float(median), maximum: Float(own[own.count - 1])))
    }
    let sent = try #require(run["m.sent[eth0]"])
    #expect(sent.unit == "bytes/s")
    #expect(sent.envelope.range == 2_048_000...2_048_000)
    #expect(run.gaps.isEmpty && run.events.map(\.message) == ["n"])
    #expect(run.originUnix == 9_000_000_000 && run.time(ofUnix: 9_000_000_007) == start + 7)
  }

  /// Ten thousand values in a bucket: the median is near, the ends are exact.
  @Test func aFullBucketKeepsItsEnds() throws {
    let sink = try sink(
      [.init(bracket: 1, start: start, end: start + 20_000 * tick)], buckets: 1)
    for index in 0..<10_000 as Range<UInt64> {
      try send(sink, index, [(index * 7919) % 10_007 + 5, 0], edge: index == 0 ? .open : .none)
    }
    let values = (1..<10_000).map { ($0 * 7919) % 10_007 + 5 }.sorted()
    guard case .values(let low, let median, let high) = sink.finish().series[0].envelope[0] else {
      Issue.record("no values")
      return
    }
    #expect(low == Float(values[0]) && high == Float(values[9998]))
    #expect(abs(median - Float(values[4999])) < 100, "\(median)")
  }

  /// Each bracket has buckets of its own, by its length, and rates do not reach over it.
  @Test func bracketsAreApart() throws {
    let second = start + 5000 * tick
    let sink = try sink(
      [
        .init(bracket: 2, start: second, end: second + 30 * tick),
        .init(bracket: 1, start: start, end: start + 10 * tick),
      ], buckets: 8)
    for index in 0...10 as ClosedRange<UInt64> {
      try send(sink, index, [1, index], edge: index == 0 ? .open : .none)
    }
    for index in 0...30 as ClosedRange<UInt64> {
      try send(
        sink, index, [2, 1_000_000 + index], bracket: 2, edge: index == 0 ? .open : .none,
        at: second)
    }
    let run = sink.finish()
    #expect(run.grid.segments.map(\.buckets) == [0..<2, 2..<8])
    #expect(run.grid.segments[1].start(of: 3) == second + 5 * tick)
    for bucket in 0..<8 {
      let level: Float = bucket < 2 ? 1 : 2
      #expect(
        run.series[0].envelope[bucket]
          == .values(minimum: level, median: level, maximum: level))
    }
    #expect(run.series[1].envelope.range == 1000...1000)
    #expect(run.gaps.isEmpty)
  }

  /// Deadlines that were not taken, and acquisitions without values, are gaps; a bucket of them is
  /// absent or empty and never 0.
  @Test func gapsHaveACause() throws {
    let sink = try sink([.init(bracket: 1, start: start, end: start + 40 * tick)], buckets: 40)
    for index in [0, 1, 2, 3, 8, 9] as [UInt64] {
      try send(sink, index, [5, index], edge: index == 0 ? .open : .none)
    }
    for index in 10...12 as ClosedRange<UInt64> { try send(sink, index, [], outcome: .denied) }
    try send(sink, 13, [5, 13])
    let run = sink.finish()
    #expect(
      run.gaps == [
        SeriesGap(
          stream: 0, bracket: 1, cause: .deadlines, start: start + 3 * tick,
          end: start + 8 * tick, count: 4),
        SeriesGap(
          stream: 0, bracket: 1, cause: .outcome(.denied), start: start + 9 * tick,
          end: start + 13 * tick, count: 3),
      ])
    let level = run.series[0].envelope
    #expect(level[5] == .empty && level[11] == .absent && level[30] == .empty)
    #expect(level[13] == .values(minimum: 5, median: 5, maximum: 5))
  }

  /// Columns that come, go and change places within a bucket keep what was taken of them.
  @Test func columnsMayMoveWithinABucket() throws {
    let sink = try sink(
      [.init(bracket: 1, start: start, end: start + 8 * tick)], buckets: 1,
      isWhole: { $0 == "m.level" })
    try send(sink, 0, [0, 0], edge: .open)
    try send(sink, 1, [900, 1])
    try sink.layout(
      Layout(
        collector: "m", stream: 0, epoch: 2, columns: [columns[1], columns[0]]))
    try send(sink, 2, [2, 100], epoch: 2)
    try send(sink, 3, [3, 200], epoch: 2)
    let run = sink.finish()
    #expect(run.series[0].envelope[0] == .values(minimum: 100, median: 200, maximum: 900))
    #expect(run.series[0].samples.map(\.value) == [900, 100, 200])
    #expect(run.series.count == 2 && run.series[1].samples.isEmpty)
  }

  /// A column that is gone has no value in the buckets of later acquisitions, and keeps those of
  /// the bucket in which it went.
  @Test func aColumnThatIsGoneIsAbsent() throws {
    let sink = try sink([.init(bracket: 1, start: start, end: start + 8 * tick)], buckets: 4)
    try send(sink, 0, [0, 0], edge: .open)
    try send(sink, 2, [900, 1])
    try sink.layout(Layout(collector: "m", stream: 0, epoch: 2, columns: [columns[1]]))
    for index in 3...6 as ClosedRange<UInt64> { try send(sink, index, [100], epoch: 2) }
    let level = sink.finish().series[0].envelope
    #expect(level[0] == .empty && level[1] == .values(minimum: 900, median: 900, maximum: 900))
    #expect(level[2] == .absent && level[3] == .absent)
  }

  /// The median of any numbers is that of the sorted ones.
  @Test func aMedianIsFoundWithoutSorting() {
    var generator = SeededGenerator(7)
    for count in Array(1...40) + [100, 101, 1000, 1026] {
      for kind in 0..<5 {
        let numbers = (0..<count).map { place -> Double in
          switch kind {
          case 0: Double.random(in: -5...5, using: &generator)
          case 1: Double(Int.random(in: 0...3, using: &generator))
          case 2: Double(place)
          case 3: Double(count - place)
          default: Double(place < count / 2 ? place : count - place)
          }
        }
        let sorted = numbers.sorted()
        let middle = count / 2
        let expected =
          count % 2 == 1 ? sorted[middle] : sorted[middle - 1] / 2 + sorted[middle] / 2
        var moved = numbers
        #expect(moved.medianByMoving() == expected, "\(numbers)")
        #expect(moved.sorted() == sorted)
      }
    }
  }

  /// Of very many brackets some share a bucket; of stretches out of order and beyond 64 bits
  /// nothing is lost.
  @Test func gridsAreBounded() {
    let many = (0..<100_000).map {
      TimeGrid.Stretch(bracket: UInt32($0), start: UInt64($0) * 10, end: UInt64($0) * 10 + 5)
    }
    let grid = TimeGrid(many, buckets: 800, interval: 1)
    #expect(grid.segments.count <= TimeGrid.mostSegments)
    #expect(grid.segments.flatMap(\.stretch.brackets).count == 100_000)
    let odd = TimeGrid(
      [
        .init(bracket: 1, start: .max - 5, end: 0), .init(bracket: 2, start: 0, end: .max),
        .init(bracket: 3, start: 7, end: 7),
      ], buckets: 100, interval: 0)
    for segment in odd.segments {
      #expect(segment.start(of: segment.buckets.lowerBound) == segment.stretch.start)
      #expect(segment.start(of: segment.buckets.upperBound) == segment.stretch.end)
      for time in [0, 7, .max / 2, .max - 1, .max] as [UInt64] {
        #expect(segment.buckets.contains(segment.bucket(at: time)))
      }
    }
    #expect(TimeGrid([], buckets: 100, interval: 1).bucketCount == 0)
  }
}
