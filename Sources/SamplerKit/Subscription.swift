import Synchronization

/// A bounded sequence of events or frames for one subscriber.
///
/// Its producer never waits: an element that does not fit is lost, and counted.
public final class Subscription<Element: Sendable>: AsyncSequence, Sendable {
  private let stream: AsyncStream<Element>
  private let continuation: AsyncStream<Element>.Continuation
  private let dropped = Atomic<UInt64>(0)

  /// A sequence that holds up to `capacity` elements that are not yet taken.
  public init(capacity: Int) {
    (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(capacity))
  }

  /// Elements that were lost since the subscriber was too slow.
  public var lost: UInt64 { dropped.load(ordering: .relaxed) }

  /// Takes elements in order.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate var base: AsyncStream<Element>.Iterator

    /// The next element; nil at the end of what is subscribed to, or where the task is cancelled.
    public mutating func next() async -> Element? { await base.next() }

    /// The same, on the caller's actor.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> Element? {
      await base.next(isolation: actor)
    }
  }

  /// An iterator over the elements that are not yet taken. Two iterators share the elements.
  public func makeAsyncIterator() -> Iterator { Iterator(base: stream.makeAsyncIterator()) }

  /// Hands one over, or counts it as lost.
  package func offer(_ element: Element) {
    if case .dropped = continuation.yield(element) {
      dropped.wrappingAdd(1, ordering: .relaxed)
    }
  }

  /// There is no more.
  package func finish() { continuation.finish() }
}
