import LinuxSystem
import SampleModel
import SampleRing
import Synchronization

/// The ordinary thread that takes frames out of the rings, merges them by acquisition time and
/// hands them to the sinks.
///
/// It delivers a frame once no older one can come: every sampling thread states a floor below
/// which all its frames are published. What waits for a slower thread is bounded; beyond the
/// bound it is delivered in the order in which it came.
///
/// Whoever closes a bracket empties the rings itself, in `flush`: a handshake with the drain's
/// thread on another CPU would cost more than that. The two take turns; sampling threads never
/// wait for either.
final class Drain: @unchecked Sendable {
  // Sendable: everything but the signal, the ceiling and the results in locks of their own is
  // touched by whoever holds `turn`, or read after a flush.

  /// One ring's reading end with the thread that feeds it.
  private final class Source {
    let thread: SamplingThread
    var consumer: RingConsumer
    /// Cadences as they were told last.
    var cadences: [UInt64]

    init(thread: SamplingThread, consumer: consuming RingConsumer) {
      self.thread = thread
      cadences = (0..<thread.cadences.count).map { thread.cadences[$0] }
      self.consumer = consumer
    }
  }

  private struct Held {
    var start: UInt64
    var offset: Int
    var count: Int
  }

  /// Words that are taken out of a ring at once, whatever waits there: a pass that comes late needs
  /// no more memory than others.
  private static let portion = 16 << 10
  /// Words that may wait for a slower thread.
  private static let heldLimit = 1 << 22

  let signal: DrainSignal
  private let table: StreamTable
  private let sinks: [any SampleSink]
  private let period: UInt64
  private let clock: TimeSource
  private var sources: [Source] = []
  private var thread: SystemThread?

  /// While an edge is being taken on several threads: nothing that starts later is delivered.
  let ceiling = Atomic<UInt64>(.max)
  /// Held for a pass, by the drain's thread or by `flush`.
  private let turn = Mutex(())
  /// Orders one turn before the next for the thread sanitizer too, which does not see into the
  /// lock; the lock itself orders them already.
  private let turns = Atomic<UInt64>(0)
  private let ending = Atomic<Bool>(false)
  /// Raised when a sink failed or the sampling threads are all finished.
  let attention: StopFlag
  private let firstFailure = Mutex<LBError?>(nil)

  // Of whoever has its turn.
  private var words: [UInt64] = []
  private var held: [Held] = []
  private var sinkFailed: [Bool]
  /// Of each stream, the layout that the sinks were told last.
  private var told: [Layout?] = []
  private var steps = StepWatch()
  private var refreshes = RefreshWatch()
  private var watch: ClockWatch
  private var rearmFailedAt: [UInt16: UInt64] = [:]
  /// When a stream was armed anew; forgotten at its next complete frame.
  private var rearmedAt: [UInt16: UInt64] = [:]
  /// CPU time of the drain's thread and of flushes.
  private(set) var cpuNanoseconds: UInt64 = 0

  init(
    signal: DrainSignal, table: StreamTable, sinks: [any SampleSink], period: UInt64,
    clock: TimeSource
  ) throws(SystemError) {
    self.signal = signal
    self.table = table
    self.sinks = sinks
    self.period = period
    self.clock = clock
    attention = try StopFlag()
    sinkFailed = Array(repeating: false, count: sinks.count)
    watch = ClockWatch(clock: clock)
  }

  /// The first error of a sink or a collector that had to be armed anew.
  var failure: LBError? { firstFailure.withLock { $0 } }

  /// Adds a ring. Before `launch`.
  func add(_ thread: SamplingThread, _ consumer: consuming RingConsumer) {
    sources.append(Source(thread: thread, consumer: consumer))
  }

  /// Puts a new ring in the place of that of thread `index`, which is parked, its ring drained.
  func replace(_ index: Int, _ thread: SamplingThread, _ consumer: consuming RingConsumer) {
    let source = Source(thread: thread, consumer: consumer)
    inTurn { sources[index] = source }
  }

  /// Starts the thread, kept to `cpus` if given.
  func launch(meta: StreamMeta, cpus: CPUSet?) throws(SystemError) {
    deliver { sink throws(LBError) in try sink.begin(meta) }
    for layout in table.layouts { deliverLayout(layout) }
    deliver { sink throws(LBError) in try sink.commit(watermark: 0) }
    thread = try SystemThread(name: "lb-drain") { [unowned self] in
      if let cpus, !cpus.isEmpty {
        do throws(SystemError) {
          try cpus.applyToThisThread()
        } catch {
          let note = "the drain could not be moved to CPUs \(cpus): \(error)"
          inTurn { report(.note, note) }
        }
      }
      run()
    }
  }

