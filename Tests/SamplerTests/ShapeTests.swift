import Glibc
import SampleModel
import Sampler
import TestSupport
import Testing

/// Texts that change while they are sampled: whatever a reading holds is decoded from itself.
@Suite struct ShapeTests {
  private static let seeds: [UInt64] = [1, 2, 3]
  private static let short = "a 1\nb 2\n"
  private static let long = "a 3\nb 4\nc 5\n"

  private struct Outcome {
    var frames: [CollectingSink.Frame]
    var layouts: [Layout]
    var events: [SampleEvent]
    var ledger: Ledger
    var armings: Int
    var disarmings: Int
    var bytes: [Int]

    /// The columns and values of each frame, in words.
    var rows: [String] {
      var names: [UInt32: [String]] = [:]
      for layout in layouts { names[layout.epoch] = layout.columns.map(\.metric.name) }
      return frames.map { frame in
        zip(names[frame.header.epoch] ?? [], frame.values).map { "\($0)\($1)" }.joined(
          separator: " ")
      }
    }
  }

  /// A bracket over the readings of a script: the opening edge, ticks, and the closing edge.
  private static func sample(
    seed: UInt64, files: [String] = ["f"], interval: UInt64 = 1_000_000,
    _ script: [[TextScript.Reading]]
  ) throws -> Outcome {
    try VirtualSession.run(seed: seed, spurious: 0.1) { scheduler in
      let collector = try TextScript(files, script, scheduler: scheduler)
      let sink = CollectingSink()
      let session = try VirtualSession(scheduler, interval: interval)
        .arm([CollectorRequest(collector)], [sink])
      var bytes = [session.ringBytes]
      let base = scheduler.monotonic()
      _ = try session.start()
      let ticks = UInt64(max(0, script.count - 2))
      scheduler.sleep(base + ticks * interval + interval / 2 - scheduler.monotonic())
      let ledger = try session.stop(sampling: true).ledger
      bytes.append(session.ringBytes)
      session.disarm()
      return Outcome(
        frames: sink.frames, layouts: sink.layouts, events: sink.events, ledger: ledger,
        armings: collector.armings, disarmings: collector.disarmings, bytes: bytes)
    }
  }

