/// A lock whose waiting goes through a time source, so that virtual time can hand on its turn.
package final class TurnLock: Sendable {
  private let time: TimeSource
  /// 0: free, 1: held, 2: held, and others may wait (Drepper, "Futexes are tricky", mutex 2).
  private let word = FutexWord()

  /// A lock that nobody holds.
  package init(_ time: TimeSource) { self.time = time }

  /// Calls `body` while nobody else is in one.
  package func withLock<Value, E>(_ body: () throws(E) -> Value) throws(E) -> Value {
    if !word.exchange(0, for: 1) {
      while word.swap(2) != 0 { time.wait(word, whileEqualTo: 2, until: Futex.forever) }
    }
    defer { if word.swap(0) == 2 { time.wakeAll(word) } }
    return try body()
  }
}
