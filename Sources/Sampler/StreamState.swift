import SampleModel
import Synchronization

/// What a sampling thread holds of one collector: plain values at a fixed address.
@safe
struct StreamState {
  /// The armed collector, unmanaged: the stream table keeps it alive.
  var armed: Unmanaged<ArmedCollector>
  let stream: UInt16
  var cadence: UInt64
  /// The cadence with which each bracket begins.
  let askedCadence: UInt64
  /// Whether its interval was asked for: a budget lengthens it last.
  var isFixed = false
  /// The most that its acquisitions may cost of one CPU, 0 for no bound of its own.
  var costLimit = 0.0
  /// Nanoseconds of its acquisitions since the budget was checked last.
  var spent: UInt64 = 0
  var epoch: UInt32
  var valueCount: Int
  /// Words of one record row, 0 for a collector of frames only.
  var recordWords: Int
  var recordRows: Int
  /// The first deadline index at which it is due again.
  var nextDue: UInt64 = 1
  var lastOutcome = AcquisitionOutcome.complete
  /// What the last edge gave and in which epoch: for the controller, while sampling goes on.
  var edgeOutcome = AcquisitionOutcome.complete
  var edgeEpoch: UInt32 = 0
  var counts = StreamCounts()
  /// Not read any more, at deadlines and at edges.
  var isDisabled = false
}

/// The sampling thread's own counts of one collector.
struct StreamCounts {
  var acquisitions: UInt64 = 0
  var nanoseconds: UInt64 = 0
  var systemCalls: UInt64 = 0
  var records: UInt64 = 0
  var recordsLost: UInt64 = 0
  var truncated: UInt64 = 0
  var layoutChanged: UInt64 = 0
  var absent: UInt64 = 0
  var denied: UInt64 = 0
  var malformed: UInt64 = 0

  /// Counts one gap by its outcome.
  mutating func gap(_ outcome: AcquisitionOutcome) {
    switch outcome {
    case .complete: break
    case .truncated: truncated &+= 1
    case .layoutChanged: layoutChanged &+= 1
    case .absent: absent &+= 1
    case .denied: denied &+= 1
    case .malformed: malformed &+= 1
    }
  }

  /// The counts as they stand in a ledger.
  func ledger(collector: String) -> CollectorLedger {
    var ledger = CollectorLedger(collector: collector)
    ledger.acquisitions = acquisitions
    ledger.nanoseconds = nanoseconds
    ledger.systemCalls = systemCalls
    ledger.records = records
    ledger.recordsLost = recordsLost
    let gaps: [(AcquisitionOutcome, UInt64)] = [
      (.truncated, truncated), (.layoutChanged, layoutChanged), (.absent, absent),
      (.denied, denied), (.malformed, malformed),
    ]
    for (outcome, count) in gaps where count > 0 { ledger.gaps[outcome.word] = count }
    return ledger
  }
}

/// A newly armed collector on its way to the sampling thread that uses it.
final class Replacement: Sendable {
  let armed: ArmedCollector
  let epoch: UInt32

  init(armed: ArmedCollector, epoch: UInt32) {
    self.armed = armed
    self.epoch = epoch
  }
}

/// One slot through which a replacement goes to the sampling thread: the newest wins.
///
/// The stream table keeps every replacement alive until a frame of its epoch or a later one has
/// come through the ring, so references travel unmanaged.
final class Mailbox: Sendable {
  private let slot = Atomic<UInt>(0)

  /// Puts a replacement in, in place of one that was never fetched.
  func put(_ replacement: Replacement) {
    let address = unsafe UInt(bitPattern: Unmanaged.passUnretained(replacement).toOpaque())
    // Release: partner of `fetch`, which must see the armed collector whole.
    slot.store(address, ordering: .releasing)
  }

  /// Whether there is something to fetch: a plain load, for every tick.
  @inline(__always)
  var isFull: Bool { slot.load(ordering: .relaxed) != 0 }

  /// Takes the replacement out.
  func fetch() -> Unmanaged<Replacement>? {
    // Acquire: partner of `put`.
    let address = slot.exchange(0, ordering: .acquiring)
    guard let pointer = unsafe UnsafeRawPointer(bitPattern: address) else { return nil }
    return unsafe Unmanaged<Replacement>.fromOpaque(pointer)
  }
}

extension AcquisitionOutcome {
  /// Whether a new arming is the answer.
  var needsRearm: Bool { self == .layoutChanged || self == .truncated || self == .malformed }
}
