import LinuxSystem
import SampleModel
import SampleRing
import Synchronization

/// The ordinary thread that reads the rings, decodes raw records, and delivers frames to the sinks
/// in the order in which their acquisitions began.
///
/// Records are read in place. A frame is delivered once no older one can come: every sampling
/// thread has a low watermark, before which all its frames are published. Frames that wait for a
/// slower thread wait in their ring; a ring that is nearly full is emptied in the order in which it
/// was written.
///
/// The thread that closes a bracket empties the rings itself, in `flush`: a handshake with the
/// drain's thread on another CPU would cost more. The pass lock keeps the two apart; sampling
/// threads never wait for it.
final class Drain: @unchecked Sendable {
  // Sendable: accessed with `passLock` held, or after a flush, but for the signal, the maximum
  // watermark and the results, which have locks of their own.

  /// One ring's consumer, and the sampling thread that writes to it.
  final class Source {
    let thread: SamplingThread
    let interval: UInt64
    var consumer: RingConsumer
    var ring: RingStorage
    /// A larger ring that the thread has not adopted yet, and its consumer.
    var next: (handover: RingHandover, ring: RingStorage)?
    var nextConsumer: RingConsumer?
    /// The thread adopted the larger ring before this pass began.
    var isOutgrown = false
    /// Records read.
    var drained: UInt64 = 0
    /// Cadences as they were reported last.
    var cadences: [UInt64]
    /// The thread's low watermark at the last pass, and since when and for how many passes.
    var lowWatermark: UInt64 = .max
    var lowWatermarkSince: UInt64 = 0
    var passesAtLowWatermark = 0
    /// The thread was reported to hang.
    var hangs = false

    init(_ thread: SamplingThread, _ ring: RingStorage, interval: UInt64) {
      self.thread = thread
      self.ring = ring
      self.interval = interval
      consumer = ring.takeConsumer()
      cadences = (0..<thread.cadences.count).map { thread.cadences[$0] }
    }
  }

  /// Makes a ring of `words` words for sampling thread `thread`.
  typealias RingMaker = @Sendable (_ thread: Int, _ words: Int) throws(SystemError) -> RingStorage

  /// The unread part of one ring, of what was published when the pass began.
  @safe private struct Cursor {
    let words: UnsafeBufferPointer<UInt64>
    /// The start time of the first record, UInt64.max without one.
    let start: UInt64

    init(_ words: UnsafeBufferPointer<UInt64>) {
      unsafe self.words = words
      unsafe start = words.count < FrameHeader.wordCount ? .max : FrameHeader.start(of: words.span)
    }
  }

  /// Words after which a pass releases room to the producer.
  private static let portion = 16 << 10

  let signal: Signal
  let time: TimeSource
  let table: StreamTable
  let sinks: [any SampleSink]
  private let period: UInt64
  let worker: ArmingWorker
  let responseTimeout: UInt64
  /// The share of one CPU that sampling may use, 0 without a limit.
  let budget: Double
  private let makeRing: RingMaker
  private(set) var sources: [Source] = []
  private var thread: SystemThread?

  /// While an edge is being taken on several threads: no frame that starts later is delivered.
  private let maximumWatermark = Atomic<UInt64>(.max)
  /// Held during a pass, by the drain's thread or by `flush`.
  private let passLock: TicketLock
  private let ending = Atomic<Bool>(false)
  /// The time of the bracket's last deadline.
  let lastDeadline = Atomic<UInt64>(.max)
  /// Every sampling thread has passed its last deadline, or hung at that time.
  let isOver = Atomic<Bool>(false)
  /// Raised when a sink failed or the sampling threads are all finished.
  let attention: StopFlag
  private let firstFailure: Guarded<LBError?>
  /// Results of the arming thread by stream: a failure, or nil for success.
  let rearmings: Guarded<[(stream: UInt16, failure: LBError?)]>

  // Accessed with `passLock` held.
  var live: [Live] = []
  var events: [SampleEvent] = []
  /// The first frame of the edge that was delivered last.
  var edge: FrameHeader?
  var sinkFailed: [Bool]
  private var watch: ClockJumpDetector
  /// CPU time of the drain's thread and of flushes.
  private(set) var cpuNanoseconds: UInt64 = 0

  init(
    _ configuration: SamplerConfiguration, signal: Signal, table: StreamTable,
    worker: ArmingWorker, sinks: [any SampleSink], period: UInt64, makeRing: @escaping RingMaker
  ) throws(SystemError) {
    self.signal = signal
    self.table = table
    self.worker = worker
    self.sinks = sinks
    self.period = period
    self.makeRing = makeRing
    time = configuration.time
    responseTimeout = configuration.responseTimeout
    budget = configuration.budget ?? 0
    passLock = TicketLock(time)
    firstFailure = Guarded(time, nil)
    rearmings = Guarded(time, [])
    attention = try StopFlag()
    sinkFailed = Array(repeating: false, count: sinks.count)
    watch = ClockJumpDetector(clock: time)
  }

