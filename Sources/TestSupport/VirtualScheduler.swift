import Glibc
package import LinuxSystem
import Synchronization

/// Virtual time with threads that take turns, decided by a seed: the same seed gives the same
/// schedule, to the nanosecond.
///
/// Real threads run, but one at a time. Each call into the time is a scheduling point, at which
/// another thread may go on instead. Time stands still while a thread runs; it moves by `work` and
/// `advance`, and to the earliest deadline once every thread waits. Where none has a deadline,
/// `run` throws a report of who waits for what.
///
/// Threads are registered by `SystemThread(time:)` within the body of `run`. A thread that is not
/// may read the clocks, wake others, and wait: alone it waits no real time, beside registered ones
/// in small real steps. Code under test must not meet the time with a lock in its hand that
/// another thread wants: the watchdog then ends the test.
package final class VirtualScheduler: VirtualTime {
  /// What a schedule depends on.
  package struct Options: Sendable {
    /// Decides everything that chance decides.
    package var seed: UInt64
    /// Probability that a thread which could go on lets another one, at each scheduling point.
    package var switching = 0.25
    /// Probability that a wait on a word returns at once without cause.
    package var spurious = 0.0
    /// Nanoseconds that reading a clock takes. Loops that wait for the clock need more than none.
    package var readCost: UInt64 = 0
    /// Nanoseconds that a wait takes which finds its deadline passed: it is then a mere look.
    package var lookCost: UInt64 = 0
    /// Whether outside processes or threads write to descriptors: while one is waited for and
    /// nothing else can run, time passes as it really does, and the schedule depends on it.
    package var realDescriptors = false
    /// Scheduling points after which threads are taken to keep each other busy for ever.
    package var pointLimit = 10_000_000
    /// Real nanoseconds without a scheduling point after which the test is ended.
    package var timeout: UInt64 = 30_000_000_000
    /// CLOCK_MONOTONIC at the start.
    package var monotonic: UInt64 = 1_000_000_000
    /// CLOCK_REALTIME at the start.
    package var realtime: UInt64 = 1_700_000_000_000_000_000
    /// CLOCK_BOOTTIME at the start.
    package var boottime: UInt64 = 1_000_000_000

    /// The options of `seed`.
    package init(seed: UInt64 = 1) { self.seed = seed }
  }

  private let options: Options
  private let schedule: Mutex<VirtualSchedule>
  /// Not 0 once every thread has ended or the test has failed.
  private let over = FutexWord(0)

  /// A scheduler with time at its start.
  package init(_ options: Options = Options()) {
    self.options = options
    schedule = Mutex(VirtualSchedule(options))
  }

  /// A scheduler of `seed`, all else by default.
  package convenience init(seed: UInt64) { self.init(Options(seed: seed)) }

  /// The time that it tells.
  package var source: TimeSource { TimeSource(self) }
  /// A hash of all scheduling decisions so far, with their times.
  package var trace: UInt64 { schedule.withLock { $0.hash } }
  /// How often the token went from one thread to another.
  package var handOvers: Int { schedule.withLock { $0.handOvers } }
  /// Scheduling points so far.
  package var points: Int { schedule.withLock { $0.points } }

  // MARK: A test

  /// Runs `body` on a registered thread called `main`, and all threads that it starts to their end.
  ///
  /// Throws what `body` throws, or `VirtualFailure`: then the threads stay blocked for ever.
  /// Expectations belong after the call, on its result: the thread is not the test's.
  package func run<Answer>(_ body: @escaping () throws -> Answer) throws -> Answer {
    let task = VirtualTask(body)
    over.store(0)
    let main = schedule.withLock { schedule in
      let main = schedule.add("main")
      precondition(schedule.current == nil, "a scheduler runs one body at a time")
      schedule.current = main.number
      return main
    }
    main.grant()
    let thread = try SystemThread(name: "main") { [self] in
      threadBegins(main.number)
      task.run()
      threadEnds(main.number)
    }
    watch()
    if let failure = schedule.withLock({ $0.failure }) {
      thread.detach()
      throw failure
    }
    thread.join()
    return try task.answer()
  }

  /// Waits until all is over, in real time, or until nothing has happened for too long.
  private func watch() {
    var seen = points
    var since = Clock.monotonic()
    while over.load() == 0 {
      let now = Clock.monotonic()
      Futex.wait(over, whileEqualTo: 0, until: now + min(options.timeout / 4, 1_000_000_000))
      let points = points
      if points != seen { (seen, since) = (points, now) }
      if now - since > options.timeout, over.load() == 0 {
        schedule.withLock { schedule in _ = schedule.fail(.stall) }
        return
      }
    }
  }

  /// A scheduling point: another thread goes on, if one can.
  package func yield() { _ = meet(.yield) }

  /// The calling thread works for so long; others go on meanwhile, as on other CPUs.
  package func work(_ nanoseconds: UInt64) {
    let known = meet(.work) { schedule, thread in
      guard nanoseconds > 0 else { return false }
      thread.cpu += nanoseconds
      thread.condition = .busy
      thread.deadline = schedule.now + nanoseconds
      return true
    }
    if !known { advance(nanoseconds) }
  }

  /// The calling thread sleeps for so long.
  package func sleep(_ nanoseconds: UInt64) {
    _ = wait(readable: [], until: monotonic() + nanoseconds)
  }

  /// All clocks jump, as if nothing had run meanwhile: who waits for a moment in between is late.
  package func advance(_ nanoseconds: UInt64) {
    schedule.withLock { $0.advance(nanoseconds) }
    _ = meet(.advance)
  }

  /// Steps the wall clock.
  package func step(_ nanoseconds: Int64) {
    schedule.withLock { $0.realtimeOffset &+= UInt64(bitPattern: nanoseconds) }
  }

  /// Sleeps as a suspended host does: CLOCK_MONOTONIC stands still.
  package func suspend(_ nanoseconds: UInt64) {
    schedule.withLock {
      $0.realtimeOffset &+= nanoseconds
      $0.suspended += nanoseconds
    }
  }

  // MARK: VirtualTime

  /// CLOCK_MONOTONIC.
  package func monotonic() -> UInt64 { read { $0.now } }
  /// CLOCK_REALTIME.
  package func realtime() -> UInt64 { read { $0.now &+ $0.realtimeOffset } }
  /// CLOCK_BOOTTIME.
  package func boottime() -> UInt64 { read { $0.now &+ $0.suspended } }
  /// What the calling thread has worked.
  package func threadCPU() -> UInt64 { read { $0.caller?.cpu ?? 0 } }
  /// What all threads have worked.
  package func processCPU() -> UInt64 { read { $0.threads.reduce(0) { $0 + $1.cpu } } }

  /// Waits on a word: with the token from the look at it to the registration, as the kernel's lock
  /// has it.
  package func wait(
    _ word: borrowing FutexWord, whileEqualTo expected: UInt32, until deadline: UInt64
  ) {
    guard meet(.wait) else {
      waitUnregistered(until: deadline) { word.load() != expected }
      return
    }
    guard word.load() == expected else { return }
    let address = word.identity
    _ = meet(.wait) { schedule, thread in
      guard schedule.now < deadline else {
        schedule.advance(schedule.options.lookCost)
        return nil
      }
      if schedule.random.chance(schedule.options.spurious) { return nil }
      thread.condition = .word(schedule.number(ofWordAt: address), holds: expected)
      thread.deadline = deadline
      return true
    }
  }

  /// Wakes every waiter of the word.
  package func wakeAll(_ word: borrowing FutexWord) {
    let address = word.identity
    schedule.withLock { schedule in
      let number = schedule.number(ofWordAt: address)
      for thread in schedule.threads {
        if case .word(number, _) = thread.condition { thread.resume() }
      }
    }
    _ = meet(.wake)
  }

  /// Polls at once; then waits, and polls again whenever another thread has run.
  package func wait(readable descriptors: [Int32], until deadline: UInt64?) -> [Int] {
    guard meet(.look) else { return waitUnregistered(descriptors, until: deadline) }
    while true {
      let ready = Poll.wait(readable: descriptors, until: 0)
      if !ready.isEmpty { return ready }
      var isOver = false
      _ = meet(.wait) { schedule, thread in
        guard schedule.now < deadline ?? .max else {
          schedule.advance(schedule.options.lookCost)
          isOver = true
          return nil
        }
        thread.condition = .descriptors(descriptors)
        thread.deadline = deadline ?? .max
        return true
      }
      if isOver { return [] }
    }
  }

  /// Registers the thread to come; -1 for one that an unregistered thread starts.
  package func threadWillStart(name: String) -> Int {
    schedule.withLock { schedule in
      guard schedule.caller != nil else { return -1 }
      return schedule.add(name).number
    }
  }

  /// Waits for its turn.
  package func threadBegins(_ number: Int) {
    guard number >= 0 else { return }
    let thread = schedule.withLock { schedule in
      schedule.threads[number].handle = pthread_self()
      return schedule.threads[number]
    }
    thread.park()
  }

  /// Gives the token away for good.
  package func threadEnds(_ number: Int) {
    guard number >= 0 else { return }
    let (thread, isCreator) = schedule.withLock { schedule in
      let thread = schedule.threads[number]
      thread.condition = .ended
      thread.deadline = .max
      for other in schedule.threads where other.condition == .joining(number) { other.resume() }
      return (thread, thread.handle == nil)
    }
    // A thread that could not be created never had the token.
    if isCreator { return }
    carryOut(schedule.withLock { $0.block(thread, at: .end) }, thread, .end, parks: false)
  }

  /// Waits for the end of its body.
  package func waitForEnd(_ number: Int) {
    guard number >= 0 else { return }
    let known = meet(.join) { schedule, thread in
      guard schedule.threads[number].condition != .ended else { return nil }
      thread.condition = .joining(number)
      return true
    }
    guard !known else { return }
    waitUnregistered(until: .max) {
      schedule.withLock { $0.threads[number].condition == .ended }
    }
  }

  // MARK: Scheduling points

  private func read(_ clock: (VirtualSchedule) -> UInt64) -> UInt64 {
    _ = meet(.read)
    return schedule.withLock { schedule in
      if options.readCost > 0, schedule.caller != nil { schedule.advance(options.readCost) }
      return clock(schedule)
    }
  }

  /// A scheduling point of the calling thread; false where it is not registered. `change` gives
  /// whether the thread waits by now; nil for no decision at all.
  private func meet(
    _ point: VirtualSchedule.Point,
    _ change: (inout VirtualSchedule, VirtualThread) -> Bool? = { _, _ in false }
  ) -> Bool {
    let decision = schedule.withLock { schedule -> (VirtualThread, VirtualSchedule.Move)? in
      guard let thread = schedule.caller else { return nil }
      guard let waits = change(&schedule, thread) else { return (thread, .stay) }
      guard waits else { return (thread, schedule.offer(thread, at: point)) }
      return (thread, schedule.block(thread, at: point))
    }
    guard let (thread, move) = decision else { return false }
    carryOut(move, thread, point, parks: true)
    return true
  }

  private func carryOut(
    _ first: VirtualSchedule.Move, _ thread: VirtualThread, _ point: VirtualSchedule.Point,
    parks: Bool
  ) {
    var move = first
    while true {
      switch move {
      case .stay: return
      case .pass(let next):
        next.grant()
        if parks { thread.park() }
        return
      case .look(let descriptors, let limit):
        let began = Clock.monotonic()
        _ = Poll.wait(readable: descriptors, until: began + 1_000_000)
        let passed = Clock.monotonic() - began
        move = schedule.withLock { schedule in
          schedule.advance(min(passed, limit - schedule.now))
          return schedule.dispatch(thread, point)
        }
      case .finish, .freeze:
        over.store(1)
        Futex.wakeAll(over)
        if parks { thread.park() }
        return
      }
    }
  }

  // MARK: Threads that are not registered

  private func waitUnregistered(until deadline: UInt64, _ isDone: () -> Bool) {
    while !isDone() {
      let isOver = schedule.withLock { schedule in
        if schedule.isEmpty, deadline != .max, schedule.now < deadline {
          schedule.advance(deadline - schedule.now)
        }
        return schedule.now >= deadline || schedule.failure != nil
      }
      if isOver { return }
      _ = Poll.wait(readable: [], until: Clock.monotonic() + 200_000)
    }
  }

  private func waitUnregistered(_ descriptors: [Int32], until deadline: UInt64?) -> [Int] {
    guard let deadline, !options.realDescriptors else {
      return Poll.wait(readable: descriptors, until: deadline)
    }
    var ready: [Int] = []
    waitUnregistered(until: deadline) {
      ready = Poll.wait(readable: descriptors, until: 0)
      return !ready.isEmpty
    }
    return ready
  }
}
