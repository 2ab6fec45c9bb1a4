import Synchronization

/// The reading end of a ring: one thread's, by type.
@safe
package struct RingConsumer: ~Copyable {
  private let storage: RingStorage
  private let words: UnsafeMutablePointer<UInt64>
  private let capacity: Int
  /// Index of the next message to take.
  private var tail: UInt64
  /// The word that it stands for.
  private var place: Int
  /// Messages taken out.
  package private(set) var drained: UInt64 = 0

  init(storage: RingStorage) {
    self.storage = storage
    unsafe words = storage.words
    capacity = storage.capacity
    place = storage.firstPlace
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
    precondition(total <= capacity, "more is published than the ring holds")
    if total > limit { total = wholeMessages(within: limit, of: total) }
    let first = min(total, capacity - place)
    let start = buffer.count
    // Safe: both parts lie within the ring.
    unsafe buffer.append(contentsOf: UnsafeBufferPointer(start: words + place, count: first))
    if first < total {
      unsafe buffer.append(contentsOf: UnsafeBufferPointer(start: words, count: total - first))
    }
    tail &+= UInt64(total)
    place += total
    if place >= capacity { place -= capacity }
    var messages = 0
    var next = start
    while next < buffer.count {
      let length = buffer[next]
      precondition(length < UInt64(buffer.count - next), "a message runs past what was published")
      next += Int(length) + 1
      messages += 1
    }
    drained &+= UInt64(messages)
    return messages
  }

  /// Words of the messages at the tail, one at the least, that are no more than `limit`.
  private func wholeMessages(within limit: Int, of total: Int) -> Int {
    var whole = 0
    while whole < total {
      let word = place + whole
      // Safe: within the ring, which holds all of them, and published.
      let length = unsafe words[word < capacity ? word : word - capacity]
      precondition(length < UInt64(total - whole), "a message runs past what was published")
      if whole > 0, whole + Int(length) + 1 > limit { break }
      whole += Int(length) + 1
    }
    return whole
  }

  /// Gives the room of everything taken so far back to the producer.
  @inline(__always)
  package func release() {
    // Release: partner of the acquire in RingProducer.push.
    unsafe storage.consumed.pointee.store(tail, ordering: .releasing)
  }
}
