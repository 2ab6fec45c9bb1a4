import LinuxSystem

/// The word that the drain waits on, and that sampling threads and controllers wake it by.
final class DrainSignal: Sendable {
  private let word = FutexWord()

  /// Makes the drain run a pass now.
  func wake() { word.bump() }

  /// The word's present value, to be read before looking for work.
  func current() -> UInt32 { word.load() }

  /// Waits until woken since `seen` was read, or until `deadline`.
  func wait(since seen: UInt32, until deadline: UInt64) {
    Futex.wait(word, whileEqualTo: seen, until: deadline)
  }
}
