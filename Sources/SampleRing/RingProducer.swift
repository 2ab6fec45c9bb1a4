import Synchronization

/// The writing end of a ring: one thread's, by type.
///
/// A message is one length word and its payload, wrapped around the end of the words. Messages
/// are staged by `push` and become visible together at `publish`: one release store for many.
@safe
package struct RingProducer: ~Copyable {
  private let storage: RingStorage
  private let words: UnsafeMutablePointer<UInt64>
  private let capacity: Int
  /// Index of the next message; runs ahead of `published` by what is staged.
  private var head: UInt64
  /// The word that it stands for.
  private var place: Int
  /// The last tail that was seen: looked up again only when the ring seems full.
  private var cachedTail: UInt64
  /// Messages offered, dropped ones included.
  package private(set) var pushed: UInt64 = 0
  /// Messages that found no room.
  package private(set) var dropped: UInt64 = 0

  init(storage: RingStorage) {
    self.storage = storage
    unsafe words = storage.words
    capacity = storage.capacity
    place = storage.firstPlace
    // Relaxed: this end alone moves the head.
    unsafe head = storage.published.pointee.load(ordering: .relaxed)
    // Acquire: as in push.
    unsafe cachedTail = storage.consumed.pointee.load(ordering: .acquiring)
  }

  /// Stages a message. Constant time in the ring's size; never waits.
  /// Returns false, and counts it, when there is no room.
  @inline(__always)
  package mutating func push(_ message: Span<UInt64>) -> Bool {
    pushed &+= 1
    let needed = message.count &+ 1
    if room < needed {
      // Acquire: partner of the release in RingConsumer.release, so that the consumer's reads of
      // those words are over before they are overwritten.
      unsafe cachedTail = storage.consumed.pointee.load(ordering: .acquiring)
      if room < needed {
        dropped &+= 1
        return false
      }
    }
    // Safe: places are less than the capacity, and the room was just checked.
    unsafe words[place] = UInt64(message.count)
    let offset = place &+ 1 == capacity ? 0 : place &+ 1
    let first = min(message.count, capacity &- offset)
    unsafe message.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      unsafe (words + offset).update(from: base, count: first)
      if first < source.count {
        unsafe words.update(from: base + first, count: source.count - first)
      }
    }
    head &+= UInt64(truncatingIfNeeded: needed)
    place &+= needed
    if place >= capacity { place &-= capacity }
    return true
  }

  /// Words that are free by the last tail that was seen.
  @inline(__always)
  private var room: Int { capacity &- Int(truncatingIfNeeded: head &- cachedTail) }

  /// Makes all staged messages visible.
  @inline(__always)
  package func publish() {
    // Release: partner of the acquire in RingConsumer.take.
    unsafe storage.published.pointee.store(head, ordering: .releasing)
  }

  /// Words that the consumer has not released, by the last tail that was looked up.
  /// Looks the tail up, so it is for the slow path.
  package mutating func fill() -> Int {
    // Acquire: as in push, whose cache this refreshes.
    unsafe cachedTail = storage.consumed.pointee.load(ordering: .acquiring)
    return Int(head &- cachedTail)
  }
}
