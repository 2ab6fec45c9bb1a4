import CLinux
import Glibc
import Synchronization

/// The reason of a stop.
package enum StopReason: Sendable, Hashable {
  case signal(Int32)
  /// The program requested it.
  case requested

  /// The signal, nil without one.
  package var signal: Int32? {
    if case .signal(let number) = self { number } else { nil }
  }
}

/// A flag that any thread can raise and poll(2) can wait for: eventfd(2). It stays raised.
package final class StopFlag: Sendable {
  private let descriptor: Int32
  /// The signal's number, -1 for a request without one; 0 while not raised.
  private let reason = Atomic<Int32>(0)

  /// A flag that is not raised.
  package init() throws(SystemError) {
    descriptor = lb_eventfd()
    guard descriptor >= 0 else { throw SystemError("eventfd", errno: -descriptor) }
  }

  deinit { close(descriptor) }

  /// Raises the flag; the first reason stays.
  package func raise(_ reason: StopReason = .requested) {
    // Acquire-release: pairs with `raised`, so that earlier writes are visible.
    _ = self.reason.compareExchange(
      expected: 0, desired: reason.signal ?? -1, ordering: .acquiringAndReleasing)
    var one: UInt64 = 1
    _ = unsafe write(descriptor, &one, 8)
  }

  /// Raises the flag because of a signal.
  package func raise(reason signal: Int32) { raise(.signal(signal)) }

  /// The reason, nil while not raised.
  package var raised: StopReason? {
    let value = reason.load(ordering: .acquiring)
    return value == 0 ? nil : value < 0 ? .requested : .signal(value)
  }

  /// Readable once raised.
  package var pollDescriptor: Int32 { descriptor }
}

/// Wakes a thread that waits with poll(2), any number of times: eventfd(2).
package final class WakeUp: Sendable {
  private let descriptor: Int32

  /// Nothing has happened yet.
  package init() throws(SystemError) {
    descriptor = lb_eventfd()
    guard descriptor >= 0 else { throw SystemError("eventfd", errno: -descriptor) }
  }

  deinit { close(descriptor) }

  /// Makes the descriptor readable. Never waits.
  package func wake() {
    var one: UInt64 = 1
    _ = unsafe write(descriptor, &one, 8)
  }

  /// Makes the descriptor unreadable; to be called before looking for what has happened.
  package func clear() {
    var count: UInt64 = 0
    _ = unsafe read(descriptor, &count, 8)
  }

  /// Readable since the first `wake` after `clear`.
  package var pollDescriptor: Int32 { descriptor }
}

/// Reads blocked signals: signalfd(2).
package final class SignalReader: Sendable {
  private let descriptor: Int32

  /// Blocks `signals` in the calling thread, which must be the only one, and opens the reader.
  package init(_ signals: [Int32]) throws(SystemError) {
    // Safe: the array's own count bounds the call.
    descriptor = unsafe signals.withUnsafeBufferPointer {
      unsafe lb_signalfd($0.baseAddress, $0.count)
    }
    guard descriptor >= 0 else { throw SystemError("signalfd", errno: -descriptor) }
  }

  deinit { close(descriptor) }

  /// The next pending signal, nil if there is none.
  package func next() -> Int32? {
    let signal = lb_read_signal(descriptor)
    return signal == 0 ? nil : signal
  }

  /// Readable while a signal is pending.
  package var pollDescriptor: Int32 { descriptor }
}

/// poll(2) over descriptors until one is readable or hung up, or an absolute deadline passes.
package enum Poll {
  /// Indices of `descriptors` that are ready; empty at the deadline (CLOCK_MONOTONIC ns, nil:
  /// none). Negative descriptors are ignored.
  package static func wait(readable descriptors: [Int32], until deadline: UInt64?) -> [Int] {
    var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    // Safe: the array's own count bounds the call.
    let count = unsafe lb_poll_until(&entries, entries.count, deadline ?? UInt64.max)
    return count > 0 ? entries.indices.filter { entries[$0].revents != 0 } : []
  }
}

extension Poll {
  /// The indices of `entries` that are ready to be read from or, where `isToWrite`, written to, or
  /// are hung up; empty at the deadline (CLOCK_MONOTONIC ns).
  package static func wait(
    for entries: [(descriptor: Int32, isToWrite: Bool)], until deadline: UInt64
  ) -> [Int] {
    var all = entries.map {
      pollfd(fd: $0.descriptor, events: Int16($0.isToWrite ? POLLOUT : POLLIN), revents: 0)
    }
    // Safe: the array's own count bounds the call.
    let count = unsafe lb_poll_until(&all, all.count, deadline)
    return count > 0 ? all.indices.filter { all[$0].revents != 0 } : []
  }

  /// Whether `descriptor` becomes writable, or loses its reader, within the given milliseconds.
  package static func isWritable(_ descriptor: Int32, within milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    return unsafe poll(&entry, 1, milliseconds) > 0
  }
}

/// pipe2(2) with O_CLOEXEC, both ends owned.
package struct Pipe: ~Copyable {
  package var readEnd: OwnedDescriptor
  package var writeEnd: OwnedDescriptor

  /// A new pipe.
  package init() throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    let result = unsafe lb_pipe(&ends)
    guard result == 0 else { throw SystemError("pipe2", errno: -result) }
    readEnd = OwnedDescriptor(owning: ends[0])
    writeEnd = OwnedDescriptor(owning: ends[1])
  }

  /// Closes this process's write end and returns the read end, which reaches its end when the child
  /// closes its write end.
  package consuming func intoReadEnd() -> OwnedDescriptor { readEnd }
}