  /// Hands everything published so far to the sinks, committed, on the caller's thread.
  func flush() { takeTurn() }

  /// Calls `body` while nobody drains.
  func inTurn<Value: Sendable>(_ body: () -> Value) -> Value {
    turn.withLock { _ in
      let count = turns.load(ordering: .acquiring)
      defer { turns.store(count &+ 1, ordering: .releasing) }
      return body()
    }
  }

  private func takeTurn() {
    inTurn {
      let before = Clock.threadCPU()
      pass()
      cpuNanoseconds &+= Clock.threadCPU() &- before
    }
  }

  /// Ends the thread after a last pass.
  func shutDown() {
    guard let thread else { return }
    ending.store(true, ordering: .releasing)
    signal.wake()
    thread.join()
    self.thread = nil
  }

  /// Messages drained of each ring. After a flush.
  func drained(_ index: Int) -> UInt64 { sources[index].consumer.drained }

  /// Steps back, resets and wraps of a stream since the last call. After a flush.
  func takeSteps(_ stream: Int) -> CounterCounts { steps.take(stream) }

  private func run() {
    // A pass that somebody else asked for does not put off the next one.
    var next = Clock.monotonic() &+ period
    while true {
      let seen = signal.current()
      let isEnding = ending.load(ordering: .acquiring)
      takeTurn()
      if isEnding { return }
      let isOver = inTurn {
        !sources.isEmpty
          && sources.allSatisfy { $0.thread.finished.load(ordering: .acquiring) }
      }
      if isOver { attention.raise() }
      let now = Clock.monotonic()
      if now >= next { next = now &+ period }
      signal.wait(since: seen, until: next)
    }
  }

  /// Takes what there is, merges it, delivers it, and commits.
  private func pass() {
    // The floors are read before the rings: what is below them is then in the rings.
    var watermark = ceiling.load(ordering: .acquiring)
    for source in sources {
      watermark = min(watermark, source.thread.floor.load(ordering: .acquiring))
    }
    reportCadences()
    for event in watch.check() { deliver { sink throws(LBError) in try sink.event(event) } }
    // What is there now, and no more: the producers go on meanwhile.
    var waiting = sources.map { $0.consumer.waiting }
    repeat {
      var bound = watermark
      for index in sources.indices {
        let last = takeOut(index, &waiting[index])
        // What it has left starts no earlier.
        if waiting[index] > 0 { bound = min(bound, last &+ 1) }
      }
      deliver(before: bound)
    } while waiting.contains { $0 > 0 }
    deliver { sink throws(LBError) in try sink.commit(watermark: watermark) }
  }

  /// Tells what a thread changed to keep the budget.
  private func reportCadences() {
    for source in sources {
      for index in source.cadences.indices {
        let cadence = source.thread.cadences[index]
        guard cadence != source.cadences[index] else { continue }
        let isLonger = cadence > source.cadences[index]
        source.cadences[index] = cadence
        // A new bracket begins as it was asked for.
        guard isLonger else { continue }
        let period = cadence * source.thread.bracket.interval
        let words = period % 1_000_000 == 0 ? "\(period / 1_000_000) ms" : "\(period / 1000) µs"
        let name = table.layouts.first { $0.stream == source.thread.stream(index) }?.collector
        report(.budget, "budget: \(name ?? "a collector") is read every \(words) from now on")
      }
    }
  }

  /// Takes a portion out of one ring, of the `waiting` words that are left of it; gives when its
  /// last message starts.
  private func takeOut(_ index: Int, _ waiting: inout Int) -> UInt64 {
    guard waiting > 0 else { return 0 }
    var place = words.count
    let before = place
    let messages = sources[index].consumer.take(
      upTo: min(Self.portion, waiting), appendingTo: &words)
    sources[index].consumer.release()
    waiting -= words.count - before
    held.reserveCapacity(held.count + messages)
    while place < words.count {
      let count = Int(words[place])
      held.append(Held(start: words[place + 5], offset: place + 1, count: count))
      place += count + 1
    }
    return held.last?.start ?? 0
  }

