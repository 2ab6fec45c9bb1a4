public import Synchronization

/// The writing end of a ring, owned by one thread.
///
/// Records are written in place: `reserve` returns the words, `commit` keeps those used, and
/// `publish` makes everything committed visible with one release store. A record encodes its own
/// length.
@usableFromInline @safe
package struct RingProducer: ~Copyable {
  private let storage: RingStorage
  @usableFromInline let words: UnsafeMutablePointer<UInt64>
  @usableFromInline let published: UnsafeMutablePointer<Atomic<UInt64>>
  private let consumed: UnsafeMutablePointer<Atomic<UInt64>>
  /// Words of the ring.
  @usableFromInline package let capacity: Int
  /// Index of the next record: the published index plus the committed words.
  @usableFromInline var head: UInt64
  /// Its offset in the ring, in words.
  @usableFromInline var offset: Int
  /// Free words by the last known tail, which is read again only when they run out.
  @usableFromInline var room: Int

  init(storage: RingStorage) {
    self.storage = storage
    unsafe words = storage.words
    unsafe published = storage.published
    unsafe consumed = storage.consumed
    capacity = storage.capacity
    offset = storage.firstOffset
    room = 0
    // Relaxed: only this end moves the head.
    unsafe head = storage.published.pointee.load(ordering: .relaxed)
    _ = refill()
  }

  /// Contiguous words for the next record; nil if fewer than `count` are free. Never waits. Without
  /// a `commit` in between, a second call returns the same words.
  @inlinable @inline(__always)
  package mutating func reserve(_ count: Int) -> UnsafeMutablePointer<UInt64>? {
    if room < count, refill() < count { return nil }
    // Safe: the offset is below the capacity, and the mapping continues for another one.
    return unsafe words + offset
  }

  /// Words that `reserve` can return without reading the tail.
  @inlinable @inline(__always)
  package var reservable: Int { room }

  /// The words committed so far, plus the initial index.
  package var written: UInt64 { head }

  /// Keeps the first `count` of the reserved words as a record.
  @inlinable @inline(__always)
  package mutating func commit(_ count: Int) {
    room &-= count
    head &+= UInt64(truncatingIfNeeded: count)
    offset &+= count
    if offset >= capacity { offset &-= capacity }
  }

  /// Makes all committed records visible.
  @inlinable @inline(__always)
  package func publish() {
    // Release: pairs with the acquire in RingConsumer.unread.
    unsafe published.pointee.store(head, ordering: .releasing)
  }

  /// Reads what the consumer has released; returns the free words. Out of line: records that fit do
  /// not need it.
  @inline(never) @usableFromInline
  package mutating func refill() -> Int {
    // Acquire: pairs with the release in RingConsumer.release, so that the consumer has read those
    // words before they are overwritten.
    let tail = unsafe consumed.pointee.load(ordering: .acquiring)
    room = capacity &- Int(truncatingIfNeeded: head &- tail)
    return room
  }
}
