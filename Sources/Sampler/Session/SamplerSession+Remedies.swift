import LinuxSystem
package import SampleModel
import SampleRing
import Synchronization

/// A ring that was given more room.
package struct RingGrowth: Sendable, Hashable {
  /// Number of the sampling thread.
  package let thread: Int
  /// Bytes of its ring before.
  package let from: Int
  /// Bytes of its ring from now on.
  package let to: Int

  /// A growth.
  package init(thread: Int, from: Int, to: Int) {
    self.thread = thread
    self.from = from
    self.to = to
  }
}

/// What is done about sampling that went wrong.
extension SamplerSession {
  /// The most words that a ring grows to: 32 MiB.
  static let grownCapacity = 1 << 22

  /// Gives the rings of `threads` a quarter more room from the next bracket on. A ring at its bound
  /// stays as it is, as do all where they would have more than `limit` bytes together. Not between
  /// `start` and `stop`; not of a thread that is left alone, which may be writing.
  package func growRings(
    of threads: [Int], limit: Int = .max
  ) throws(LBError) -> [RingGrowth] {
    guard let drain else { throw LBError(.internal, "growing rings before arm") }
    var grown: [RingGrowth] = []
    welcomeBack()
    for index in threads where self.threads.indices.contains(index) && canBeTouched(index) {
      let (old, isPending) = drain.inTurn {
        (drain.sources[index].ring.capacity, drain.sources[index].next != nil)
      }
      let new = RingStorage.capacity(atLeast: old + old / 4)
      let bytes = RingStorage.byteCount(capacity: new)
      let others = ringBytes - RingStorage.byteCount(capacity: old)
      guard !isPending, new <= Self.grownCapacity, others + bytes <= limit else { continue }
      do throws(SystemError) {
        let ring = try Self.ring(index, words: new, reach: new / 4, configuration)
        self.threads[index].replaceRing(ring.takeProducer(), wakeFill: new / 2)
        drain.replace(index, ring)
      } catch {
        throw LBError(
          .metricCollection, "ring \(index) cannot be given more room: \(error)",
          context: ErrorContext(errno: error.errno))
      }
      grown.append(
        RingGrowth(thread: index, from: RingStorage.byteCount(capacity: old), to: bytes))
    }
    return grown
  }

  /// Bytes of all rings.
  package var ringBytes: Int {
    guard let drain else { return 0 }
    return drain.inTurn { drain.sources.reduce(0) { $0 + $1.ring.byteCount } }
  }

  /// Reads an optional collector no more and disarms it; false for one that is required, not
  /// sampled, or of a thread that is left alone. Not between `start` and `stop`.
  package func disable(_ collector: String) -> Bool {
    welcomeBack()
    guard !isSilent,
      let stream = meta?.streams.first(where: { $0.collector == collector && !$0.required }),
      !table.isOver(stream.stream), canBeTouched(stream.thread)
    else { return false }
    threads[stream.thread].disable(stream.stream)
    table.end(stream.stream, on: threads[stream.thread])
    suspended.removeAll { $0.stream == stream.stream }
    return true
  }

  /// Lets go of what the collectors hold of the host, as long as nothing is sampled. Harmless when
  /// that is done already; nothing is let go of that a thread may be reading.
  package func suspend() {
    guard suspended.isEmpty, isDrained, !isSilent else { return }
    welcomeBack()
    for stream in (meta?.streams ?? []).reversed()
    where !table.isOver(stream.stream) && canBeTouched(stream.thread) {
      let arming = table.release(stream.stream, from: threads[stream.thread])
      suspended.append((stream.stream, arming))
    }
  }

  /// Whether a sampling thread is known to be parked, with everything that it has read delivered.
  func canBeTouched(_ thread: Int) -> Bool {
    !threads[thread].isLeftAlone.load(ordering: .relaxed)
  }

