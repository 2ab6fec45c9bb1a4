package import Logging
package import SampleModel
import Sampler
import Synchronization

/// Logs the events of the sampling, and keeps those that change the meaning of a run's numbers
/// (intervals that were lengthened, acquisitions without values) for the run's warnings, each once.
/// Changes of columns are only counted: there are hundreds where interfaces come and go.
package final class EventNotices: SampleSink {
  private static let kinds: Set<SampleEvent.Kind> = [.budget, .gap, .suspend]
  /// Most messages that are kept.
  private static let limit = 20

  // Written by the drain, read by the controller at the end.
  private let kept = Mutex<[String]>([])
  private let changes = Mutex<[String: Int]>([:])
  private let logger: Logger?

  /// Notices that are also logged by `logger`.
  package init(_ logger: Logger? = nil) { self.logger = logger }

  package var bytesWritten: UInt64 { 0 }

  /// The kept messages in order, each once.
  var messages: [String] { kept.withLock { $0 } }

  /// How often the columns of each collector have changed.
  var columnChanges: [String: Int] { changes.withLock { $0 } }

  /// Ignored.
  package func begin(_ meta: StreamMeta) throws(LBError) {}
  /// Ignored.
  package func layout(_ layout: Layout) throws(LBError) {}
  /// Ignored.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}
  /// Ignored.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}

  /// Logs an event, unless it is an anchor of the clocks.
  package func event(_ event: SampleEvent) throws(LBError) {
    if event.kind != .clockAnchor { logger?.notice("\(event.message)") }
    if Self.kinds.contains(event.kind) { keep(event.message) }
    if event.kind == .layoutEpoch {
      let collector = String(event.message.prefix { $0 != ":" })
      changes.withLock { $0[collector, default: 0] += 1 }
    }
  }

  /// Logs and keeps a message that is no event of the sampling.
  func add(_ message: String) {
    if keep(message) { logger?.notice("\(message)") }
  }

  /// Keeps a message; returns false if it is known or the limit is reached.
  @discardableResult private func keep(_ message: String) -> Bool {
    kept.withLock { kept in
      guard kept.count < Self.limit, !kept.contains(message) else { return false }
      kept.append(message)
      return true
    }
  }

  /// Ignored: nothing is buffered.
  package func commit(watermark: UInt64) throws(LBError) {}
}
