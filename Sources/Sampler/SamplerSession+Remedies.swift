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
  /// `start` and `stop`.
  package func growRings(
    of threads: [Int], limit: Int = .max
  ) throws(LBError) -> [RingGrowth] {
    guard let drain else { throw LBError(.internal, "growing rings before arm") }
    var grown: [RingGrowth] = []
    for index in threads where self.threads.indices.contains(index) {
      let old = ringCapacities[index]
      let new = RingStorage.capacity(atLeast: old + old / 4)
      let bytes = RingStorage.byteCount(capacity: new)
      let others = ringBytes - RingStorage.byteCount(capacity: old)
      guard new <= Self.grownCapacity, others + bytes <= limit else { continue }
      do throws(SystemError) {
        let (storage, memory) = try ring(index, capacity: new)
        self.threads[index].replaceRing(storage.takeProducer(), wakeFill: new / 2)
        drain.replace(index, self.threads[index], storage.takeConsumer())
        memoryLocked += UInt64(memory.lockedBytes)
        memoryLocked -= lockedOfRing[index]
        lockedOfRing[index] = UInt64(memory.lockedBytes)
      } catch {
        throw LBError(
          .metricCollection, "ring \(index) cannot be given more room: \(error)",
          context: ErrorContext(errno: error.errno))
      }
      ringCapacities[index] = new
      grown.append(
        RingGrowth(thread: index, from: RingStorage.byteCount(capacity: old), to: bytes))
    }
    return grown
  }

  /// Bytes of all rings.
  package var ringBytes: Int {
    ringCapacities.reduce(0) { $0 + RingStorage.byteCount(capacity: $1) }
  }

  /// Reads an optional collector no more and disarms it; false for one that is required or not
  /// sampled. Not between `start` and `stop`.
  package func disable(_ collector: String) -> Bool {
    guard !isSilent,
      let stream = meta?.streams.first(where: { $0.collector == collector && !$0.required }),
      !table.isOver(stream.stream)
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
    for stream in (meta?.streams ?? []).reversed() where !table.isOver(stream.stream) {
      let epoch = table.release(stream.stream, from: threads[stream.thread])
      suspended.append((stream.stream, epoch))
    }
  }

  /// Arms anew what was suspended. Throws at the first collector that cannot be, which it names: it
  /// stays suspended, as do those behind it, and nothing is started as long as one does. Then call
  /// it again, or disable that one before. Nothing is touched that a hanging thread may be reading.
  package func resume() throws(LBError) {
    guard !isSilent else { return }
    while let (stream, epoch) = suspended.last {
      do throws(LBError) {
        _ = try table.rearm(stream, after: epoch)
        suspended.removeLast()
      } catch {
        let name = meta?.streams.first { $0.stream == stream }?.collector ?? "a collector"
        var failure = error
        failure.category = .metricCollection
        failure.message = "\(name) cannot be armed again after the wait (\(error.message))"
        failure.context.collector = name
        throw failure
      }
    }
    for thread in threads { thread.fetchReplacements() }
  }

  /// Ends whatever is being sampled without waiting for threads that may not answer: those park
  /// when they come back. The session is of no more use but to be disarmed.
  package func abandon() {
    isSilent = true
    for thread in threads.reversed() { thread.close(sampling: false) }
    // What they have taken is delivered all the same.
    drain?.ceiling.store(.max, ordering: .releasing)
  }

  /// Ends a bracket that was never closed: its threads are somewhere in their ticks.
  func park(_ drain: Drain) throws(LBError) {
    for thread in threads.reversed() { thread.close(sampling: false) }
    try awaitAll()
    drain.flush()
  }

  /// Waits for every thread's answer. One that gives none is named, and the session is of no more
  /// use but to be disarmed.
  func awaitAll() throws(LBError) {
    for thread in threads.reversed()
    where !thread.awaitDone(within: isSilent ? 0 : configuration.answerLimit) {
      isSilent = true
      let stream = thread.reading.load(ordering: .relaxed)
      let name = meta?.streams.first { $0.stream == stream }?.collector ?? "a collector"
      throw LBError(
        .metricCollection,
        "sampling thread \(thread.index) has not answered for "
          + "\(Durations.text(configuration.answerLimit)): it hangs where it reads \(name)",
        context: ErrorContext(collector: name))
    }
  }

  func memoryNode(ofCPU cpu: Int) -> Int? {
    guard HostFacts.nodes(configuration.context.roots).count > 1 else { return nil }
    return NumaLibrary.node(ofCPU: cpu)
  }

  func ring(_ index: Int, capacity: Int) throws(SystemError) -> (RingStorage, Mapping) {
    let wishes = Mapping.Wishes(
      node: memoryNode(ofCPU: cpu(ofThread: index)), hugePages: configuration.hugePages,
      locked: configuration.lockMemory)
    let memory = try Mapping(
      bytes: RingStorage.byteCount(capacity: capacity), purpose: "ring \(index)", wishes: wishes)
    return (
      unsafe RingStorage(capacity: capacity, memory: memory.memory, owner: memory), memory
    )
  }
}
