import Synchronization

/// A fair lock: it is acquired in the order of requests, so that a thread that takes it repeatedly
/// cannot starve others. It waits through a time source, so that tests can run it in virtual time.
package final class TicketLock: Sendable {
  private let time: TimeSource
  /// The next ticket.
  private let next = Atomic<UInt32>(0)
  /// The ticket being served, or served next.
  private let present = FutexWord()

  /// An unlocked lock.
  package init(_ time: TimeSource) { self.time = time }

  /// Calls `body` with the lock held. Not recursive.
  package func withLock<Value, E>(_ body: () throws(E) -> Value) throws(E) -> Value {
    let mine = next.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue
    while true {
      let seen = present.load()
      if seen == mine { break }
      time.wait(present, whileEqualTo: seen, until: Futex.forever)
    }
    defer {
      // Sequentially consistent with the check for waiters: a later request sees this ticket
      // served.
      present.storeSequentiallyConsistent(mine &+ 1)
      if next.load(ordering: .sequentiallyConsistent) != mine &+ 1 { time.wakeAll(present) }
    }
    return try body()
  }
}

/// A value protected by a `TicketLock`. Unlike the standard library's `Mutex`, whose code is not
/// instrumented, the lock is seen by the thread sanitizer.
package final class Guarded<Value>: @unchecked Sendable {
  private let lock: TicketLock
  // Used only with the lock held.
  private var value: Value

  /// Protects `value`.
  package init(_ time: TimeSource, _ value: sending Value) {
    lock = TicketLock(time)
    self.value = value
  }

  /// Calls `body` with the value and the lock held. Not recursive.
  package func withLock<Result, E>(_ body: (inout Value) throws(E) -> Result) throws(E) -> Result {
    try lock.withLock { () throws(E) -> Result in try body(&value) }
  }
}
