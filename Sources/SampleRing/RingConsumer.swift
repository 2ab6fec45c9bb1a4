public import Synchronization

/// The reading end of a ring, owned by one thread. Records are read in place.
@usableFromInline @safe
package struct RingConsumer: ~Copyable {
  private let storage: RingStorage
  @usableFromInline let words: UnsafeMutablePointer<UInt64>
  @usableFromInline let published: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let consumed: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let capacity: Int
  /// Index of the next record to read.
  @usableFromInline var tail: UInt64
  /// Its offset in the ring, in words.
  @usableFromInline var offset: Int

  init(storage: RingStorage) {
    self.storage = storage
    unsafe words = storage.words
    unsafe published = storage.published
    unsafe consumed = storage.consumed
    capacity = storage.capacity
    offset = storage.firstOffset
    // Relaxed: only this end moves the tail.
    unsafe tail = storage.consumed.pointee.load(ordering: .relaxed)
  }

  /// Published records that were not passed, contiguous, the oldest first. The words do not change
  /// until `release`.
  @inlinable @inline(__always)
  package borrowing func unread() -> UnsafeBufferPointer<UInt64> {
    // Acquire: pairs with the release in RingProducer.publish.
    let head = unsafe published.pointee.load(ordering: .acquiring)
    let count = Int(truncatingIfNeeded: head &- tail)
    // More than the capacity would be an internal error.
    precondition(count >= 0 && count <= capacity, "more is published than the ring holds")
    // Safe: the mapping continues after the capacity for another one.
    return unsafe UnsafeBufferPointer(start: words + offset, count: count)
  }

  /// Passes the oldest `count` unread words. `release` returns their room to the producer.
  @inlinable @inline(__always)
  package mutating func pass(_ count: Int) {
    tail &+= UInt64(truncatingIfNeeded: count)
    offset &+= count
    if offset >= capacity { offset &-= capacity }
  }

  /// Returns the room of all passed records to the producer.
  @inlinable @inline(__always)
  package borrowing func release() {
    // Release: pairs with the acquire in RingProducer.refill.
    unsafe consumed.pointee.store(tail, ordering: .releasing)
  }
}