  /// Delivers what is held and starts before `bound`, in order.
  private func deliver(before bound: UInt64) {
    if sources.count > 1 { held.sort { $0.start < $1.start } }
    let overfull = words.count > Self.heldLimit
    var taken = 0
    while taken < held.count, overfull || held[taken].start < bound {
      deliverMessage(held[taken])
      taken += 1
    }
    held.removeFirst(taken)
    if held.isEmpty {
      words.removeAll(keepingCapacity: true)
    } else {
      compact()
    }
  }

  /// Moves the words of what is still held to the front.
  private func compact() {
    var packed: [UInt64] = []
    for index in held.indices {
      let place = held[index].offset
      held[index].offset = packed.count
      packed += words[place..<place + held[index].count]
    }
    words = packed
  }

  private func deliverMessage(_ message: Held) {
    // Taken out of the property, so that a sink's work does not meet an exclusive access of it.
    let all = words
    let span = all.span.extracting(message.offset..<message.offset + message.count)
    guard let header = FrameHeader(decoding: span) else {
      fail(LBError(.internal, "a ring message of \(message.count) words has no frame header"))
      return
    }
    let body = span.extracting(FrameHeader.wordCount..<message.count)
    guard let layout = layout(of: header) else {
      fail(LBError(.internal, "a frame of unknown stream \(header.stream) epoch \(header.epoch)"))
      return
    }
    if header.kind == .records {
      for index in sinks.indices where !sinkFailed[index] {
        guarded(index) { sink throws(LBError) in try sink.records(header, body) }
      }
      return
    }
    if header.outcome == .complete {
      steps.observe(header, body, layout)
      for message in refreshes.observe(header, body, layout) { report(.note, message) }
      if !rearmedAt.isEmpty, header.epoch > 1 { rearmedAt[header.stream] = nil }
    }
    for index in sinks.indices where !sinkFailed[index] {
      guarded(index) { sink throws(LBError) in try sink.frame(header, body) }
    }
    if header.outcome.needsRearm { rearm(header, layout) }
  }

  /// The layout of a frame, which the sinks are told of before the first one.
  private func layout(of header: FrameHeader) -> Layout? {
    let stream = Int(header.stream)
    if stream < told.count, let layout = told[stream], layout.epoch == header.epoch {
      return layout
    }
    guard let layout = table.layout(header.stream, epoch: header.epoch) else { return nil }
    table.retire(layout.stream, before: layout.epoch)
    deliverLayout(layout)
    return layout
  }

  private func deliverLayout(_ layout: Layout) {
    let stream = Int(layout.stream)
    while told.count <= stream { told.append(nil) }
    told[stream] = layout
    deliver { sink throws(LBError) in try sink.layout(layout) }
  }

  private func rearm(_ header: FrameHeader, _ layout: Layout) {
    let now = clock.monotonic()
    // Once a second is enough for a source that fails to arm, or that gives no values armed.
    for last in [rearmFailedAt[header.stream], rearmedAt[header.stream]] {
      if let last, now &- last < 1_000_000_000 { return }
    }
    do throws(LBError) {
      guard let (next, change) = try table.rearm(header.stream, after: header.epoch) else {
        return
      }
      rearmFailedAt[header.stream] = nil
      rearmedAt[header.stream] = now
      report(
        .layoutEpoch, "\(next.collector): layout epoch \(next.epoch): \(change)")
    } catch {
      let first = rearmFailedAt[header.stream] == nil
      rearmFailedAt[header.stream] = now
      // An arming's error begins with its collector.
      if first { report(.gap, "\(error)") }
    }
  }

  private func report(_ kind: SampleEvent.Kind, _ message: String) {
    let event = SampleEvent(kind, time: clock.monotonic(), message: message)
    deliver { sink throws(LBError) in try sink.event(event) }
  }

  private func deliver(_ body: (any SampleSink) throws(LBError) -> Void) {
    for index in sinks.indices where !sinkFailed[index] { guarded(index, body) }
  }

  private func guarded(_ index: Int, _ body: (any SampleSink) throws(LBError) -> Void) {
    do throws(LBError) {
      try body(sinks[index])
    } catch {
      sinkFailed[index] = true
      fail(error)
    }
  }

  private func fail(_ error: LBError) {
    firstFailure.withLock { if $0 == nil { $0 = error } }
    attention.raise()
  }
}
