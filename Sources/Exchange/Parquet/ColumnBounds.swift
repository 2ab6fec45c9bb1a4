/// The least and the greatest of a column's values, as statistics have them.
struct ColumnBounds: Equatable {
  /// Texts that are longer have no bounds.
  private static let longestText = 256

  /// As numbers that compare as the column's values do.
  private var least: UInt64 = .max
  private var greatest: UInt64 = 0
  private var leastText: [UInt8] = []
  private var greatestText: [UInt8] = []
  /// Whether there is any value.
  private(set) var isKnown = false
  /// A text was too long.
  private var isVoid = false

  /// Takes the numbers of a column of this kind.
  mutating func add(_ values: Span<UInt64>, _ kind: ParquetColumn.Kind) {
    guard !values.isEmpty else { return }
    var (low, high) = (UInt64.max, UInt64.min)
    switch kind {
    case .real:
      for index in values.indices {
        let number = Double(bitPattern: values[index])
        // NaN is in no bounds.
        guard !number.isNaN else { continue }
        let key = Self.key(number)
        (low, high) = (min(low, key), max(high, key))
      }
      guard low <= high else { return }
    case .integer, .timestamp:
      for index in values.indices {
        let key = values[index] ^ (1 << 63)
        (low, high) = (min(low, key), max(high, key))
      }
    case .unsigned, .flag, .text:
      for index in values.indices {
        (low, high) = (min(low, values[index]), max(high, values[index]))
      }
    }
    (least, greatest) = (min(least, low), max(greatest, high))
    isKnown = true
  }

  /// Takes a text.
  mutating func add(_ text: [UInt8]) {
    if text.count > Self.longestText { isVoid = true }
    guard !isVoid else { return }
    if !isKnown || text.lexicographicallyPrecedes(leastText) { leastText = text }
    if !isKnown || greatestText.lexicographicallyPrecedes(text) { greatestText = text }
    isKnown = true
  }

  /// Takes the bounds of another part of the column.
  mutating func add(_ other: ColumnBounds, _ kind: ParquetColumn.Kind) {
    if other.isVoid { isVoid = true }
    guard other.isKnown else { return }
    if kind == .text {
      add(other.leastText)
      add(other.greatestText)
    } else {
      (least, greatest) = (min(least, other.least), max(greatest, other.greatest))
      isKnown = true
    }
  }

  /// The bounds as plain values; nil if there are none.
  func encoded(_ kind: ParquetColumn.Kind) -> (least: [UInt8], greatest: [UInt8])? {
    guard isKnown, !isVoid else { return nil }
    switch kind {
    case .text: return (leastText, greatestText)
    case .flag: return ([UInt8(least & 1)], [UInt8(greatest & 1)])
    case .unsigned: return (Self.bytes(least), Self.bytes(greatest))
    case .integer, .timestamp:
      return (Self.bytes(least ^ (1 << 63)), Self.bytes(greatest ^ (1 << 63)))
    case .real:
      // parquet.thrift: of zeros the least is negative and the greatest positive.
      let low = Self.number(least)
      let high = Self.number(greatest)
      return (
        Self.bytes((low == 0 ? -0.0 : low).bitPattern),
        Self.bytes((high == 0 ? 0.0 : high).bitPattern)
      )
    }
  }

  /// Whether these bounds lie before or at those of the next page, by their keys.
  func precedes(_ other: ColumnBounds, _ kind: ParquetColumn.Kind) -> Bool {
    kind == .text
      ? !other.leastText.lexicographicallyPrecedes(leastText)
        && !other.greatestText.lexicographicallyPrecedes(greatestText)
      : least <= other.least && greatest <= other.greatest
  }

  /// A number whose order without a sign is that of the double (−0 before 0).
  private static func key(_ number: Double) -> UInt64 {
    let bits = number.bitPattern
    return bits >> 63 == 1 ? ~bits : bits | 1 << 63
  }

  private static func number(_ key: UInt64) -> Double {
    Double(bitPattern: key >> 63 == 1 ? key & ~(1 << 63) : ~key)
  }

  private static func bytes(_ word: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
  }
}
