import LinuxSystem
import SampleRing
import Synchronization

/// The controller's side of a sampling thread.
extension SamplingThread {
  /// What the controller wants next.
  enum Operation: UInt32 {
    /// Takes the opening samples and goes on sampling.
    case open
    /// Samples: the opening ones were taken by the controller.
    case sample
    /// Takes the edge's failed collectors again, after they were armed anew.
    case retryEdge
    case close
    case park
    case exit

    /// Bits of a command word below its number.
    static let bits: UInt32 = 3

    /// What a command word says.
    init(command: UInt32) {
      self = Operation(rawValue: command & ((1 << Self.bits) - 1)) ?? .park
    }
  }

  /// Who may touch the streams, the ring's writing end and the ticks.
  enum Turn: UInt8, AtomicRepresentable {
    /// The controller: the thread is parked, or will be when its sleep is over.
    case controller
    /// The thread, which is sampling.
    case thread
    /// Whoever takes it first: the thread sleeps until a deadline.
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

  /// Opens a bracket: its opening samples are taken here and now where they cannot hang, or else
  /// by the thread, which `awaitDone` waits for. While parked.
  func open(_ bracket: Bracket) {
    self.bracket = bracket
    edgeNanoseconds = 0
    guard lendsEdges, readsProcOnly() else {
      send(.open)
      return
    }
    let before = time.threadCPU()
    openBracket()
    // As the thread does before it sleeps: it may sleep already, and not look before the bracket
    // is closed.
    passIdleTicks()
    let first = nextDeadline
    floor.store(first, ordering: .releasing)
    // The turn before the command: a thread that wakes at a deadline of the bracket before and
    // takes the turn finds another bracket's number; one that finds the command can go on.
    turn.store(.sleeping, ordering: .releasing)
    sent = next(.sample)
    command.storeInOrder(sent)
    // A sleep that ends by the first deadline need not be ended.
    if sleepsUntil.load(ordering: .sequentiallyConsistent) > first { time.wakeAll(command) }
    edgeNanoseconds = time.threadCPU() &- before
  }

  /// Closes it, with closing samples if `sampling`: here where the thread sleeps and they cannot
  /// hang, or else by the thread, which `awaitDone` waits for.
  func close(sampling: Bool) {
    guard lendsEdges, awaited == nil, passTurn(from: .sleeping, to: .controller) else {
      send(sampling ? .close : .park)
      return
    }
    guard readsProcOnly() else {
      turn.store(.sleeping, ordering: .releasing)
      send(sampling ? .close : .park)
      return
    }
    let before = time.threadCPU()
    closeBracket(sampling: sampling)
    edgeNanoseconds &+= time.threadCPU() &- before
  }

  /// Whether every source is a file of the kernel's proc file system, that of collectors that were
  /// armed meanwhile too. For whoever has the turn.
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

  /// Streams whose last edge needs another arming, with the numbers of their armings. For the
  /// controller, at an edge.
  func failedEdges() -> [(stream: UInt16, arming: UInt32)] {
    var failed: [(stream: UInt16, arming: UInt32)] = []
    for index in unsafe streams.indices {
      let state = unsafe streams[index]
      // A raw one is the drain's to decode: its edge is there.
      if state.isDisabled || state.isRaw || !state.edgeOutcome.needsRearm { continue }
      failed.append((state.stream, state.edgeArming))
    }
    return failed
  }

  /// Reads this stream no more. For the controller, while parked.
  func disable(_ stream: UInt16) {
    for index in unsafe streams.indices where unsafe streams[index].stream == stream {
      unsafe streams[index].isDisabled = true
      unsafe due[index] = .max
    }
  }

  /// Reads this stream by `arming`, which outlives the thread's use of it, until another one comes.
  /// For the controller, while parked.
  func read(_ arming: Arming, of stream: UInt16) {
    openMail()
    for index in unsafe streams.indices where unsafe streams[index].stream == stream {
      unsafe streams[index].take(arming)
    }
  }

  /// Takes the turn if it is at `from`.
  @inline(__always)
  func passTurn(from: Turn, to: Turn) -> Bool {
    // Acquire: partner of the release of whoever had it.
    turn.compareExchange(expected: from, desired: to, ordering: .acquiring).exchanged
  }

  /// Hands over `operation` without waiting.
  func send(_ operation: Operation) {
    sent = next(operation)
    awaited = sent
    command.store(sent)
    time.wakeAll(command)
  }

  private func next(_ operation: Operation) -> UInt32 {
    ((sent >> Operation.bits) &+ 1) << Operation.bits | operation.rawValue
  }

  /// Waits until what was sent last is done; false when it is not within `limit` nanoseconds.
  func awaitDone(within limit: UInt64) -> Bool {
    guard let awaited else { return true }
    guard awaitAcknowledged(awaited, until: time.monotonic() &+ limit) else { return false }
    self.awaited = nil
    return true
  }

  /// Ends the thread and waits for it; false when it does not end within `limit` nanoseconds: it
  /// then hangs in an acquisition, and everything that it uses must stay.
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

  /// Says that there is something in a mailbox. By any thread.
  func announceMail() {
    // Release: partner of the exchange in `openMail`.
    hasMail.store(true, ordering: .releasing)
  }

  /// Hands over a larger ring, which the caller keeps until it is taken. By the drain.
  func handOver(_ ring: RingHandover) {
    let address = unsafe UInt(bitPattern: Unmanaged.passUnretained(ring).toOpaque())
    nextRing.store(address, ordering: .releasing)
    announceMail()
  }

  /// Takes newly armed collectors and a larger ring into use. Allocates nothing: what was there
  /// before waits in the stream table and in the drain. For whoever has the turn, with everything
  /// published.
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
      // Release: partner of the drain, for which the old ring is complete then.
      ring.isTaken.store(true, ordering: .releasing)
    }
  }

  /// Writes into another ring from now on. With everything published.
  func replaceRing(_ next: consuming RingProducer, wakeFill: Int) {
    unsafe producer.pointee = next
    unsafe wakeRoom = producer.pointee.capacity - wakeFill
    wokenAt = nil
  }
}