  /// The first error of a sink or of the drain itself.
  var failure: LBError? { firstFailure.withLock { $0 } }

  /// Adds a thread's ring. Before `launch`.
  func add(_ source: Source) { sources.append(source) }

  /// Replaces the ring of thread `index`, which is parked and whose ring is drained.
  func replace(_ index: Int, _ ring: RingStorage) {
    withPassLock {
      let old = sources[index]
      sources[index] = Source(old.thread, ring, interval: old.interval)
      sources[index].drained = old.drained
    }
  }

  /// Starts the thread, pinned to `cpus` if given.
  func launch(meta: StreamMeta, cpus: CPUSet?) throws(SystemError) {
    deliver { sink throws(LBError) in try sink.begin(meta) }
    for layout in table.layouts {
      while live.count <= Int(layout.stream) { live.append(Live()) }
      use(layout)
      announceLayout(live[Int(layout.stream)])
    }
    deliver { sink throws(LBError) in try sink.commit(watermark: 0) }
    thread = try SystemThread(name: "lb-drain", time: time) { [unowned self] in
      if let cpus, !cpus.isEmpty {
        do throws(SystemError) {
          try cpus.applyToThisThread()
        } catch {
          let note = "the drain could not be moved to CPUs \(cpus): \(error)"
          withPassLock { report(.note, note) }
        }
      }
      run()
    }
  }

  /// Delivers everything published so far to the sinks and commits it, on the caller's thread.
  func flush() { timedPass() }

  /// Calls `body` with the pass lock held.
  func withPassLock<Value>(_ body: () -> Value) -> Value { passLock.withLock(body) }

  /// Withholds every frame that starts later than now until `lift`. Returns the value of `body`,
  /// called with the pass lock held.
  func hold<Value>(_ body: () -> Value) -> Value {
    withPassLock {
      // Release: pairs with the load in `pass`.
      maximumWatermark.store(time.monotonic(), ordering: .releasing)
      return body()
    }
  }

  /// Ends `hold`.
  func lift() { maximumWatermark.store(.max, ordering: .releasing) }

  private func timedPass(isLast: Bool = false) {
    withPassLock {
      let before = time.threadCPU()
      pass(isLast: isLast)
      cpuNanoseconds &+= time.threadCPU() &- before
    }
  }

  /// Ends the thread after a last pass, which waits for no sampling thread: everything published is
  /// delivered even if a thread hangs.
  func shutDown() {
    guard let thread else { return }
    ending.store(true, ordering: .releasing)
    signal.wake()
    thread.join()
    self.thread = nil
  }

  /// Records drained of each ring. After a flush.
  func drained(_ index: Int) -> UInt64 { sources[index].drained }

  /// Steps back, resets and wraps of a stream since the last call. After a flush.
  func takeSteps(_ stream: Int) -> CounterCounts {
    stream < live.count ? live[stream].steps.take() : CounterCounts()
  }

  /// Acquisitions of a stream that could not be decoded since the last call. After a flush.
  func takeGaps(_ stream: Int) -> GapCounts {
    guard stream < live.count else { return GapCounts() }
    defer { live[stream].gaps = GapCounts() }
    return live[stream].gaps
  }

  private func run() {
    // A pass on another thread's request does not delay the next periodic one.
    var next = time.monotonic() &+ period
    while true {
      let seen = signal.current()
      let isEnding = ending.load(ordering: .acquiring)
      timedPass(isLast: isEnding)
      if isEnding { return }
      let isOver = withPassLock {
        !sources.isEmpty
          && sources.allSatisfy {
            $0.thread.finished.load(ordering: .acquiring)
              || $0.hangs && time.monotonic() >= lastDeadline.load(ordering: .acquiring)
          }
      }
      if isOver {
        if sources.contains(where: \.hangs) { self.isOver.store(true, ordering: .releasing) }
        attention.raise()
      }
      let now = time.monotonic()
      if now >= next { next = now &+ period }
      signal.wait(since: seen, until: next)
    }
  }

  // MARK: A pass

  /// Delivers all complete records in order of time, and commits.
  private func pass(isLast: Bool) {
    // The watermarks are read before the rings: all records before them are then in the rings.
    var watermark = isLast ? .max : maximumWatermark.load(ordering: .acquiring)
    for source in sources where !isLast && !source.thread.isUnresponsive.load(ordering: .acquiring)
    {
      watermark = min(watermark, source.thread.lowWatermark.load(ordering: .acquiring))
    }
    noteRearmings()
    noteCadences()
    noteHangs()
    events += watch.check()
    let committed = min(watermark, deliverRecords(before: watermark))
    deliverEvents(upTo: watermark)
    deliver { sink throws(LBError) in try sink.commit(watermark: committed) }
  }