  /// Arms anew what was suspended, each within the answer limit. Throws at the first collector that
  /// cannot be, which it names: it stays suspended, as do those behind it, and nothing is started
  /// as long as one does. Then call it again, or disable that one before. Nothing is touched that a
  /// hanging thread may be reading.
  package func resume() throws(LBError) {
    guard !isSilent else { return }
    while let (stream, arming) = suspended.last {
      guard var failure = rearm(stream, after: arming, within: configuration.answerLimit) else {
        suspended.removeLast()
        continue
      }
      let name = table.name(stream)
      failure.category = .metricCollection
      failure.message = "\(name) cannot be re-armed after the wait (\(failure.message))"
      failure.context.collector = name
      throw failure
    }
    for thread in answering {
      thread.announceMail()
      thread.openMail()
    }
  }

  /// Ends whatever is being sampled without waiting for threads that may not answer: those park
  /// when they come back. The session is of no more use but to be disarmed.
  package func abandon() {
    isSilent = true
    for thread in threads.reversed() { thread.close(sampling: false) }
    // What they have taken is delivered all the same.
    drain?.lift()
  }

  /// Ends a bracket that was never closed: its threads are somewhere in their ticks.
  func park(_ drain: Drain) throws(LBError) {
    for thread in answering.reversed() { thread.close(sampling: false) }
    try awaitAll(within: configuration.answerLimit)
    drain.flush()
  }

  /// The threads that are not left alone.
  var answering: [SamplingThread] {
    threads.filter { !$0.isLeftAlone.load(ordering: .relaxed) }
  }

  /// Takes threads that have answered meanwhile back into the session, with what they have read for
  /// brackets that went on without them delivered. Not between `start` and `stop`.
  func welcomeBack() {
    var isBack = false
    for thread in threads where thread.isLeftAlone.load(ordering: .relaxed) {
      guard thread.awaitDone(within: 0) else { continue }
      thread.isLeftAlone.store(false, ordering: .releasing)
      isBack = true
    }
    if isBack { drain?.flush() }
  }

  /// Waits for every thread's answer. One that gives none within `limit` nanoseconds is named:
  /// where others are there and none of its collectors is required, it is left alone until it
  /// answers, and else the session is of no more use but to be disarmed.
  func awaitAll(within limit: UInt64) throws(LBError) {
    for thread in answering.reversed() where !thread.awaitDone(within: isSilent ? 0 : limit) {
      let stream = thread.reading.load(ordering: .relaxed)
      let name = table.name(stream)
      let words =
        "sampling thread \(thread.index) has been blocked for \(Durations.text(limit)) in "
        + "collector \(name)"
      let mine = (meta?.streams ?? []).filter { $0.thread == thread.index }
      if !isSilent, !mine.isEmpty, !mine.contains(where: \.required), answering.count > 1 {
        thread.isLeftAlone.store(true, ordering: .releasing)
        // Whenever it comes back, it waits for the next bracket.
        thread.send(.park)
        drain?.note(words + "; its values are left out until the read returns")
        continue
      }
      isSilent = true
      throw LBError(.metricCollection, words, context: ErrorContext(collector: name))
    }
  }

  static func memoryNode(ofCPU cpu: Int, _ configuration: SamplerConfiguration) -> Int? {
    guard HostFacts.nodes(configuration.context.roots).count > 1 else { return nil }
    return NumaLibrary.node(ofCPU: cpu)
  }

  /// A ring of so many words for thread number `index`; `reach`: as `Mapping` says.
  static func ring(
    _ index: Int, words: Int, reach: Int, _ configuration: SamplerConfiguration
  ) throws(SystemError) -> RingStorage {
    let cpu = configuration.cpus[index % configuration.cpus.count]
    let wishes = Mapping.Wishes(
      node: memoryNode(ofCPU: cpu, configuration), hugePages: configuration.hugePages,
      locked: configuration.lockMemory)
    return try RingStorage(words: words, reach: reach, purpose: "ring \(index)", wishes: wishes)
  }
}
