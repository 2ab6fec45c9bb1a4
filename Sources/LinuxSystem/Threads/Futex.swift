public import CLinux
public import Synchronization

/// Waiting on a 32-bit word in memory, futex(2).
@usableFromInline
package enum Futex {
  @inlinable package static var forever: UInt64 { .max }

  /// Waits while the word holds `expected`, until woken or until the absolute CLOCK_MONOTONIC
  /// `deadline`. Spurious wake-ups are possible: the caller reads the word again.
  @inlinable @inline(__always)
  package static func wait(
    _ word: borrowing FutexWord, whileEqualTo expected: UInt32, until deadline: UInt64
  ) {
    _ = unsafe lb_futex_wait_until(word.address, expected, deadline)
  }

  /// Wakes every waiter of the word.
  @usableFromInline package static func wakeAll(_ word: borrowing FutexWord) {
    unsafe lb_futex_wake_all(word.address)
  }
}

/// One atomic 32-bit word at a fixed address, alone on its pair of cache lines.
@safe
@usableFromInline
package struct FutexWord: ~Copyable, @unchecked Sendable {
  // Sendable: every access goes through the atomic or the kernel.
  @usableFromInline let address: UnsafePointer<UInt32>
  @usableFromInline let atomic: UnsafeMutablePointer<Atomic<UInt32>>

  /// A word that holds `value`.
  package init(_ value: UInt32 = 0) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 128)
    unsafe atomic = memory.bindMemory(to: Atomic<UInt32>.self, capacity: 1)
    unsafe atomic.initialize(to: Atomic(value))
    unsafe address = UnsafePointer(memory.assumingMemoryBound(to: UInt32.self))
  }

  deinit { unsafe UnsafeMutableRawPointer(atomic).deallocate() }

  /// Loads with acquire order; pairs with `store`.
  @inlinable @inline(__always)
  package func load() -> UInt32 { unsafe atomic.pointee.load(ordering: .acquiring) }
  /// Stores with release order; pairs with `load`.
  @inlinable @inline(__always)
  package func store(_ value: UInt32) { unsafe atomic.pointee.store(value, ordering: .releasing) }
  /// Sequentially consistent store, for a check for waiters that follows it.
  @inlinable @inline(__always)
  package func storeSequentiallyConsistent(_ value: UInt32) {
    unsafe atomic.pointee.store(value, ordering: .sequentiallyConsistent)
  }
  /// Stores and wakes every waiter.
  package func announce(_ value: UInt32) {
    store(value)
    Futex.wakeAll(self)
  }
  /// Adds one. Acquire-release: pairs with every other access.
  package func increment() {
    _ = unsafe atomic.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing)
  }
  /// Stores `value` and returns the previous one. Acquire-release, as a lock needs.
  package func swap(_ value: UInt32) -> UInt32 {
    unsafe atomic.pointee.exchange(value, ordering: .acquiringAndReleasing)
  }
  /// Replaces `expected` by `value`; false if another value is stored. Acquire, as a lock needs.
  package func exchange(_ expected: UInt32, for value: UInt32) -> Bool {
    unsafe atomic.pointee.compareExchange(
      expected: expected, desired: value, ordering: .acquiring
    ).exchanged
  }
  /// Adds one and wakes every waiter.
  package func bump() {
    _ = unsafe atomic.pointee.wrappingAdd(1, ordering: .releasing)
    Futex.wakeAll(self)
  }
}
