import Glibc
import LinuxSystem
import Output
import RunStore
import SampleModel
import Sampler
import Synchronization
import TestSupport
import Testing

/// The order in which sinks are given frames, records, layouts and events.
@Suite struct OrderTests {
  /// Remembers the order of everything, in words.
  private final class Listing: SampleSink {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    var bytesWritten: UInt64 { 0 }

    private func add(_ line: String) { lines.withLock { $0.append(line) } }
    func begin(_ meta: StreamMeta) throws(LBError) {}
    func layout(_ layout: Layout) throws(LBError) {}
    func commit(watermark: UInt64) throws(LBError) {}
    func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
      add("frame of \(header.stream), epoch \(header.epoch), at \(header.start)")
    }
    func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
      add("records of \(header.stream) at \(header.start)")
    }
    func event(_ event: SampleEvent) throws(LBError) {
      add("\(event.kind) at \(event.time): \(event.message), clocks \(event.anchor as Any)")
    }
  }

  /// What a run's file plays back stands in the order in which it came: also what the drain itself
  /// finds out, an arming that fails, between frames that are older and newer, on both sides of a
  /// step of the wall clock back, behind which dates come a second time.
  @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
  func eventsAndFramesComeInTheOrderOfAReplay(seed: UInt64) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let live = Listing()
    try VirtualSession.run(seed: seed) { scheduler in
      let writer = try RunWriter(
        path: path,
        identity: RunWriter.Identity(
          runID: "test-20260101-000000-00000001", name: "test", kind: "sample", version: "0",
          interval: 1_000_000, startUnixNanoseconds: scheduler.realtime()),
        host: [], configuration: [], labels: [:])
      let texts = ["a 1\n", "a 1\n", "a 1\nb 2\n", "a 1\n"]
      let script = (0..<600).map { [TextScript.Reading.text(texts[$0 / 7 % 4])] }
      var virtual = VirtualSession(scheduler, threads: 2)
      // Slower than the drain's wake-ups: passes find frames of both sides of what they find out.
      virtual.configuration.maximumDeliveryLatency = 10_000_000
      let session = try virtual.arm(
        [
          CollectorRequest(
            try TextScript(["f"], script, scheduler: scheduler, duration: 130_000)),
          CollectorRequest(
            ScriptedCollector(
              name: "failing",
              script: (0..<600).map { $0 % 40 == 9 ? .gap(.layoutChanged) : .value(1) },
              records: 1, scheduler: scheduler, duration: 50_000, refusals: [1])),
        ], [live, StoreSink(writer, now: scheduler.monotonic)])
      _ = try session.start()
      scheduler.sleep(150_100_000)
      scheduler.step(-50_000_000)
      scheduler.sleep(250_100_000)
      _ = try session.stop(sampling: true)
      session.disarm()
      writer.close()
    }
    let reader = try RunReader(path: path)
    let replayed = Listing()
    try RunReplay(reader).play(into: replayed)
    reader.close()
    #expect(live.all.count { $0.hasPrefix("frame") } == 2 * 402)
    #expect(live.all.contains { $0.hasPrefix("gap") && $0.contains("arming 1 is refused") })
    #expect(live.all.count { $0.hasPrefix("layoutEpoch") } > 20)
    #expect(live.all.count { $0.hasPrefix("clockStep") } == 1)
    #expect(live.all.count { $0.hasPrefix("records") } > 300)
    // Compared by place, to see the first difference and not two lists.
    let difference = zip(live.all, replayed.all).first { $0 != $1 }
    #expect(difference == nil && live.all.count == replayed.all.count)
  }

  /// What a sink writes.
  private final class Text: Sendable {
    private let bytes = Mutex<[UInt8]>([])
    var all: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    var lines: [Substring] { all.split(separator: "\n") }
    func write(_ more: [UInt8]) throws(LBError) { bytes.withLock { $0 += more } }
  }

  private func sinks(_ texts: [Text]) -> [any SampleSink] {
    [
      CSVSink(reader: StreamReader(raw: false), writer: texts[0].write, notice: { _ in }),
      CSVSink(reader: StreamReader(raw: true), writer: texts[1].write, notice: { _ in }),
      NDJSONSink(
        reader: StreamReader(raw: false), host: [], configuration: [], writer: texts[2].write),
    ]
  }

  /// Samples by two threads into three live streams and a record, whose exports have to be the same
  /// bytes; gives the streams. `collectors` are armed, and `during` has the time of the session.
  private func recorded(
    seed: UInt64, maximumDeliveryLatency: UInt64,
    _ collectors: @escaping @Sendable (VirtualScheduler) throws -> [CollectorRequest],
    _ during: @escaping @Sendable (VirtualScheduler) -> Void
  ) throws -> [Text] {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let live = (0..<3).map { _ in Text() }
    try VirtualSession.run(seed: seed) { scheduler in
      let writer = try RunWriter(
        path: path,
        identity: RunWriter.Identity(
          runID: "test-20260101-000000-00000001", name: "test", kind: "sample", version: "0",
          interval: 1_000_000, startUnixNanoseconds: scheduler.realtime()),
        host: [], configuration: [], labels: [:])
      var virtual = VirtualSession(scheduler, threads: 2)
      virtual.configuration.maximumDeliveryLatency = maximumDeliveryLatency
      let session = try virtual.arm(
        collectors(scheduler),
        self.sinks(live) + [StoreSink(writer, now: scheduler.monotonic)])
      _ = try session.start()
      during(scheduler)
      _ = try session.stop(sampling: true)
      session.disarm()
      writer.close()
    }
    let reader = try RunReader(path: path)
    let exported = (0..<3).map { _ in Text() }
    for sink in sinks(exported) { try RunReplay(reader).play(into: sink) }
    reader.close()
    for (one, other) in zip(live, exported) {
      // The first line that differs, not two texts.
      let difference = zip(one.lines, other.lines).first { $0 != $1 }
      #expect(difference == nil && one.all == other.all, "\(String(describing: difference))")
    }
    return live
  }

  /// Two sampling threads, of which one takes longer than the interval now and then, with lists of
  /// the busiest processes, values that are missing and a step of the wall clock: what is written
  /// while it is recorded is what the record is exported as, byte for byte.
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func whatIsWrittenLiveIsWhatIsExported(seed: UInt64) throws {
    let live = try recorded(seed: seed, maximumDeliveryLatency: 10_000_000) { scheduler in
      [
        CollectorRequest(
          ScriptedCollector(
            name: "top", records: 3, recordName: "busiest", scheduler: scheduler,
            duration: 50_000)),
        CollectorRequest(
          ScriptedCollector(
            name: "slow",
            script: (0..<400).map { $0 % 50 == 9 ? .gap(.absent) : .value(UInt64($0)) },
            scheduler: scheduler, duration: 1_300_000)),
      ]
    } _: { scheduler in
      scheduler.sleep(150_100_000)
      scheduler.step(70_000_000)
      scheduler.sleep(150_100_000)
    }
    #expect((200...310).contains(live[0].lines.count), "one row a tick")
    let both = live[0].lines.dropFirst().count { line in
      line.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
    }
    #expect(both > 50, "ticks of both threads: \(both)")
    for part in [#""type":"records""#, #""event":"clockStep""#, #""event":"gap""#] {
      #expect(live[2].all.contains(part), "\(part)")
    }
  }

  /// Two threads, one of which takes several samples in a tick and comes to the last of them behind
  /// the other one's next deadline; layouts that no sample was taken of; a collector that is not
  /// there: each deadline and each edge is one row, and the export is the same bytes.
  @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
  func aRowWaitsForTheLastSampleOfItsTick(seed: UInt64) throws {
    // Passes at every moment of a tick.
    let live = try recorded(seed: seed, maximumDeliveryLatency: 1_300_000) { scheduler in
      func collector(_ name: String, _ duration: UInt64) -> CollectorRequest {
        CollectorRequest(
          ScriptedCollector(name: name, scheduler: scheduler, duration: duration), required: false)
      }
      let absent = ScriptedCollector(name: "gone", availability: .absent(reason: "no such file"))
      // What is armed anew has other columns than the first sample of it.
      let text = TextScript.Reading.text("a 1\n")
      let whole = [text, .text("c 7\n")]
      let script = Array(repeating: whole, count: 20) + [[text, .failure(ENOENT)], whole]
      let changing = try TextScript(
        ["f", "g"], script, rearmed: [text, .text("d 1\n")], scheduler: scheduler,
        duration: 50_000)
      return [
        collector("one", 700_000), collector("two", 600_000), collector("three", 600_000),
        collector("four", 500_000), CollectorRequest(absent, required: false),
        CollectorRequest(changing),
      ]
    } _: { scheduler in
      scheduler.sleep(300_100_000)
    }
    #expect(live[2].lines[0].contains(#""unavailable":[{"collector":"gone","#))
    let layouts = live[2].lines.filter { $0.contains(#""event":"layout","#) }
    #expect(!layouts.isEmpty && layouts.allSatisfy { !$0.contains("text.d") })
    #expect(live[2].all.contains("added text.d"), "the event of the layout without a sample")
    #expect(live[1].lines.count > 100)
  }

  /// A ring that is full of records: frames and batches are dropped whole, each is counted, and
  /// those that come are in order, a batch right behind its frame.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func recordsThatFindNoRoomAreCounted(seed: UInt64) throws {
    let (sink, ledger) = try VirtualSession.run(seed: seed) { scheduler in
      // The drain is away from the first tick on, for 20 s.
      let sink = CollectingSink(scheduler: scheduler, works: [0, 20_000_000_000])
      let virtual = VirtualSession(scheduler, interval: 100_000_000)
      let session = try virtual.arm(
        [CollectorRequest(ScriptedCollector(records: 200))], [sink])
      _ = try session.start()
      scheduler.sleep(30_050_000_000)
      let ledger = try session.stop(sampling: true).ledger
      session.disarm()
      return (sink, ledger)
    }
    let line = ledger.threads[0]
    #expect(ledger.isExact && line.ticks.onTime == 300)
    #expect(line.ring.dropped > 0)
    // One push for a frame that finds no room for its records either; two for one that does.
    let taken = line.collectors[0].acquisitions
    #expect(line.ring.pushed == 2 * taken + line.ring.dropped && taken + line.ring.dropped == 302)
    #expect(line.collectors[0].records == 200 * taken)
    #expect(sink.frames.count == Int(taken) && sink.recordBatches.count == Int(taken))
    #expect(sink.recordBatches.map(\.header.start) == sink.frames.map(\.header.end))
    #expect(sink.recordBatches.map { $0.values[0] } == sink.frames.map { $0.values[0] })
    let starts = sink.frames.map(\.header.start)
    #expect(starts == starts.sorted())
  }
}
