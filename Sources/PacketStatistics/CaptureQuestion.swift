import Synchronization

/// A request of the sampling thread to a capture.
///
/// Number and kind are one word, so an answer belongs to its question, never to a newer one.
struct CaptureQuestion: AtomicRepresentable, Equatable {
  enum Kind: UInt32 {
    case none, open, tick
  }

  var number: UInt32
  var kind: Kind
  static let none = CaptureQuestion(number: 0, kind: .none)

  typealias AtomicRepresentation = UInt64.AtomicRepresentation

  static func encodeAtomicRepresentation(_ value: consuming CaptureQuestion) -> AtomicRepresentation
  {
    UInt64.encodeAtomicRepresentation(
      UInt64(value.number) << 32 | UInt64(value.kind.rawValue))
  }

  static func decodeAtomicRepresentation(
    _ storage: consuming AtomicRepresentation
  ) -> CaptureQuestion {
    let word = UInt64.decodeAtomicRepresentation(storage)
    return CaptureQuestion(
      number: UInt32(truncatingIfNeeded: word >> 32),
      kind: Kind(rawValue: UInt32(truncatingIfNeeded: word)) ?? .none)
  }
}