  /// There and back again: the columns that were there before are epoch 1 again, nothing is a gap,
  /// and nothing is armed anew.
  @Test(arguments: seeds)
  func aShapeThatComesBackHasItsEpochBack(seed: UInt64) throws {
    let texts = [Self.short, Self.short, Self.long, Self.long, Self.short, Self.long, Self.short]
    let outcome = try Self.sample(seed: seed, texts.map { [.text($0)] })
    #expect(outcome.layouts.map(\.epoch) == [1, 2, 1, 2, 1])
    #expect(outcome.frames.map(\.header.epoch) == [1, 1, 2, 2, 1, 2, 1])
    let (short, long) = ("a1 b2", "a3 b4 c5")
    #expect(outcome.rows == [short, short, long, long, short, long, short])
    #expect(
      outcome.events.filter { $0.kind == .layoutEpoch }.map(\.message) == [
        "text: columns changed (layout 2): added text.c",
        "text: columns changed back to layout 1: removed text.c",
        "text: columns changed back to layout 2: added text.c",
        "text: columns changed back to layout 1: removed text.c",
      ])
    #expect(outcome.ledger.gaps == 0 && outcome.ledger.isExact)
    #expect(outcome.ledger.ring == RingLedger(pushed: 7, drained: 7, dropped: 0))
    #expect(outcome.armings == 1 && outcome.disarmings == 1)
  }

  /// The same at the edges themselves, which are taken once.
  @Test(arguments: seeds)
  func aShapeThatChangesAtBothEdgesCostsNoEdge(seed: UInt64) throws {
    // Armed with the first reading, which no acquisition has: the opening edge has the second.
    let outcome = try Self.sample(
      seed: seed, [Self.short, Self.long, Self.short].map { [.text($0)] })
    #expect(outcome.frames.map(\.header.edge) == [.open, .none, .close])
    #expect(outcome.rows == ["a1 b2", "a3 b4 c5", "a1 b2"])
    let edges = try VirtualSession.run(seed: seed) { scheduler in
      let collector = try TextScript(
        ["f"], [Self.short, Self.long, Self.long, Self.short].map { [.text($0)] })
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, interval: 3_600_000_000_000)
      let session = try virtual.arm([CollectorRequest(collector)], [sink])
      for _ in 0..<2 {
        _ = try session.start()
        _ = try session.stop(sampling: true)
      }
      session.disarm()
      return sink.frames.map { ($0.header.edge, $0.header.epoch, $0.values) }
    }
    #expect(edges.map(\.0) == [.open, .close, .open, .close])
    #expect(edges.map(\.1) == [1, 2, 2, 1])
    #expect(edges.map(\.2) == [[1, 2], [3, 4, 5], [3, 4, 5], [1, 2]])
  }

  /// One of two files has nothing for two reads: the other one's values go on, its own come back
  /// with the epoch that they had, and the cause is said once.
  @Test(
    arguments: seeds,
    [
      (TextScript.Reading.text(""), "g: the file is empty"),
      (.failure(EACCES), "g: Permission denied"), (.failure(EIO), "g: Input/output error"),
      (.failure(ENOENT), "g: No such file or directory"),
    ])
  func aFileWithoutValuesCostsItsOwnAlone(
    seed: UInt64, _ fault: (reading: TextScript.Reading, message: String)
  ) throws {
    let whole: [TextScript.Reading] = [.text(Self.short), .text("c 7\n")]
    let part: [TextScript.Reading] = [.text(Self.short), fault.reading]
    let outcome = try Self.sample(
      seed: seed, files: ["f", "g"], [whole, whole, part, part, whole, part, whole])
    let (all, some) = ("a1 b2 c7", "a1 b2")
    #expect(outcome.rows == [all, all, some, some, all, some, all])
    #expect(outcome.frames.map(\.header.outcome) == Array(repeating: .complete, count: 7))
    let leftOut =
      "; values from this file are left out until the file can be read again (reported once)"
    #expect(
      outcome.events.filter { $0.kind == .gap }.map(\.message)
        == ["text: \(fault.message)\(leftOut)"])
    #expect(outcome.ledger.gaps == 0 && outcome.ledger.isExact)
    #expect(outcome.armings == outcome.disarmings)
    // A file that is gone may stand for instances that went: once a second that is looked up.
    #expect(outcome.armings == (fault.reading == .failure(ENOENT) ? 2 : 1))
  }

  /// Where nothing has a value, the frame is a gap with its cause, and the columns stay what they
  /// are.
  @Test(
    arguments: seeds,
    [
      (TextScript.Reading.failure(EACCES), AcquisitionOutcome.denied),
      (.failure(EIO), .absent), (.text(""), .malformed),
    ])
  func aReadingOfNothingIsAGapWithItsCause(
    seed: UInt64, _ fault: (reading: TextScript.Reading, outcome: AcquisitionOutcome)
  ) throws {
    let text = TextScript.Reading.text(Self.short)
    let outcome = try Self.sample(
      seed: seed, [[text], [fault.reading], [fault.reading], [text], [fault.reading], [text]])
    let (gap, whole) = (fault.outcome, AcquisitionOutcome.complete)
    #expect(outcome.frames.map(\.header.outcome) == [whole, gap, gap, whole, gap, whole])
    #expect(outcome.rows == ["a1 b2", "", "", "a1 b2", "", "a1 b2"])
    #expect(outcome.layouts.count == 1)
    #expect(outcome.ledger.threads[0].collectors[0].gaps == [gap.word: 3])
    #expect(outcome.events.count { $0.kind == .gap } == 1)
    #expect(outcome.armings == 1)
  }

  /// From 8 bytes to 200 KB, in a ring of 64 KiB: the ring is replaced while sampling goes on. What
  /// is lost until then stands in the ledger, and nothing is out of order.
  @Test(arguments: seeds, [0, 3000, 9000, 12_000])
  func aTextThatOutgrowsTheRingGetsALargerOne(seed: UInt64, lines: Int) throws {
    let text = Self.short + (0..<lines).map { "name\($0) \($0)000000\n" }.joined()
    let script =
      Array(repeating: [TextScript.Reading.text(Self.short)], count: 5)
      + Array(repeating: [.text(text)], count: 35)
    let outcome = try Self.sample(seed: seed, interval: 100_000_000, script)
    let ring = outcome.ledger.ring
    #expect(ring.pushed == 40 && ring.isExact && outcome.ledger.isExact)
    let frames = outcome.frames
    #expect(frames.count == Int(ring.drained))
    let starts = frames.map(\.header.start)
    #expect(starts == starts.sorted())
    let truncated = frames.count { $0.header.outcome == .truncated }
    #expect(Int(ring.dropped) + truncated <= 20)
    #expect(
      outcome.ledger.threads[0].collectors[0].gaps["truncated"] ?? 0 == UInt64(truncated))
    let complete = frames.filter { $0.header.outcome == .complete }
    #expect(complete.count + truncated == frames.count)
    let wide = complete.filter { $0.values.count == lines + 2 }
    #expect(wide.count >= 15)
    #expect(wide.last?.values.last == (lines == 0 ? 2 : UInt64(lines - 1) * 1_000_000))
    #expect(frames.suffix(10).allSatisfy { $0.values.count == lines + 2 })
    #expect((outcome.bytes[1] > outcome.bytes[0]) == (lines > 0))
    #expect(outcome.armings == 1)
  }

  /// A collector of values that grows from 2 to 4,000 instances.
  @Test(arguments: seeds)
  func aCollectorThatGrowsBeyondAnyReserveLosesNothingMore(seed: UInt64) throws {
    let many = (0..<4000).map { "\($0)" }
    let (sink, ledger) = try VirtualSession.run(seed: seed) { scheduler in
      let collector = ScriptedCollector(
        script: [.value(1), .value(2), .gap(.layoutChanged)], instances: [["0", "1"], many])
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, interval: 10_000_000, limit: 40)
      let session = try virtual.arm([CollectorRequest(collector)], [sink])
      _ = try session.start()
      virtual.waitUntilFinished(session)
      let ledger = try session.stop(sampling: false).ledger
      session.disarm()
      return (sink, ledger)
    }
    #expect(ledger.ring == RingLedger(pushed: 41, drained: 41, dropped: 0))
    #expect(
      sink.frames.map(\.values.count) == [2, 2, 0] + Array(repeating: 4000, count: 38))
    #expect(ledger.gaps == 1)
  }
}
