import LinuxSystem
import SampleRing
import Synchronization

/// The controller's side of a sampling thread.
extension SamplingThread {
  /// The controller's commands.
  enum Operation: UInt32 {
    /// Take the opening samples, then sample.
    case open
    /// Sample: the controller has taken the opening samples.
    case sample
    /// Retry the collectors that failed at the edge, after they were re-armed.
    case retryEdge
    case close
    case park
    case exit

    /// Bits of a command word below its number.
    static let bits: UInt32 = 3

    /// The operation in a command word.
    init(command: UInt32) {
      self = Operation(rawValue: command & ((1 << Self.bits) - 1)) ?? .park
    }
  }

  /// The thread that may access the streams, the ring's producer and the ticks.
  enum Owner: UInt8, AtomicRepresentable {
    /// The controller: the sampling thread is parked, or will be after its sleep.
    case controller
    /// The sampling thread.
    case thread
    /// Free to take: the sampling thread sleeps until a deadline.
    case sleeping
  }

  /// The parameters of a bracket.
  struct Bracket {
    var number: UInt32 = 0
    var base: UInt64 = 0
    var interval: UInt64 = 1
    /// Deadlines to take, UInt64.max for no end.
    var limit: UInt64 = .max
  }

  /// Starts the pthread and waits until it is parked.
  func launch(stack: Mapping) throws(SystemError) {
    let thread = try SystemThread(name: "lb-sample-\(index)", stack: stack, time: time) {
      [unowned self] in
      main()
    }
    self.thread = thread
    _ = awaitAcknowledged(0, until: Futex.forever)
    if let setupFailure {
      thread.join()
      throw setupFailure
    }
  }

  /// Opens a bracket while the thread is parked. Collectors that cannot block are sampled here;
  /// otherwise the thread takes the opening samples, and `awaitDone` waits for it.
  func open(_ bracket: Bracket) {
    self.bracket = bracket
    edgeNanoseconds = 0
    guard samplesEdgesOnCaller, readsProcOnly() else {
      send(.open)
      return
    }
    let before = time.threadCPU()
    openBracket()
    // Skip idle deadlines here too: the thread may stay asleep until the bracket is closed.
    passIdleTicks()
    let first = nextDeadline
    lowWatermark.store(first, ordering: .releasing)
    // Ownership is released before the command is stored: a thread that wakes at a deadline of the
    // previous bracket and becomes the owner sees the new bracket's number; one that sees the
    // command can start.
    owner.store(.sleeping, ordering: .releasing)
    sent = next(.sample)
    command.storeSequentiallyConsistent(sent)
    // A sleep that ends before the first deadline need not be interrupted.
    if sleepsUntil.load(ordering: .sequentiallyConsistent) > first { time.wakeAll(command) }
    edgeNanoseconds = time.threadCPU() &- before
  }

  /// Closes the bracket, with closing samples if `sampling`. They are taken here if the thread
  /// sleeps and no collector can block; otherwise by the thread, and `awaitDone` waits for it.
  func close(sampling: Bool) {
    guard samplesEdgesOnCaller, awaited == nil, transferOwnership(from: .sleeping, to: .controller)
    else {
      send(sampling ? .close : .park)
      return
    }
    guard readsProcOnly() else {
      owner.store(.sleeping, ordering: .releasing)
      send(sampling ? .close : .park)
      return
    }
    let before = time.threadCPU()
    closeBracket(sampling: sampling)
    edgeNanoseconds &+= time.threadCPU() &- before
  }

  /// Whether every source, also of collectors re-armed meanwhile, is a file of the kernel's proc
  /// file system. On the owner's thread.
  private func readsProcOnly() -> Bool {
    openMail()
    return withStreams { streams in
      for index in streams.indices where !streams[index].isDisabled {
        guard unsafe streams[index].armed._withUnsafeGuaranteedRef({ $0.isOnProc }) else {
          return false
        }
      }
      return true
    }
  }

  /// Streams that must be re-armed for their last edge, with the numbers of their armings. For the
  /// controller, at an edge.
  func failedEdges() -> [(stream: UInt16, arming: UInt32)] {
    var failed: [(stream: UInt16, arming: UInt32)] = []
    for index in unsafe streams.indices {
      let state = unsafe streams[index]
      // Raw acquisitions are complete here; the drain decodes them.
      if state.isDisabled || state.isRaw || !state.edgeOutcome.needsRearm { continue }
      failed.append((state.stream, state.edgeArming))
    }
    return failed
  }

