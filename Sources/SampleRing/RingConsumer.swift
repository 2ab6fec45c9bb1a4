import Synchronization

/// The reading end of a ring: one thread's, by type.
@safe
package struct RingConsumer: ~Copyable {
  private let storage: RingStorage
  private let words: UnsafeMutablePointer<UInt64>
  private let mask: UInt64
  private var tail: UInt64
  /// Messages taken out.
  package private(set) var drained: UInt64 = 0

  init(storage: RingStorage) {
    self.storage = storage
    unsafe words = storage.words
    mask = UInt64(storage.capacity) - 1
    // Relaxed: this end alone moves the tail.
    unsafe tail = storage.consumed.pointee.load(ordering: .relaxed)
  }

  /// Words that are published and not taken out.
  package var waiting: Int {
    // Relaxed: a number only; `take` reads what it stands for in order.
    Int(unsafe storage.published.pointee.load(ordering: .relaxed) &- tail)
  }

  /// Appends what is published to `buffer`, as it lies in the ring: before each message's words the
  /// number of them. Of more than `limit` words it takes as many whole messages as fit, and one at
  /// the least. Gives how many messages that were. The room is handed back at `release`.
  ///
  /// One copy for all, two where they wrap around: taking short messages one by one costs several
  /// times as much.
  @inline(__always)
  package mutating func take(
    upTo limit: Int = .max, appendingTo buffer: inout [UInt64]
  ) -> Int {
    // Acquire: partner of the release in RingProducer.publish.
    let head = unsafe storage.published.pointee.load(ordering: .acquiring)
    guard tail != head else { return 0 }
    var total = Int(head &- tail)
    // What is published is never more than the ring: more is our bug, not the world's.
    precondition(UInt64(total) <= mask + 1, "more is published than the ring holds")
    if total > limit { total = wholeMessages(within: limit, of: total) }
    let offset = Int(tail & mask)
    let first = min(total, Int(mask) + 1 - offset)
    let start = buffer.count
    // Safe: both parts lie within the ring.
    unsafe buffer.append(contentsOf: UnsafeBufferPointer(start: words + offset, count: first))
    if first < total {
      unsafe buffer.append(contentsOf: UnsafeBufferPointer(start: words, count: total - first))
    }
    tail &+= UInt64(total)
    var messages = 0
    var place = start
    while place < buffer.count {
      let length = buffer[place]
      precondition(length < UInt64(buffer.count - place), "a message runs past what was published")
      place += Int(length) + 1
      messages += 1
    }
    drained &+= UInt64(messages)
    return messages
  }

  /// Words of the messages at the tail, one at the least, that are no more than `limit`.
  private func wholeMessages(within limit: Int, of total: Int) -> Int {
    var place = 0
    while place < total {
      // Safe: masked, and published.
      let length = unsafe words[Int((tail &+ UInt64(place)) & mask)]
      precondition(length < UInt64(total - place), "a message runs past what was published")
      if place > 0, place + Int(length) + 1 > limit { break }
      place += Int(length) + 1
    }
    return place
  }

  /// Gives the room of everything taken so far back to the producer.
  @inline(__always)
  package func release() {
    // Release: partner of the acquire in RingProducer.push.
    unsafe storage.consumed.pointee.store(tail, ordering: .releasing)
  }
}
