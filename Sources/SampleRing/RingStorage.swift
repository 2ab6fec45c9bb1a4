package import LinuxSystem
import Synchronization

/// The memory shared by a producer and a consumer: two indices 128 bytes apart in a page of their
/// own, then the words, mapped twice.
///
/// The pages are mapped a second time after the first, so that every record is contiguous (as in
/// the kernel's BPF ring buffer, Documentation/bpf/ringbuf.rst): none is split at the end.
///
/// 128 bytes rather than 64: the adjacent-line prefetcher of x86 moves cache lines in pairs.
@usableFromInline @safe
package final class RingStorage: @unchecked Sendable {
  // Sendable: the endpoints access disjoint words, ordered by the two atomics.

  /// Bytes before the words: the published head at 0, the consumed tail at 128.
  package static let headerBytes = 4096
  private static let tailOffset = 128
  /// Words are mapped in whole pages.
  private static let pageBytes = 4096

  let published: UnsafeMutablePointer<Atomic<UInt64>>
  let consumed: UnsafeMutablePointer<Atomic<UInt64>>
  let words: UnsafeMutablePointer<UInt64>
  /// Words of the ring.
  package let capacity: Int
  /// The initial offset of both indices, in words.
  let firstOffset: Int
  /// Its memory.
  package let memory: Mapping
  private let taken = Atomic<UInt8>(0)

  /// At least that many words, rounded up to whole pages.
  package static func capacity(atLeast words: Int) -> Int {
    let bytes = (max(1, words) * 8 + pageBytes - 1) / pageBytes * pageBytes
    return bytes / 8
  }

  /// Bytes of memory of a ring of `capacity` words, without the second mapping.
  package static func byteCount(capacity: Int) -> Int { headerBytes + capacity * 8 }

  /// A ring of at least `words`; `reach` is the longest record's, as `Mapping` says. `firstIndex`
  /// is where both indices start (tests of wraparound).
  package init(
    words count: Int, reach: Int = 512, purpose: String = "ring",
    options: Mapping.Options = Mapping.Options(locked: false), firstIndex: UInt64 = 0
  ) throws(SystemError) {
    capacity = Self.capacity(atLeast: count)
    memory = try Mapping(
      front: Self.headerBytes, mirrored: capacity * 8, reach: reach * 8, purpose: purpose,
      options: options)
    // Safe: the mapping has the header's page and the words twice, and lives as long as this.
    guard let base = unsafe memory.memory.baseAddress else {
      throw SystemError("an empty mapping for \(purpose)", errno: 12)
    }
    unsafe published = base.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe consumed = (base + Self.tailOffset).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
    unsafe words = (base + Self.headerBytes).bindMemory(to: UInt64.self, capacity: capacity * 2)
    unsafe published.initialize(to: Atomic(firstIndex))
    unsafe consumed.initialize(to: Atomic(firstIndex))
    firstOffset = Int(firstIndex % UInt64(capacity))
  }

  /// Bytes of the ring's memory, without the second mapping.
  package var byteCount: Int { Self.byteCount(capacity: capacity) }

  /// The one producer of this ring. A second call is a programming error.
  package func takeProducer() -> RingProducer {
    precondition(taken.bitwiseOr(1, ordering: .relaxed).oldValue & 1 == 0, "one producer a ring")
    return RingProducer(storage: self)
  }

  /// The one consumer of this ring. A second call is a programming error.
  package func takeConsumer() -> RingConsumer {
    precondition(taken.bitwiseOr(2, ordering: .relaxed).oldValue & 2 == 0, "one consumer a ring")
    return RingConsumer(storage: self)
  }
}
