import Glibc
import LinuxSystem

/// One thread as the scheduler knows it: its wait, and the word on which it is parked.
final class VirtualThread: @unchecked Sendable {
  // Sendable: the scheduler's lock guards all but the word, which is atomic.

  /// What keeps a thread from running.
  enum Condition: Equatable {
    case runnable
    /// A change of the word that the scheduler met as the `word`th.
    case word(Int, holds: UInt32)
    /// One of these descriptors.
    case descriptors([Int32])
    /// The end of its own work.
    case busy
    /// The end of another thread.
    case joining(Int)
    case ended
  }

  let number: Int
  let name: String
  var condition = Condition.runnable
  /// When it runs whatever it waits for, CLOCK_MONOTONIC; `UInt64.max` for never.
  var deadline = UInt64.max
  /// CPU time that its work has taken, nanoseconds.
  var cpu: UInt64 = 0
  /// Nil until it has begun.
  var handle: pthread_t?
  private let token = FutexWord(0)

  init(number: Int, name: String) {
    self.number = number
    self.name = name
  }

  /// Lets it run: the thread need not be parked yet.
  func grant() {
    token.store(1)
    Futex.wakeAll(token)
  }

  /// Waits, in real time, until it may run.
  func park() {
    while token.load() == 0 { Futex.wait(token, whileEqualTo: 0, until: Futex.forever) }
    token.store(0)
  }

  /// Ends its wait.
  func resume() {
    condition = .runnable
    deadline = .max
  }

  /// Its name and its wait, at `now`.
  func report(now: UInt64) -> String {
    let until = deadline == .max ? "" : ", at most for \(deadline &- now) ns"
    return switch condition {
    case .runnable: "\(name) can run"
    case .word(let word, let value): "\(name) waits while word \(word) is \(value)\(until)"
    case .descriptors(let all): "\(name) waits for descriptors \(all)\(until)"
    case .busy: "\(name) works for another \(deadline &- now) ns"
    case .joining(let other): "\(name) waits for the end of thread \(other)"
    case .ended: "\(name) has ended"
    }
  }
}
