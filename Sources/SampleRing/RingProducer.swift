public import Synchronization

/// The writing end of a ring: one thread's, by type.
///
/// Records are written in place: `reserve` gives the words, `commit` keeps as many of them as were
/// used, and `publish` makes everything committed visible with one release store. What a record
/// means, and how long it is, stands in its own words.
@usableFromInline @safe
package struct RingProducer: ~Copyable {
  private let storage: RingStorage
  @usableFromInline let words: UnsafeMutablePointer<UInt64>
  @usableFromInline let published: UnsafeMutablePointer<Atomic<UInt64>>
  private let consumed: UnsafeMutablePointer<Atomic<UInt64>>
  /// Words of the ring.
  @usableFromInline package let capacity: Int
  /// Index of the next record; runs ahead of what is published by what is committed.
  @usableFromInline var head: UInt64
  /// The word that it stands for.
  @usableFromInline var place: Int
  /// Words that are free by the last tail that was seen: looked up again only when they run out.
  @usableFromInline var room: Int

  init(storage: RingStorage) {
    self.storage = storage
    unsafe words = storage.words
    unsafe published = storage.published
    unsafe consumed = storage.consumed
    capacity = storage.capacity
    place = storage.firstPlace
    room = 0
    // Relaxed: this end alone moves the head.
    unsafe head = storage.published.pointee.load(ordering: .relaxed)
    _ = refill()
  }

  /// Words for the next record, contiguous; nil when there are fewer than `count` free. Never
  /// waits. Nothing is taken before `commit`: of two calls the second gives the same words.
  @inlinable @inline(__always)
  package mutating func reserve(_ count: Int) -> UnsafeMutablePointer<UInt64>? {
    if room < count, refill() < count { return nil }
    // Safe: the place is below the capacity, and the mapping goes on for another one.
    return unsafe words + place
  }

  /// Words that `reserve` has room for without looking the tail up.
  @inlinable @inline(__always)
  package var reservable: Int { room }

  /// Words that were committed so far, from where the ring's indices began.
  package var written: UInt64 { head }

  /// Keeps the first `count` of the reserved words as a record.
  @inlinable @inline(__always)
  package mutating func commit(_ count: Int) {
    room &-= count
    head &+= UInt64(truncatingIfNeeded: count)
    place &+= count
    if place >= capacity { place &-= capacity }
  }

  /// Makes all committed records visible.
  @inlinable @inline(__always)
  package func publish() {
    // Release: partner of the acquire in RingConsumer.unread.
    unsafe published.pointee.store(head, ordering: .releasing)
  }

  /// Looks up what the consumer has released; gives the words that are free. Out of line: a record
  /// that finds room has no use for this code.
  @inline(never) @usableFromInline
  package mutating func refill() -> Int {
    // Acquire: partner of the release in RingConsumer.release, so that the consumer's reads of
    // those words are over before they are overwritten.
    let tail = unsafe consumed.pointee.load(ordering: .acquiring)
    room = capacity &- Int(truncatingIfNeeded: head &- tail)
    return room
  }
}
