import Synchronization

/// A source of time: clocks, waiting and waking.
///
/// The system's time source uses the kernel, with one predictable branch before each call. Tests
/// replace it by a `VirtualTime`, in which hours pass in microseconds and one thread runs at a
/// time.
@usableFromInline
package struct TimeSource: Sendable {
  /// The kernel's clocks, futexes and poll(2).
  package static let system = TimeSource()

  /// The virtual time of a test, nil for the kernel's.
  @usableFromInline package let virtual: (any VirtualTime)?

  /// A source of virtual time, nil for the kernel's.
  package init(_ virtual: (any VirtualTime)? = nil) { self.virtual = virtual }

  /// CLOCK_MONOTONIC, nanoseconds.
  @inlinable @inline(__always)
  package func monotonic() -> UInt64 {
    if let virtual { return virtual.monotonic() }
    return Clock.monotonic()
  }

  /// CLOCK_MONOTONIC after that many nanoseconds; `UInt64.max`, which is never reached, on
  /// overflow.
  package func deadline(in nanoseconds: UInt64) -> UInt64 {
    let (sum, isBeyond) = monotonic().addingReportingOverflow(nanoseconds)
    return isBeyond ? .max : sum
  }

  /// CLOCK_REALTIME, nanoseconds of Unix time.
  @inlinable @inline(__always)
  package func realtime() -> UInt64 { virtual?.realtime() ?? Clock.realtime() }

  /// CLOCK_BOOTTIME, nanoseconds; includes suspends.
  package func boottime() -> UInt64 { virtual?.boottime() ?? Clock.boottime() }

  /// CPU time of the calling thread, nanoseconds.
  @inlinable @inline(__always)
  package func threadCPU() -> UInt64 { virtual?.threadCPU() ?? Clock.threadCPU() }

  /// CPU time of the process, nanoseconds.
  package func processCPU() -> UInt64 { virtual?.processCPU() ?? Clock.processCPU() }

  /// CPU time of all threads but the calling one, nanoseconds.
  package func othersCPU() -> UInt64 { processCPU() &- threadCPU() }

  /// Waits while `word` holds `expected`, until it is woken or until the absolute CLOCK_MONOTONIC
  /// `deadline`, `UInt64.max` for none. It may return spuriously: the caller reads the word again.
  @inlinable @inline(__always)
  package func wait(
    _ word: borrowing FutexWord, whileEqualTo expected: UInt32, until deadline: UInt64
  ) {
    if let virtual {
      virtual.wait(word, whileEqualTo: expected, until: deadline)
    } else {
      Futex.wait(word, whileEqualTo: expected, until: deadline)
    }
  }

  /// Wakes every waiter of `word`, after a store to it.
  @inlinable @inline(__always)
  package func wakeAll(_ word: borrowing FutexWord) {
    if let virtual { virtual.wakeAll(word) } else { Futex.wakeAll(word) }
  }

  /// Indices of `descriptors` that are readable or hung up; empty at the absolute CLOCK_MONOTONIC
  /// `deadline`, nil for none. Negative descriptors are ignored.
  package func wait(readable descriptors: [Int32], until deadline: UInt64?) -> [Int] {
    virtual?.wait(readable: descriptors, until: deadline)
      ?? Poll.wait(readable: descriptors, until: deadline)
  }
}

/// The replacement of the kernel's time in tests. Threads report their start and end, so that one
/// can run at a time.
@usableFromInline
package protocol VirtualTime: AnyObject, Sendable {
  /// CLOCK_MONOTONIC, nanoseconds.
  func monotonic() -> UInt64
  /// CLOCK_REALTIME, nanoseconds of Unix time.
  func realtime() -> UInt64
  /// CLOCK_BOOTTIME, nanoseconds.
  func boottime() -> UInt64
  /// CPU time of the calling thread, nanoseconds.
  func threadCPU() -> UInt64
  /// CPU time of the process, nanoseconds.
  func processCPU() -> UInt64
  /// As `TimeSource.wait(_:whileEqualTo:until:)`.
  func wait(_ word: borrowing FutexWord, whileEqualTo expected: UInt32, until deadline: UInt64)
  /// As `TimeSource.wakeAll`.
  func wakeAll(_ word: borrowing FutexWord)
  /// As `TimeSource.wait(readable:until:)`.
  func wait(readable descriptors: [Int32], until deadline: UInt64?) -> [Int]
  /// The calling thread is about to create a thread: returns its number.
  func threadWillStart(name: String) -> Int
  /// The calling thread has that number and begins its body.
  func threadBegins(_ number: Int)
  /// The body of the calling thread has returned.
  func threadEnds(_ number: Int)
  /// Waits until the thread of that number has ended, or will end without using virtual time again.
  func waitForEnd(_ number: Int)
}

extension VirtualTime {
  /// The wall clock runs with the monotonic one.
  package func realtime() -> UInt64 { monotonic() }
  /// Never suspended.
  package func boottime() -> UInt64 { monotonic() }
  /// Work takes no time.
  package func threadCPU() -> UInt64 { 0 }
  /// Work takes no time.
  package func processCPU() -> UInt64 { 0 }
  /// The kernel's wait.
  package func wait(
    _ word: borrowing FutexWord, whileEqualTo expected: UInt32, until deadline: UInt64
  ) { Futex.wait(word, whileEqualTo: expected, until: deadline) }
  /// The kernel's wake.
  package func wakeAll(_ word: borrowing FutexWord) { Futex.wakeAll(word) }
  /// The kernel's poll.
  package func wait(readable descriptors: [Int32], until deadline: UInt64?) -> [Int] {
    Poll.wait(readable: descriptors, until: deadline)
  }
  /// Threads are not controlled.
  package func threadWillStart(name: String) -> Int { 0 }
  /// Threads are not controlled.
  package func threadBegins(_ number: Int) {}
  /// Threads are not controlled.
  package func threadEnds(_ number: Int) {}
  /// The join itself waits.
  package func waitForEnd(_ number: Int) {}
}

extension FutexWord {
  /// Identifies this word among all that exist at the same time.
  package var identity: UInt { unsafe UInt(bitPattern: address) }
}
