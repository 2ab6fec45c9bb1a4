import SampleModel
import Sampler
import Synchronization

/// What happened to the sampling itself and changes what its numbers mean: cadences that were
/// lengthened, readings without values, layouts that changed. Each once, for the run's warnings.
final class RunNotices: SampleSink {
  private static let kinds: Set<SampleEvent.Kind> = [.budget, .gap, .layoutEpoch, .suspend]
  /// More of them say no more.
  private static let limit = 20

  // The drain writes, the controller reads at the end.
  private let said = Mutex<[String]>([])

  var bytesWritten: UInt64 { 0 }

  /// In order, without repeats.
  var messages: [String] { said.withLock { $0 } }

  func begin(_ meta: StreamMeta) throws(LBError) {}
  func layout(_ layout: Layout) throws(LBError) {}
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}

  func event(_ event: SampleEvent) throws(LBError) {
    if Self.kinds.contains(event.kind) { add(event.message) }
  }

  /// Adds a message, unless it was said before.
  func add(_ message: String) {
    said.withLock { said in
      guard said.count < Self.limit, !said.contains(message) else { return }
      said.append(message)
    }
  }

  func commit(watermark: UInt64) throws(LBError) {}
}
