/// One derived value.
package enum DerivedValue: Sendable, Equatable {
  case absent
  case integer(UInt64)
  case real(Double)

  /// The value as one type, nil when absent.
  package var number: Double? {
    switch self {
    case .absent: nil
    case .integer(let number): Double(number)
    case .real(let number): number
    }
  }
}
