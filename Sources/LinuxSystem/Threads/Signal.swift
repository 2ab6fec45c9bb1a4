/// A word that threads wait on, and that others wake them by: a counter of wake-ups.
package final class Signal: Sendable {
  package let time: TimeSource
  private let word = FutexWord()

  /// A count of none.
  package init(_ time: TimeSource) { self.time = time }

  /// Wakes whoever waits, or will wait since an earlier count.
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
