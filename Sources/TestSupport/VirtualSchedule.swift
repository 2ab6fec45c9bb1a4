import Glibc
import LinuxSystem

/// The state of a `VirtualScheduler`: its time, its threads and its decisions. Under its lock.
struct VirtualSchedule {
  /// At what a thread met the scheduler.
  enum Point: UInt8 {
    case read, wait, wake, look, start, end, join, work, advance, yield
  }

  /// What the thread at a scheduling point does next.
  enum Move {
    /// It runs on.
    case stay
    /// It gives the token to this thread.
    case pass(to: VirtualThread)
    /// All wait, and outside processes may end that: these descriptors are polled for a while.
    case look([Int32], until: UInt64)
    /// Every thread has ended.
    case finish
    /// The test has failed: nothing runs any more.
    case freeze
  }

  private struct Decision {
    var thread: Int
    var point: Point
    var next: Int
    var time: UInt64
  }

  let options: VirtualScheduler.Options
  var now: UInt64
  var realtimeOffset: UInt64
  var suspended: UInt64
  var threads: [VirtualThread] = []
  /// The thread with the token, nil when no thread is registered.
  var current: Int?
  var random: SeededGenerator
  var points = 0
  var handOvers = 0
  var hash: UInt64 = 0xcbf2_9ce4_8422_2325
  var failure: VirtualFailure?
  private var words: [UInt: Int] = [:]
  private var recent: [Decision] = []
  private var oldest = 0

  init(_ options: VirtualScheduler.Options) {
    self.options = options
    now = options.monotonic
    realtimeOffset = options.realtime &- options.monotonic
    suspended = options.boottime &- options.monotonic
    random = SeededGenerator(options.seed)
  }

  /// The calling thread, nil when it is not the one with the token.
  var caller: VirtualThread? {
    guard let current, threads[current].handle == pthread_self() else { return nil }
    return threads[current]
  }

  /// Whether no thread is registered that has not ended.
  var isEmpty: Bool { !threads.contains { $0.condition != .ended } }

  /// A number for the word at `address`, by the order in which words were met.
  mutating func number(ofWordAt address: UInt) -> Int {
    if let known = words[address] { return known }
    words[address] = words.count
    return words.count - 1
  }

  mutating func add(_ name: String) -> VirtualThread {
    let thread = VirtualThread(number: threads.count, name: name)
    threads.append(thread)
    return thread
  }

  // MARK: Time

  /// Lets all clocks run on; who waited until then can run.
  mutating func advance(_ nanoseconds: UInt64) {
    now += nanoseconds
    for thread in threads where thread.deadline <= now { thread.resume() }
  }

  // MARK: Decisions

  /// `thread` could run on; another one may instead.
  mutating func offer(_ thread: VirtualThread, at point: Point) -> Move {
    guard count(point) else { return .freeze }
    guard point == .yield || random.chance(options.switching) else {
      return decide(thread, point, thread)
    }
    lookAtDescriptors()
    let others = runnable(but: thread)
    guard others > 0 else { return decide(thread, point, thread) }
    return decide(thread, point, pick(random.below(others), but: thread))
  }

  /// `thread` cannot run on: its condition says why.
  mutating func block(_ thread: VirtualThread, at point: Point) -> Move {
    guard count(point) else { return .freeze }
    return dispatch(thread, point)
  }

  /// The rest of `block`, again after each look at outside descriptors.
  mutating func dispatch(_ thread: VirtualThread, _ point: Point) -> Move {
    lookAtDescriptors()
    if runnable() == 0 {
      if isEmpty {
        current = nil
        return .finish
      }
      let earliest = threads.reduce(UInt64.max) { min($0, $1.deadline) }
      let outside = options.realDescriptors ? descriptors : []
      if !outside.isEmpty { return .look(outside, until: earliest) }
      guard earliest != .max else { return fail(.deadlock) }
      advance(earliest - now)
    }
    return decide(thread, point, pick(random.below(runnable()), but: nil))
  }

  private mutating func count(_ point: Point) -> Bool {
    guard failure == nil else { return false }
    points += 1
    if points > options.pointLimit {
      _ = fail(.livelock)
      return false
    }
    return true
  }

  private mutating func decide(
    _ thread: VirtualThread, _ point: Point, _ next: VirtualThread
  ) -> Move {
    mix(UInt64(point.rawValue) << 32 | UInt64(thread.number) << 16 | UInt64(next.number))
    mix(now)
    let decision = Decision(
      thread: thread.number, point: point, next: next.number, time: now)
    if recent.count < 40 {
      recent.append(decision)
    } else {
      recent[oldest] = decision
      oldest = (oldest + 1) % recent.count
    }
    guard next !== thread else { return .stay }
    current = next.number
    handOvers += 1
    return .pass(to: next)
  }

  private mutating func mix(_ value: UInt64) {
    hash = (hash ^ value) &* 0x0000_0100_0000_01b3
    hash ^= hash >> 29
  }

  private func runnable(but exception: VirtualThread? = nil) -> Int {
    threads.reduce(0) { $0 + ($1.condition == .runnable && $1 !== exception ? 1 : 0) }
  }

  /// The `index`th of the threads that can run.
  private func pick(_ index: Int, but exception: VirtualThread?) -> VirtualThread {
    var left = index
    for thread in threads where thread.condition == .runnable && thread !== exception {
      if left == 0 { return thread }
      left -= 1
    }
    preconditionFailure("fewer than \(index) threads can run")
  }

  // MARK: Descriptors

  private var descriptors: [Int32] {
    threads.flatMap { thread -> [Int32] in
      guard case .descriptors(let all) = thread.condition else { return [] }
      return all.filter { $0 >= 0 }
    }
  }

  /// Who waits for a descriptor that is ready by now can run.
  private func lookAtDescriptors() {
    for thread in threads {
      guard case .descriptors(let all) = thread.condition else { continue }
      if !Poll.wait(readable: all, until: 0).isEmpty { thread.resume() }
    }
  }

  // MARK: Failure

  mutating func fail(_ kind: VirtualFailure.Kind) -> Move {
    let ordered = recent.indices.map { recent[(oldest + $0) % recent.count] }
    failure =
      failure
      ?? VirtualFailure(
        kind: kind, seed: options.seed,
        threads: threads.filter { $0.condition != .ended }.map { thread in
          thread.report(now: now) + (thread.number == current ? " (it has the token)" : "")
        },
        decisions: ordered.map {
          "\($0.time): \(threads[$0.thread].name) \($0.point), then \(threads[$0.next].name)"
        })
    return .freeze
  }
}