  /// Delivers, in order of time over all rings, the records that are there now and start before
  /// `watermark`. The producers keep writing meanwhile. Returns the earliest deadline of the
  /// remaining records: that tick is not complete, since its other samples may start before the
  /// watermark.
  private func deliverRecords(before watermark: UInt64) -> UInt64 {
    var cursors: [Cursor] = []
    for source in sources {
      // Read before the ring: if a larger one was adopted, this one is complete.
      source.isOutgrown = source.next?.handover.isTaken.load(ordering: .acquiring) ?? false
      unsafe cursors.append(Cursor(source.consumer.unread()))
    }
    for index in sources.indices { changeRing(index, &cursors) }
    var passed = 0
    while let index = nextSource(cursors, watermark) {
      let source = sources[index]
      let words = unsafe cursors[index].words
      guard let record = RingRecord(unsafe words.span) else {
        fail(LBError(.internal, "\(words.count) words of ring \(index) are no record"))
        source.consumer.pass(words.count)
        unsafe cursors[index] = Cursor(words.extracting(words.count...))
        continue
      }
      deliver(record, unsafe words.span.extracting(0..<record.length), of: source)
      let stride = min(RingRecord.stride(record.length), words.count)
      source.consumer.pass(stride)
      source.drained &+= 1
      unsafe cursors[index] = Cursor(words.extracting(stride...))
      changeRing(index, &cursors)
      passed += stride
      if passed >= Self.portion {
        passed = 0
        for source in sources { source.consumer.release() }
      }
    }
    for source in sources { source.consumer.release() }
    return firstDeadline(cursors)
  }

  /// The earliest deadline of the first records of the rings, UInt64.max without any. All frames of
  /// an edge share the deadline of its first one.
  private func firstDeadline(_ cursors: [Cursor]) -> UInt64 {
    var first = UInt64.max
    for index in cursors.indices {
      let words = unsafe cursors[index].words
      guard let header = RingRecord(unsafe words.span)?.header else { continue }
      first = min(first, header.deadline)
      if let edge, edge.isOfSameEdge(header) { first = min(first, edge.deadline) }
    }
    return first
  }

  /// The ring whose first record comes next: the one that starts first, if that is before
  /// `watermark`, or else one that is nearly full.
  @inline(__always)
  private func nextSource(_ cursors: [Cursor], _ watermark: UInt64) -> Int? {
    var first: Int?
    var start = watermark
    for index in cursors.indices where cursors[index].start < start {
      first = index
      start = cursors[index].start
    }
    if let first { return first }
    return cursors.indices.first {
      unsafe cursors[$0].words.count > sources[$0].ring.capacity / 4 * 3
    }
  }

  /// Changes to a larger ring as soon as the old one is empty: its records may be older than those
  /// of other rings.
  @inline(__always)
  private func changeRing(_ index: Int, _ cursors: inout [Cursor]) {
    let source = sources[index]
    guard source.isOutgrown, unsafe cursors[index].words.isEmpty, let next = source.next,
      let consumer = source.nextConsumer.take()
    else { return }
    source.consumer = consumer
    source.ring = next.ring
    source.next = nil
    source.isOutgrown = false
    unsafe cursors[index] = Cursor(source.consumer.unread())
  }

  /// Doubles the ring of a thread whose acquisitions do not fit.
  func growRing(_ source: Source, atLeast least: Int = 0) {
    let words = RingStorage.capacity(atLeast: max(source.ring.capacity * 2, least))
    guard source.next == nil, words <= RingRecord.longest else { return }
    do throws(SystemError) {
      let ring = try makeRing(source.thread.index, words)
      let handover = RingHandover(ring.takeProducer(), wakeFill: ring.capacity / 2)
      source.next = (handover, ring)
      source.nextConsumer = ring.takeConsumer()
      source.thread.handOver(handover)
    } catch {
      report(.note, "ring \(source.thread.index) cannot be given more room: \(error)")
    }
  }

  /// Delivers the events up to `limit`, before the frames that start at that time: the order in
  /// which a stored run is replayed.
  func deliverEvents(upTo limit: UInt64) {
    guard !events.isEmpty else { return }
    let due = events.filter { $0.time <= limit }
    guard !due.isEmpty else { return }
    events.removeAll { $0.time <= limit }
    for event in due { deliver { sink throws(LBError) in try sink.event(event) } }
  }

  /// Delivers an event immediately if it has the `time` of a frame; an event without a time is
  /// queued until all earlier frames are delivered.
  func report(_ kind: SampleEvent.Kind, _ message: String, at time: UInt64? = nil) {
    let event = SampleEvent(kind, time: time ?? self.time.monotonic(), message: message)
    guard time != nil else {
      events.append(event)
      return
    }
    deliver { sink throws(LBError) in try sink.event(event) }
  }

  // MARK: Sinks

  func deliver(_ body: (any SampleSink) throws(LBError) -> Void) {
    for index in sinks.indices where !sinkFailed[index] { guarded(index, body) }
  }

  func guarded(_ index: Int, _ body: (any SampleSink) throws(LBError) -> Void) {
    do throws(LBError) {
      try body(sinks[index])
    } catch {
      sinkFailed[index] = true
      fail(error)
    }
  }

  func fail(_ error: LBError) {
    firstFailure.withLock { if $0 == nil { $0 = error } }
    attention.raise()
  }
}
