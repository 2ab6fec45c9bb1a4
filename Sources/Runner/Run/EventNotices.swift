package import Logging
package import SampleModel
import Sampler
import Synchronization

/// Logs what happens beside the samples, and keeps what changes the meaning of a run's numbers:
/// cadences that were lengthened, readings without values. Each once, for the run's warnings.
/// Changes of columns, which are hundreds where interfaces come and go, are counted.
package final class EventNotices: SampleSink {
  private static let kinds: Set<SampleEvent.Kind> = [.budget, .gap, .suspend]
  /// More of them say no more.
  private static let limit = 20

  // The drain writes, the controller reads at the end.
  private let said = Mutex<[String]>([])
  private let changes = Mutex<[String: Int]>([:])
  private let logger: Logger?

  /// Notices that go to `logger` as well.
  package init(_ logger: Logger? = nil) { self.logger = logger }

  package var bytesWritten: UInt64 { 0 }

  /// In order, without repeats.
  var messages: [String] { said.withLock { $0 } }

  /// How often the columns of each collector have changed.
  var columnChanges: [String: Int] { changes.withLock { $0 } }

  /// Nothing to prepare.
  package func begin(_ meta: StreamMeta) throws(LBError) {}
  /// Columns say nothing here.
  package func layout(_ layout: Layout) throws(LBError) {}
  /// Nor do values.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}
  /// Nor do records.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}

  /// Logs an event unless it is a mere reading of the clocks.
  package func event(_ event: SampleEvent) throws(LBError) {
    if event.kind != .clockAnchor { logger?.notice("\(event.message)") }
    if Self.kinds.contains(event.kind) { keep(event.message) }
    if event.kind == .layoutEpoch {
      let collector = String(event.message.prefix { $0 != ":" })
      changes.withLock { $0[collector, default: 0] += 1 }
    }
  }

  /// Logs and keeps a message that does not come from the sampling itself.
  func add(_ message: String) {
    if keep(message) { logger?.notice("\(message)") }
  }

  /// Keeps a message, unless it was said before: then it gives false.
  @discardableResult private func keep(_ message: String) -> Bool {
    said.withLock { said in
      guard said.count < Self.limit, !said.contains(message) else { return false }
      said.append(message)
      return true
    }
  }

  /// Nothing waits.
  package func commit(watermark: UInt64) throws(LBError) {}
}
