import RunAnalysis
import SampleModel
import Testing

@testable import Exchange

@Suite struct TraceGapTests {
  private func gaps(
    _ indices: [UInt64], cadence: UInt64 = 1, absent: Set<UInt64> = [], budgetAt: UInt64? = nil
  ) -> [TraceGap] {
    var gaps = TraceGaps()
    gaps.begin(
      StreamMeta(
        interval: 10,
        streams: [
          StreamMeta.Stream(
            collector: "c", stream: 2, thread: 0, cpu: nil, cadence: cadence, required: true)
        ], unavailable: [], records: [],
        anchor: ClockAnchor(monotonic: 0, realtime: 0, boottime: 0), notes: []))
    for index in indices {
      if index == budgetAt { gaps.take(SampleEvent(.budget, time: index * 10, message: "")) }
      gaps.take(
        FrameHeader(
          outcome: absent.contains(index) ? .absent : .complete, edge: index == 0 ? .open : .none,
          stream: 2, epoch: 1, bracket: 1, deadlineIndex: index, start: index * 10,
          end: index * 10 + 1))
    }
    return gaps.gaps
  }

  private func gap(
    _ cause: TraceGap.Cause, _ start: UInt64, _ end: UInt64, _ count: UInt64
  ) -> TraceGap {
    TraceGap(stream: 2, bracket: 1, cause: cause, start: start, end: end, count: count)
  }

  @Test func deadlinesBetweenTwoFramesAreAGap() {
    #expect(gaps([0, 1, 2, 5, 6]) == [gap(.deadlines, 20, 50, 2)])
  }

  /// A collector that is read every tenth deadline lacks those only that were its own; after a
  /// skipped one it is read at the next that is taken.
  @Test func aSlowCadenceIsNoGap() {
    #expect(gaps([0, 10, 20, 30], cadence: 10).isEmpty)
    #expect(gaps([0, 11, 20, 30], cadence: 10).isEmpty)
    #expect(gaps([0, 10, 40], cadence: 10) == [gap(.deadlines, 100, 400, 2)])
  }

  /// A budget lengthens a cadence: what is not due any more is not lacking.
  @Test func aChangedCadenceIsNoGap() {
    #expect(gaps([0, 1, 2, 4, 6, 10], budgetAt: 4) == [gap(.deadlines, 60, 100, 1)])
  }

  @Test func framesWithoutValuesAreOneGap() {
    #expect(
      gaps([0, 1, 2, 3, 4], absent: [2, 3]) == [gap(.outcome(.absent), 20, 40, 2)])
  }
}

@Suite struct ProcessLifeTests {
  private func life(_ pid: UInt64, _ start: UInt64, _ end: UInt64) -> ProcessLife {
    ProcessLife(bracket: 1, pid: pid, parent: 1, name: "p", start: start, end: end)
  }

  /// A row has one process at a time.
  @Test func rowsDoNotOverlap() {
    var random = SplitMix64(seed: 3)
    let lives = (0..<300).map { pid in
      let start = random.next() % 10_000
      return life(UInt64(pid), start, start + random.next() % 500)
    }
    let (placed, leftOut) = ProcessLives.lanes(lives)
    #expect(placed.count == 300 && leftOut == 0)
    var ends: [Int: UInt64] = [:]
    for (life, lane) in placed {
      #expect(ends[lane, default: 0] <= life.start)
      ends[lane] = life.end
    }
  }

  @Test func moreSideBySideThanRowsAreCounted() {
    let lives = (0..<300).map { life(UInt64($0), 0, 10) }
    let (placed, leftOut) = ProcessLives.lanes(lives)
    #expect(placed.count == ProcessLives.mostLanes && leftOut == 300 - ProcessLives.mostLanes)
  }

  private static let fields = [
    "kind", "pid", "tid", "ppid", "sum_exec_runtime", "exit_code", "elapsed",
  ]

  private func lives(_ batches: [(at: UInt64, rows: [[UInt64]])]) -> [ProcessLife] {
    let schema = RecordSchema(
      collector: "tree", stream: 4, name: "process",
      fields: Self.fields.map { MetricDescription($0, .count, .gauge, meaning: "") },
      rowsPerTick: 9)
    var lives = ProcessLives()
    lives.begin(
      StreamMeta(
        interval: 10, streams: [], unavailable: [], records: [schema],
        anchor: ClockAnchor(monotonic: 0, realtime: 0, boottime: 0), notes: []))
    for batch in batches {
      let words = batch.rows.flatMap { $0 }
      lives.take(
        FrameHeader(kind: .records, stream: 4, epoch: 1, bracket: 1, start: batch.at),
        words.span)
    }
    return lives.lives
  }

  /// Seen at 10 and 20; the kernel's record says that it lived for 15 until then.
  @Test func anExitHasTheLengthOfALife() {
    let none = RecordSchema.absent
    let found = lives([
      (10, [[0, 7, 7, 1, 100, none, none], [1, 7, 8, 1, 1, none, none]]),
      (20, [[2, 7, 7, 1, 250, 256, 15]]),
    ])
    #expect(found.count == 1)
    let life = found[0]
    #expect(life.start == 5 && life.end == 20 && life.exitCode == 256 && life.hasEnded)
    #expect(life.cpuTime == 250 && life.parent == 1)
  }

  /// The shell of a workload has the name of the starter until it is executed.
  @Test func aNameIsTheLastOne() throws {
    let schema = RecordSchema(
      collector: "tree", stream: 4, name: "process",
      fields: [
        MetricDescription("pid", .count, .gauge, meaning: ""),
        MetricDescription("comm", .text, .gauge, meaning: ""),
      ], rowsPerTick: 9)
    var lives = ProcessLives()
    lives.begin(
      StreamMeta(
        interval: 10, streams: [], unavailable: [], records: [schema],
        anchor: ClockAnchor(monotonic: 0, realtime: 0, boottime: 0), notes: []))
    for (time, letter) in [(10, "a"), (20, "b")] as [(UInt64, Unicode.Scalar)] {
      let words = [7, UInt64(letter.value)]
      lives.take(
        FrameHeader(kind: .records, stream: 4, epoch: 1, bracket: 1, start: time), words.span)
    }
    #expect(lives.lives.map(\.name) == ["b"])
  }

  /// The kernel gives numbers again.
  @Test func aNumberMayBeThatOfAnotherProcess() {
    let none = RecordSchema.absent
    let found = lives([
      (10, [[0, 7, 7, 1, 100, none, none]]), (20, [[3, 7, 7, 1, 120, none, none]]),
      (30, [[0, 7, 7, 1, 5, none, none]]),
    ])
    #expect(found.map(\.start) == [10, 30] && found.map(\.end) == [20, 30])
    #expect(found.map(\.hasEnded) == [true, false])
  }
}