  /// Disables this stream. For the controller, while parked.
  func disable(_ stream: UInt16) {
    for index in unsafe streams.indices where unsafe streams[index].stream == stream {
      unsafe streams[index].isDisabled = true
      unsafe due[index] = .max
    }
  }

  /// Reads this stream with `arming`, which must outlive its use, until the next arming arrives.
  /// For the controller, while parked.
  func read(_ arming: Arming, of stream: UInt16) {
    openMail()
    for index in unsafe streams.indices where unsafe streams[index].stream == stream {
      unsafe streams[index].take(arming)
    }
  }

  /// Changes the owner from `from` to `to`; false if it is another.
  @inline(__always)
  func transferOwnership(from: Owner, to: Owner) -> Bool {
    // Acquire: pairs with the previous owner's release.
    owner.compareExchange(expected: from, desired: to, ordering: .acquiring).exchanged
  }

  /// Sends `operation` without waiting.
  func send(_ operation: Operation) {
    sent = next(operation)
    awaited = sent
    command.store(sent)
    time.wakeAll(command)
  }

  private func next(_ operation: Operation) -> UInt32 {
    ((sent >> Operation.bits) &+ 1) << Operation.bits | operation.rawValue
  }

  /// Waits until the last command is completed; false if it is not within `limit` nanoseconds.
  func awaitDone(within limit: UInt64) -> Bool {
    guard let awaited else { return true }
    guard awaitAcknowledged(awaited, until: time.monotonic() &+ limit) else { return false }
    self.awaited = nil
    return true
  }

  /// Ends the thread and waits for it; false if it does not end within `limit` nanoseconds: it then
  /// hangs in an acquisition, and everything that it uses must be kept alive.
  func shutDown(within limit: UInt64) -> Bool {
    guard let thread else { return true }
    send(.exit)
    guard awaitDone(within: limit) else {
      thread.detach()
      return false
    }
    thread.join()
    self.thread = nil
    return true
  }

  private func awaitAcknowledged(_ value: UInt32, until deadline: UInt64) -> Bool {
    while true {
      let seen = acknowledged.load()
      if seen == value { return true }
      if time.monotonic() >= deadline { return false }
      time.wait(acknowledged, whileEqualTo: seen, until: deadline)
    }
  }

  // MARK: Mail

  /// Signals that a mailbox is not empty. By any thread.
  func announceMail() {
    // Release: pairs with the exchange in `openMail`.
    hasMail.store(true, ordering: .releasing)
  }

  /// Hands over a larger ring, which the caller keeps alive until it is adopted. By the drain.
  func handOver(_ ring: RingHandover) {
    let address = unsafe UInt(bitPattern: Unmanaged.passUnretained(ring).toOpaque())
    nextRing.store(address, ordering: .releasing)
    announceMail()
  }

  /// Adopts re-armed collectors and a larger ring. Allocates nothing: the previous ones are kept by
  /// the stream table and the drain. On the owner's thread, with everything published.
  func openMail() {
    guard hasMail.exchange(false, ordering: .acquiring) else { return }
    for index in unsafe streams.indices {
      guard let arming = unsafe mailboxes[index].fetch() else { continue }
      unsafe arming._withUnsafeGuaranteedRef { unsafe streams[index].take($0) }
    }
    let address = nextRing.exchange(0, ordering: .acquiring)
    guard let pointer = unsafe UnsafeRawPointer(bitPattern: address) else { return }
    unsafe Unmanaged<RingHandover>.fromOpaque(pointer)._withUnsafeGuaranteedRef { ring in
      guard let next = ring.take() else { return }
      replaceRing(next, wakeFill: ring.wakeFill)
      // Release: pairs with the drain's acquire; the old ring is complete.
      ring.isTaken.store(true, ordering: .releasing)
    }
  }

  /// Replaces the ring. With everything published.
  func replaceRing(_ next: consuming RingProducer, wakeFill: Int) {
    unsafe producer.pointee = next
    unsafe wakeRoom = producer.pointee.capacity - wakeFill
    wokenAt = nil
  }
}
