/// A counter of wake-ups that threads can wait for.
package final class Signal: Sendable {
  package let time: TimeSource
  private let word = FutexWord()

  /// A signal without wake-ups.
  package init(_ time: TimeSource) { self.time = time }

  /// Wakes all threads that wait, or will wait, for an earlier count.
  package func wake() {
    word.increment()
    time.wakeAll(word)
  }

  /// The present count, to be read before looking for work.
  package func current() -> UInt32 { word.load() }

  /// Waits until woken since `seen` was read, or until the CLOCK_MONOTONIC `deadline`.
  package func wait(since seen: UInt32, until deadline: UInt64) {
    time.wait(word, whileEqualTo: seen, until: deadline)
  }
}
