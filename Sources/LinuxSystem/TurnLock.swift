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
