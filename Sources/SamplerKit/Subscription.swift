import Synchronization

/// A bounded stream of events or frames to one subscriber.
///
/// Whoever feeds it never waits: what does not fit is lost, counted.
public final class Subscription<Element: Sendable>: AsyncSequence, Sendable {
  private let stream: AsyncStream<Element>
  private let continuation: AsyncStream<Element>.Continuation
  private let dropped = Atomic<UInt64>(0)

  /// A stream that holds up to `capacity` elements that nobody has taken yet.
  public init(capacity: Int) {
    (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(capacity))
  }

  /// Elements that were lost since the subscriber was too slow.
  public var lost: UInt64 { dropped.load(ordering: .relaxed) }

  /// Elements in order; nil at the end of what is subscribed to.
  public func makeAsyncIterator() -> AsyncStream<Element>.Iterator { stream.makeAsyncIterator() }

  /// Hands one over, or counts it as lost.
  package func offer(_ element: Element) {
    if case .dropped = continuation.yield(element) {
      dropped.wrappingAdd(1, ordering: .relaxed)
    }
  }

  /// There is no more.
  package func finish() { continuation.finish() }
}
