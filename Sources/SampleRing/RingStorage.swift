import Synchronization

/// The memory that a producer and a consumer share: two indices 128 bytes apart, then the words.
///
/// 128 rather than 64: the adjacent-line prefetcher of x86 moves cache lines in pairs.
/// `owner` keeps the memory alive; whoever mapped it decides on which NUMA node it lies.
@safe
package final class RingStorage: @unchecked Sendable {
  // Sendable: the endpoints touch disjoint words, ordered by the two atomics.

  /// Bytes in front of the words: the published head at 0, the consumed tail at 128.
  package static let headerBytes = 256
  private static let tailOffset = 128

  let published: UnsafeMutablePointer<Atomic<UInt64>>
  let consumed: UnsafeMutablePointer<Atomic<UInt64>>
  let words: UnsafeMutablePointer<UInt64>
  /// Words of the ring, any number: each end keeps the place that its index stands for.
  package let capacity: Int
  /// The place that both indices start at.
  let firstPlace: Int
  private let owner: AnyObject?
  private let allocation: UnsafeMutableRawPointer?
  private let taken = Atomic<UInt8>(0)

  /// Bytes that a ring of `capacity` words needs.
  package static func byteCount(capacity: Int) -> Int {
    headerBytes + capacity * MemoryLayout<UInt64>.stride
  }

  /// At least so many words, and as many as the pages that they need have room for.
  package static func capacity(atLeast words: Int) -> Int {
    let page = 4096
    let bytes = (byteCount(capacity: words) + page - 1) / page * page
    return (bytes - headerBytes) / MemoryLayout<UInt64>.stride
  }

  /// A ring in `memory`, which `owner` keeps mapped and which must be aligned to 128 bytes and
  /// hold `byteCount(capacity:)`. `firstIndex` is where both indices start (tests of wraparound).
  package init(
    capacity: Int, memory: UnsafeMutableRawBufferPointer, owner: AnyObject?,
    firstIndex: UInt64 = 0
  ) {
    precondition(capacity > 0, "a ring has room")
    guard let base = memory.baseAddress, memory.count >= Self.byteCount(capacity: capacity),
      UInt(bitPattern: base) % 128 == 0
    else { preconditionFailure("the ring's memory is too small or not aligned to 128 bytes") }
    unsafe published = base.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe consumed = (base + Self.tailOffset).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe words = (base + Self.headerBytes).bindMemory(to: UInt64.self, capacity: capacity)
    unsafe published.initialize(to: Atomic(firstIndex))
    unsafe consumed.initialize(to: Atomic(firstIndex))
    self.capacity = capacity
    firstPlace = Int(firstIndex % UInt64(capacity))
    self.owner = owner
    unsafe allocation = nil
  }

  /// A ring in ordinary memory.
  package init(capacity: Int, firstIndex: UInt64 = 0) {
    precondition(capacity > 0, "a ring has room")
    let base = UnsafeMutableRawPointer.allocate(
      byteCount: Self.byteCount(capacity: capacity), alignment: 128)
    unsafe published = base.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe consumed = (base + Self.tailOffset).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe words = (base + Self.headerBytes).bindMemory(to: UInt64.self, capacity: capacity)
    unsafe published.initialize(to: Atomic(firstIndex))
    unsafe consumed.initialize(to: Atomic(firstIndex))
    unsafe words.initialize(repeating: 0, count: capacity)
    self.capacity = capacity
    firstPlace = Int(firstIndex % UInt64(capacity))
    owner = nil
    unsafe allocation = base
  }

  deinit {
    // Atomic<UInt64> is trivial: the memory goes back without a destructor.
    unsafe allocation?.deallocate()
  }

  /// The one producer of this ring. A second call is our bug.
  package func takeProducer() -> RingProducer {
    precondition(taken.bitwiseOr(1, ordering: .relaxed).oldValue & 1 == 0, "one producer a ring")
    return RingProducer(storage: self)
  }

  /// The one consumer of this ring. A second call is our bug.
  package func takeConsumer() -> RingConsumer {
    precondition(taken.bitwiseOr(2, ordering: .relaxed).oldValue & 2 == 0, "one consumer a ring")
    return RingConsumer(storage: self)
  }
}
