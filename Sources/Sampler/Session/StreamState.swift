import SampleModel
import SampleRing
import Synchronization

/// A sampling thread's state of one collector: plain values at a fixed address, those of a tick
/// first. The streams' next deadlines are stored separately, in one cache line.
@safe
struct StreamState {
  /// The armed collector, unmanaged: the stream table keeps it alive.
  var armed: Unmanaged<ArmedCollector>
  let stream: UInt16
  /// Whether acquisitions are raw, and the drain decodes them.
  var isRaw: Bool
  /// Not read any more.
  var isDisabled = false
  var lastOutcome = AcquisitionOutcome.complete
  /// The outcome of the last edge and its arming, for the controller during sampling.
  var edgeOutcome = AcquisitionOutcome.complete
  /// Number of the arming.
  var arming: UInt32
  var edgeArming: UInt32 = 0
  /// The words of a body; of a raw one, those of the last.
  var bodyWords: Int
  var cadence: UInt64
  /// Nanoseconds of its acquisitions since the last check of the budget.
  var spent: UInt64 = 0
  var counts = StreamCounts()
  /// Words of one record row, 0 for a collector of frames only.
  let recordWords: Int
  let recordRows: Int
  /// The cadence with which each bracket begins.
  let askedCadence: UInt64
  /// Whether the user chose its interval: a budget lengthens it last.
  var isFixed = false
  /// The share of one CPU that its acquisitions may use, 0 for no limit of its own.
  var costLimit = 0.0

  /// The state of a stream whose record rows have `recordWords` words.
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

  /// Whether it is read in the next bracket.
  var isRead: Bool { unsafe !isDisabled && !armed._withUnsafeGuaranteedRef { $0.isIdle } }

  /// Changes to another arming.
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

  /// The counts for the ledger, with the gaps that the drain found.
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

  /// The acquisitions with one outcome; 0 for complete ones, which are not counted.
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

  /// Counts one acquisition.
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

/// One arming of a stream's collector, handed to its sampling thread.
final class Arming: Sendable {
  let armed: ArmedCollector
  /// From 1, in the order in which the collector was armed.
  let number: UInt32

  init(_ armed: ArmedCollector, number: UInt32) {
    self.armed = armed
    self.number = number
  }

  /// Words of a body: one for each column, or those of the first acquisition.
  var bodyWords: Int { armed.decoder == nil ? armed.columns.count : armed.readingWords }
}

/// A slot that hands an arming to the sampling thread; a newer one replaces an older one.
///
/// The references are unmanaged: the stream table keeps every arming alive until a frame of it or
/// of a later one came through the ring.
final class Mailbox: Sendable {
  private let slot = Atomic<UInt>(0)

  /// Stores an arming, replacing one that was not fetched.
  func put(_ arming: Arming) {
    let address = unsafe UInt(bitPattern: Unmanaged.passUnretained(arming).toOpaque())
    // Release: pairs with `fetch`, which must see the whole armed collector.
    slot.store(address, ordering: .releasing)
  }

  /// Removes and returns the arming.
  func fetch() -> Unmanaged<Arming>? {
    // Acquire: pairs with `put`.
    let address = slot.exchange(0, ordering: .acquiring)
    guard let pointer = unsafe UnsafeRawPointer(bitPattern: address) else { return nil }
    return unsafe Unmanaged<Arming>.fromOpaque(pointer)
  }
}

/// A larger ring, handed to its sampling thread.
final class RingHandover: @unchecked Sendable {
  // Sendable: the mailbox flag hands over the producer, and `isTaken` confirms it.
  private var producer: RingProducer?
  let wakeFill: Int
  /// The thread uses the new ring, and has published all of the old one.
  let isTaken = Atomic<Bool>(false)

  init(_ producer: consuming RingProducer, wakeFill: Int) {
    self.producer = consume producer
    self.wakeFill = wakeFill
  }

  /// The producer, once.
  func take() -> RingProducer? { producer.take() }
}

extension AcquisitionOutcome {
  /// Whether re-arming may help.
  var needsRearm: Bool { self == .layoutChanged || self == .truncated || self == .malformed }
}
