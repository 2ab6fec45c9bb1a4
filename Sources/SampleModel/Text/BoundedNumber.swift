extension FixedWidthInteger {
  /// The whole number nearest to `value`, or the nearest that there is: what a workload printed, or
  /// a file says, may be beyond all of them. Of what is no number, 0.
  package init(bounded value: Double) {
    guard !value.isNaN else {
      self = 0
      return
    }
    let whole = value.rounded()
    // The largest number may round to the first one that is too large.
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
  /// The number that `text` is in decimal digits, with a point or an exponent; nil for anything
  /// else that Swift would read, `0x1p4` and `inf` among it, and for what is beyond all numbers.
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
  /// What a count has grown by since it was `earlier`; 0 where it fell: two clocks that are read
  /// one after the other, the wall clock and the kernel's idle time step back now and then.
  package func growth(since earlier: UInt64) -> UInt64 { self > earlier ? self - earlier : 0 }
}
