extension FixedWidthInteger {
  /// The nearest integer to `value`, clamped to the type's range: a value from a workload or a file
  /// may be beyond it. 0 for NaN.
  package init(bounded value: Double) {
    guard !value.isNaN else {
      self = 0
      return
    }
    let whole = value.rounded()
    // The largest integer may round up to one that is too large.
    if whole >= Double(Self.max) {
      self = .max
    } else if whole <= Double(Self.min) {
      self = .min
    } else {
      self = Self(whole)
    }
  }
}

extension Double {
  /// The number in decimal digits, with a point or an exponent; nil for other forms that Swift
  /// accepts (`0x1p4`, `inf`), and for numbers out of range.
  package init?(decimal text: some StringProtocol) {
    let isDecimal = text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
        UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
        true
      default: false
      }
    }
    guard isDecimal, let number = Double(text), number.isFinite else { return nil }
    self = number
  }
}

extension UInt64 {
  /// The growth of a count since `earlier`; 0 if it fell: clocks read one after the other, the wall
  /// clock and the kernel's idle time may step back.
  package func growth(since earlier: UInt64) -> UInt64 { self > earlier ? self - earlier : 0 }
}
