import Synchronization

/// The reading end of a ring: one thread's, by type.
@safe
package struct RingConsumer: ~Copyable {
  private let storage: RingStorage
  private let words: UnsafeMutablePointer<UInt64>
  private let mask: UInt64
  private var tail: UInt64
  /// The last head that was seen: looked up again only when the ring seems empty.
  private var cachedHead: UInt64
  /// Messages taken out.
  package private(set) var drained: UInt64 = 0

  init(storage: RingStorage) {
    self.storage = storage
    unsafe words = storage.words
    mask = UInt64(storage.capacity) - 1
    // Relaxed: this end alone moves the tail.
    unsafe tail = storage.consumed.pointee.load(ordering: .relaxed)
    // Acquire: the producer may have published before this end was taken.
    unsafe cachedHead = storage.published.pointee.load(ordering: .acquiring)
  }

  /// Appends the next message's payload to `buffer` and gives its length; nil when the ring is
  /// empty. The words are handed back at `release`.
  @inline(__always)
  package mutating func next(appendingTo buffer: inout [UInt64]) -> Int? {
    if tail == cachedHead {
      // Acquire: partner of the release in RingProducer.publish.
      unsafe cachedHead = storage.published.pointee.load(ordering: .acquiring)
      if tail == cachedHead { return nil }
    }
    // Safe: offsets are masked by the capacity.
    let length = unsafe words[Int(tail & mask)]
    // A length beyond what is published is a broken ring: our bug, not the world's.
    precondition(length < cachedHead &- tail, "a ring message runs past what was published")
    let offset = Int((tail &+ 1) & mask)
    let count = Int(length)
    let first = min(count, Int(mask) + 1 - offset)
    unsafe buffer.append(
      contentsOf: UnsafeBufferPointer(start: words + offset, count: first))
    if first < count {
      unsafe buffer.append(contentsOf: UnsafeBufferPointer(start: words, count: count - first))
    }
    tail &+= length &+ 1
    drained &+= 1
    return count
  }

  /// Gives the room of everything taken so far back to the producer.
  @inline(__always)
  package func release() {
    // Release: partner of the acquire in RingProducer.push.
    unsafe storage.consumed.pointee.store(tail, ordering: .releasing)
  }
}
