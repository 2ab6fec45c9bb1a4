public import Synchronization

/// The reading end of a ring: one thread's, by type. Records are read where they lie.
@usableFromInline @safe
package struct RingConsumer: ~Copyable {
  private let storage: RingStorage
  @usableFromInline let words: UnsafeMutablePointer<UInt64>
  @usableFromInline let published: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let consumed: UnsafeMutablePointer<Atomic<UInt64>>
  @usableFromInline let capacity: Int
  /// Index of the next record to read.
  @usableFromInline var tail: UInt64
  /// The word that it stands for.
  @usableFromInline var place: Int

  init(storage: RingStorage) {
    self.storage = storage
    unsafe words = storage.words
    unsafe published = storage.published
    unsafe consumed = storage.consumed
    capacity = storage.capacity
    place = storage.firstPlace
    // Relaxed: this end alone moves the tail.
    unsafe tail = storage.consumed.pointee.load(ordering: .relaxed)
  }

  /// What is published and not passed, contiguous: whole records, the oldest first. The words stay
  /// as they are until `release`.
  @inlinable @inline(__always)
  package borrowing func unread() -> UnsafeBufferPointer<UInt64> {
    // Acquire: partner of the release in RingProducer.publish.
    let head = unsafe published.pointee.load(ordering: .acquiring)
    let count = Int(truncatingIfNeeded: head &- tail)
    // More than the ring holds is our bug, not the world's.
    precondition(count >= 0 && count <= capacity, "more is published than the ring holds")
    // Safe: the mapping goes on behind the capacity for another one.
    return unsafe UnsafeBufferPointer(start: words + place, count: count)
  }

  /// Passes the oldest `count` unread words. Their room is handed back at `release`.
  @inlinable @inline(__always)
  package mutating func pass(_ count: Int) {
    tail &+= UInt64(truncatingIfNeeded: count)
    place &+= count
    if place >= capacity { place &-= capacity }
  }

  /// Gives the room of everything passed so far back to the producer.
  @inlinable @inline(__always)
  package borrowing func release() {
    // Release: partner of the acquire in RingProducer.refill.
    unsafe consumed.pointee.store(tail, ordering: .releasing)
  }
}
