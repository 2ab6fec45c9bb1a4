import Synchronization

/// A lock that is given in the order in which it was asked for: a thread that takes it again and
/// again keeps nobody waiting for more than one turn. Its waiting goes through a time source, so
/// that virtual time can hand on its turn.
package final class TurnLock: Sendable {
  private let time: TimeSource
  /// The number of the next turn to be given out.
  private let next = Atomic<UInt32>(0)
  /// The turn that is being taken, or that comes next.
  private let present = FutexWord()

  /// A lock that nobody holds.
  package init(_ time: TimeSource) { self.time = time }

  /// Calls `body` while nobody else is in one. Not from within one.
  package func withLock<Value, E>(_ body: () throws(E) -> Value) throws(E) -> Value {
    let mine = next.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue
    while true {
      let seen = present.load()
      if seen == mine { break }
      time.wait(present, whileEqualTo: seen, until: Futex.forever)
    }
    defer {
      // In order with the look at whether anybody waits: who asks later sees the turn pass.
      present.storeInOrder(mine &+ 1)
      if next.load(ordering: .sequentiallyConsistent) != mine &+ 1 { time.wakeAll(present) }
    }
    return try body()
  }
}

/// A value behind a `TurnLock`. Unlike the standard library's `Mutex`, whose code is not
/// instrumented, the lock is seen by the thread sanitizer.
package final class Guarded<Value>: @unchecked Sendable {
  private let lock: TurnLock
  // Used only with the lock held.
  private var value: Value

  /// `value`, which nobody uses at present.
  package init(_ time: TimeSource, _ value: sending Value) {
    lock = TurnLock(time)
    self.value = value
  }

  /// Calls `body` with the value while nobody else has it. Not from within one.
  package func withLock<Result, E>(_ body: (inout Value) throws(E) -> Result) throws(E) -> Result {
    try lock.withLock { () throws(E) -> Result in try body(&value) }
  }
}
