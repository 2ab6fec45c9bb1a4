import LinuxSystem
package import SampleModel
import SampleRing
import Synchronization

/// A ring that was enlarged.
package struct RingGrowth: Sendable, Hashable {
  /// The number of the sampling thread.
  package let thread: Int
  /// The ring's bytes before.
  package let from: Int
  /// The ring's bytes afterwards.
  package let to: Int

  /// A growth.
  package init(thread: Int, from: Int, to: Int) {
    self.thread = thread
    self.from = from
    self.to = to
  }
}

/// Remedies for failed sampling.
extension SamplerSession {
  /// The maximum capacity of a ring in words: 32 MiB.
  static let grownCapacity = 1 << 22

  /// Enlarges the rings of `threads` by a quarter from the next bracket on. A ring at its maximum
  /// is not changed; no ring is if all together would exceed `limit` bytes. Not between `start` and
  /// `stop`. Skips unresponsive threads, which may be writing.
  package func growRings(
    of threads: [Int], limit: Int = .max
  ) throws(LBError) -> [RingGrowth] {
    guard let drain else { throw LBError(.internal, "growing rings before arm") }
    var grown: [RingGrowth] = []
    readmitThreads()
    for index in threads where self.threads.indices.contains(index) && canBeTouched(index) {
      let (old, isPending) = drain.withPassLock {
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
    return drain.withPassLock { drain.sources.reduce(0) { $0 + $1.ring.byteCount } }
  }

  /// Disables an optional collector and disarms it; false if it is required, not sampled, or read
  /// by an unresponsive thread. Not between `start` and `stop`.
  package func disable(_ collector: String) -> Bool {
    readmitThreads()
    guard !isUnresponsive,
      let stream = meta?.streams.first(where: { $0.collector == collector && !$0.required }),
      !table.isOver(stream.stream), canBeTouched(stream.thread)
    else { return false }
    threads[stream.thread].disable(stream.stream)
    table.end(stream.stream, on: threads[stream.thread])
    suspended.removeAll { $0.stream == stream.stream }
    return true
  }

  /// Releases everything that the collectors hold open, until `resume`. Has no effect if suspended
  /// already. Collectors that a thread may be reading are not released.
  package func suspend() {
    guard suspended.isEmpty, isDrained, !isUnresponsive else { return }
    readmitThreads()
    for stream in (meta?.streams ?? []).reversed()
    where !table.isOver(stream.stream) && canBeTouched(stream.thread) {
      let arming = table.release(stream.stream, from: threads[stream.thread])
      suspended.append((stream.stream, arming))
    }
  }

  /// Whether a sampling thread is parked and all its frames are delivered.
  func canBeTouched(_ thread: Int) -> Bool {
    !threads[thread].isUnresponsive.load(ordering: .relaxed)
  }

  /// Re-arms suspended collectors, each within the response timeout. Throws at the first failure;
  /// that collector and the following ones stay suspended, and the session cannot start. Call it
  /// again, or disable the collector first. Collectors that a hanging thread may be reading are not
  /// touched.
  package func resume() throws(LBError) {
    guard !isUnresponsive else { return }
    while let (stream, arming) = suspended.last {
      guard var failure = rearm(stream, after: arming, within: configuration.responseTimeout) else {
        suspended.removeLast()
        continue
      }
      let name = table.name(stream)
      failure.category = .metricCollection
      failure.message = "\(name) cannot be re-armed after the wait (\(failure.message))"
      failure.context.collector = name
      throw failure
    }
    for thread in responsiveThreads {
      thread.announceMail()
      thread.openMail()
    }
  }

  /// Ends sampling without waiting for threads that may not answer; such threads park later.
  /// Afterwards the session can only be disarmed.
  package func abandon() {
    isUnresponsive = true
    for thread in threads.reversed() { thread.close(sampling: false) }
    // Frames already taken are still delivered.
    drain?.lift()
  }

  /// Ends a bracket that was not closed: its threads are still sampling.
  func park(_ drain: Drain) throws(LBError) {
    for thread in responsiveThreads.reversed() { thread.close(sampling: false) }
    try awaitAll(within: configuration.responseTimeout)
    drain.flush()
  }

  /// The threads that answer.
  var responsiveThreads: [SamplingThread] {
    threads.filter { !$0.isUnresponsive.load(ordering: .relaxed) }
  }

  /// Readmits unresponsive threads that have answered meanwhile, after delivering their late
  /// frames. Not between `start` and `stop`.
  func readmitThreads() {
    var isBack = false
    for thread in threads where thread.isUnresponsive.load(ordering: .relaxed) {
      guard thread.awaitDone(within: 0) else { continue }
      thread.isUnresponsive.store(false, ordering: .releasing)
      isBack = true
    }
    if isBack { drain?.flush() }
  }

  /// Waits for the acknowledgement of every thread. A thread that does not answer within `limit`
  /// nanoseconds is reported. If there are others and none of its collectors is required, the
  /// session continues without it until it answers; otherwise the session can only be disarmed.
  func awaitAll(within limit: UInt64) throws(LBError) {
    for thread in responsiveThreads.reversed()
    where !thread.awaitDone(within: isUnresponsive ? 0 : limit) {
      let stream = thread.reading.load(ordering: .relaxed)
      let name = table.name(stream)
      let words =
        "sampling thread \(thread.index) has been blocked for \(Durations.text(limit)) in "
        + "collector \(name)"
      let mine = (meta?.streams ?? []).filter { $0.thread == thread.index }
      if !isUnresponsive, !mine.isEmpty, !mine.contains(where: \.required),
        responsiveThreads.count > 1
      {
        thread.isUnresponsive.store(true, ordering: .releasing)
        // When it answers later, it waits for the next bracket.
        thread.send(.park)
        drain?.note(words + "; its values are left out until the read returns")
        continue
      }
      isUnresponsive = true
      throw LBError(.metricCollection, words, context: ErrorContext(collector: name))
    }
  }

  static func memoryNode(ofCPU cpu: Int, _ configuration: SamplerConfiguration) -> Int? {
    guard HostFacts.nodes(configuration.context.roots).count > 1 else { return nil }
    return NumaLibrary.node(ofCPU: cpu)
  }

  /// A ring of `words` words for thread number `index`; for `reach` see `Mapping`.
  static func ring(
    _ index: Int, words: Int, reach: Int, _ configuration: SamplerConfiguration
  ) throws(SystemError) -> RingStorage {
    let cpu = configuration.cpus[index % configuration.cpus.count]
    let options = Mapping.Options(
      node: memoryNode(ofCPU: cpu, configuration), hugePages: configuration.hugePages,
      locked: configuration.lockMemory)
    return try RingStorage(words: words, reach: reach, purpose: "ring \(index)", options: options)
  }
}
