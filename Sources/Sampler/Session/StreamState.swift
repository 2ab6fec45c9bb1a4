import SampleModel
import SampleRing
import Synchronization

/// What a sampling thread holds of one collector: plain values at a fixed address, what a tick
/// needs first. The deadlines at which streams are due stand apart, in a line of their own.
@safe
struct StreamState {
  /// The armed collector, unmanaged: the stream table keeps it alive.
  var armed: Unmanaged<ArmedCollector>
  let stream: UInt16
  /// Whether the acquisitions are raw, for the drain to decode.
  var isRaw: Bool
  /// Not read any more, at deadlines and at edges.
  var isDisabled = false
  var lastOutcome = AcquisitionOutcome.complete
  /// What the last edge gave, and of which arming: for the controller, while sampling goes on.
  var edgeOutcome = AcquisitionOutcome.complete
  /// Number of the arming.
  var arming: UInt32
  var edgeArming: UInt32 = 0
  /// Words that a body has, or that a raw one had last.
  var bodyWords: Int
  var cadence: UInt64
  /// Nanoseconds of its acquisitions since the budget was checked last.
  var spent: UInt64 = 0
  var counts = StreamCounts()
  /// Words of one record row, 0 for a collector of frames only.
  let recordWords: Int
  let recordRows: Int
  /// The cadence with which each bracket begins.
  let askedCadence: UInt64
  /// Whether its interval was asked for: a budget lengthens it last.
  var isFixed = false
  /// The most that its acquisitions may cost of one CPU, 0 for no bound of its own.
  var costLimit = 0.0

  /// The state of an arming of `stream`, whose record rows have `recordWords` words.
  init(
    _ arming: Arming, stream: UInt16, cadence: UInt64, recordWords: Int, recordRows: Int
  ) {
    unsafe armed = .passUnretained(arming.armed)
    self.stream = stream
    self.cadence = cadence
    askedCadence = cadence
    self.recordWords = recordWords
    self.recordRows = recordRows
    self.arming = arming.number
    isRaw = arming.armed.decoder != nil
    bodyWords = arming.bodyWords
  }

  /// Whether there is anything to read of it in the next bracket.
  var isRead: Bool { unsafe !isDisabled && !armed._withUnsafeGuaranteedRef { $0.isIdle } }

  /// Goes over to another arming.
  mutating func take(_ next: Arming) {
    unsafe armed = .passUnretained(next.armed)
    arming = next.number
    isRaw = next.armed.decoder != nil
    bodyWords = next.bodyWords
  }
}

/// The sampling thread's own counts of one collector.
struct StreamCounts {
  var acquisitions: UInt64 = 0
  var nanoseconds: UInt64 = 0
  var systemCalls: UInt64 = 0
  var records: UInt64 = 0
  var recordsLost: UInt64 = 0
  /// Acquisitions without values, by outcome; the drain adds those that it could not decode.
  var gaps = GapCounts()

  /// The counts as they stand in a ledger, with the gaps that the drain has found.
  func ledger(collector: String, decoding: GapCounts) -> CollectorLedger {
    var ledger = CollectorLedger(collector: collector)
    ledger.acquisitions = acquisitions
    ledger.nanoseconds = nanoseconds
    ledger.systemCalls = systemCalls
    ledger.records = records
    ledger.recordsLost = recordsLost
    for outcome in AcquisitionOutcome.allCases where outcome != .complete {
      let count = gaps[outcome] &+ decoding[outcome]
      if count > 0 { ledger.gaps[outcome.word] = count }
    }
    return ledger
  }
}

/// How many acquisitions had no values, by outcome: plain values, for a sampling thread to count.
struct GapCounts {
  private var truncated: UInt64 = 0
  private var layoutChanged: UInt64 = 0
  private var absent: UInt64 = 0
  private var denied: UInt64 = 0
  private var malformed: UInt64 = 0

  /// The acquisitions of one outcome; of complete ones none is counted.
  subscript(_ outcome: AcquisitionOutcome) -> UInt64 {
    switch outcome {
    case .complete: 0
    case .truncated: truncated
    case .layoutChanged: layoutChanged
    case .absent: absent
    case .denied: denied
    case .malformed: malformed
    }
  }

  /// Counts one.
  mutating func add(_ outcome: AcquisitionOutcome) {
    switch outcome {
    case .complete: break
    case .truncated: truncated &+= 1
    case .layoutChanged: layoutChanged &+= 1
    case .absent: absent &+= 1
    case .denied: denied &+= 1
    case .malformed: malformed &+= 1
    }
  }
}

/// One arming of a stream's collector, on its way to the sampling thread that uses it.
final class Arming: Sendable {
  let armed: ArmedCollector
  /// From 1, in the order in which the collector was armed.
  let number: UInt32

  init(_ armed: ArmedCollector, number: UInt32) {
    self.armed = armed
    self.number = number
  }

  /// Words of a body: one for each column, or what a first reading took.
  var bodyWords: Int { armed.decoder == nil ? armed.columns.count : armed.readingWords }
}

/// One slot through which an arming goes to the sampling thread: the newest wins.
///
/// The stream table keeps every arming alive until a frame of it or a later one has come through
/// the ring, so references travel unmanaged.
final class Mailbox: Sendable {
  private let slot = Atomic<UInt>(0)

  /// Puts an arming in, in place of one that was never fetched.
  func put(_ arming: Arming) {
    let address = unsafe UInt(bitPattern: Unmanaged.passUnretained(arming).toOpaque())
    // Release: partner of `fetch`, which must see the armed collector whole.
    slot.store(address, ordering: .releasing)
  }

  /// Takes the arming out.
  func fetch() -> Unmanaged<Arming>? {
    // Acquire: partner of `put`.
    let address = slot.exchange(0, ordering: .acquiring)
    guard let pointer = unsafe UnsafeRawPointer(bitPattern: address) else { return nil }
    return unsafe Unmanaged<Arming>.fromOpaque(pointer)
  }
}

/// A larger ring on its way to the sampling thread that is to write into it.
final class RingHandover: @unchecked Sendable {
  // Sendable: the producer changes hands at the mailbox flag, and `isTaken` says that it has.
  private var producer: RingProducer?
  let wakeFill: Int
  /// The thread writes into the new ring from now on, and has published all of the old one.
  let isTaken = Atomic<Bool>(false)

  init(_ producer: consuming RingProducer, wakeFill: Int) {
    self.producer = consume producer
    self.wakeFill = wakeFill
  }

  /// The producer, once.
  func take() -> RingProducer? { producer.take() }
}

extension AcquisitionOutcome {
  /// Whether a new arming is the answer.
  var needsRearm: Bool { self == .layoutChanged || self == .truncated || self == .malformed }
}
