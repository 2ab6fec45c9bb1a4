import LinuxSystem
import Synchronization

/// A word that threads wait on, and that others wake them by: a counter of wake-ups.
final class Signal: Sendable {
  let time: TimeSource
  private let word = FutexWord()

  init(_ time: TimeSource) { self.time = time }

  /// Wakes whoever waits, or will wait since an earlier count.
  func wake() {
    word.increment()
    time.wakeAll(word)
  }

  /// The present count, to be read before looking for work.
  func current() -> UInt32 { word.load() }

  /// Waits until woken since `seen` was read, or until the CLOCK_MONOTONIC `deadline`.
  func wait(since seen: UInt32, until deadline: UInt64) {
    time.wait(word, whileEqualTo: seen, until: deadline)
  }
}

/// A lock whose waiting goes through a time source, so that virtual time can hand on its turn.
final class TurnLock: Sendable {
  private let time: TimeSource
  /// 0: free, 1: held, 2: held, and others may wait (Drepper, "Futexes are tricky", mutex 2).
  private let word = FutexWord()

  init(_ time: TimeSource) { self.time = time }

  /// Calls `body` while nobody else is in one.
  func withLock<Value, E>(_ body: () throws(E) -> Value) throws(E) -> Value {
    if !word.exchange(0, for: 1) {
      while word.swap(2) != 0 { time.wait(word, whileEqualTo: 2, until: Futex.forever) }
    }
    defer { if word.swap(0) == 2 { time.wakeAll(word) } }
    return try body()
  }
}
