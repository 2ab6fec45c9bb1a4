/// A value that is encoded as null when it is missing: every key of a document is always there.
struct Known<Value: Encodable>: Encodable {
  let value: Value?

  init(_ value: Value?) { self.value = value }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let value { try container.encode(value) } else { try container.encodeNil() }
  }
}

extension Known<Double> {
  /// A number, null also if it is infinite or not a number, which JSON does not have.
  static func finite(_ number: Double?) -> Known<Double> {
    Known(number.flatMap { $0.isFinite ? $0 : nil })
  }
}
