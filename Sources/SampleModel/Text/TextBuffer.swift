/// Bytes of text under construction. Numbers never depend on a locale.
package struct TextBuffer {
  package private(set) var bytes: [UInt8] = []

  /// An empty buffer.
  package init() {}

  package var isEmpty: Bool { bytes.isEmpty }

  /// Makes room for `count` bytes in all.
  package mutating func reserve(_ count: Int) { bytes.reserveCapacity(count) }

  /// Forgets the content, keeps the room.
  package mutating func clear() { bytes.removeAll(keepingCapacity: true) }

  /// Appends text unchanged.
  package mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// Appends what another buffer holds.
  package mutating func append(_ other: borrowing TextBuffer) {
    bytes.append(contentsOf: other.bytes)
  }

  /// Appends UTF-8 unchanged.
  package mutating func append(bytes more: [UInt8]) { bytes.append(contentsOf: more) }

  /// Appends one ASCII character.
  package mutating func append(ascii character: Unicode.Scalar) {
    bytes.append(UInt8(ascii: character))
  }

  /// Appends that many spaces.
  package mutating func append(spaces count: Int) {
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: count))
  }

  /// Appends a whole number in decimal.
  package mutating func append(number: UInt64) {
    guard number > 9 else { return bytes.append(UInt8(ascii: "0") + UInt8(number)) }
    // The longest has twenty digits; they come from the last to the first.
    var digits: [20 of UInt8] = .init(repeating: 0)
    var first = 20
    var rest = number
    while rest > 0 {
      first -= 1
      digits[first] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    }
    for index in first..<20 { bytes.append(digits[index]) }
  }

  /// Appends the shortest decimal that reads back as `number`; whole numbers without a fraction.
  package mutating func append(real number: Double) {
    if number.magnitude < 1e15, number == number.rounded(.towardZero) {
      if number < 0 { append(ascii: "-") }
      append(number: UInt64(number.magnitude))
    } else {
      append(number.description)
    }
  }

  /// Appends `value` with `places` decimals, rounded half away from zero.
  package mutating func append(fixed value: Double, places: Int) {
    var factor: UInt64 = 1
    for _ in 0..<places { factor *= 10 }
    // Beyond these 64 bits would not do, and a double has no more digits.
    guard value.isFinite, value.magnitude < 1e15, value.magnitude * Double(factor) < 1e18 else {
      return append(value.description)
    }
    let units = UInt64((value.magnitude * Double(factor)).rounded())
    if value < 0, units > 0 { append(ascii: "-") }
    append(number: units / factor)
    guard places > 0 else { return }
    append(ascii: ".")
    // A 1 before them keeps leading zeros of the decimals.
    let start = bytes.count
    append(number: units % factor + factor)
    bytes.remove(at: start)
  }

  /// Appends a large number with two digits and its exponent.
  private mutating func append(exponential number: Double) {
    let parts = number.description.split(separator: "e")
    guard parts.count == 2, let digits = Double(parts[0]), var exponent = Int(parts[1]) else {
      return append(number.description)
    }
    var rounded = (digits * 10).rounded() / 10
    if rounded.magnitude >= 10 {
      rounded /= 10
      exponent += 1
    }
    append(fixed: rounded, places: 1)
    append("e\(exponent)")
  }

  /// Prefixes of a unit, each a step larger than the one before; the first may be none.
  package enum Prefixes {
    /// Bytes with binary prefixes.
    case bytes
    /// A count with decimal prefixes.
    case count

    fileprivate var step: Double { self == .bytes ? 1024 : 1000 }

    fileprivate func letter(_ power: Int) -> Unicode.Scalar? {
      switch power {
      case 0: self == .bytes ? "B" : nil
      case 1: self == .bytes ? "K" : "k"
      case 2: "M"
      case 3: "G"
      case 4: "T"
      default: "P"
      }
    }
  }

  /// Appends a number that is not negative in six characters at most, below a thousand of the
  /// largest prefix; from a million of that on with its exponent, as `1.7e308`.
  package mutating func append(scaled number: Double, by prefixes: Prefixes) {
    var value = number
    var power = 0
    while value.magnitude >= prefixes.step * 0.9995, power < 5 {
      value /= prefixes.step
      power += 1
    }
    if !value.isFinite || value.magnitude >= 999_999.5 { return append(exponential: number) }
    // Whole numbers need no decimals; below a hundred of a larger unit there is one.
    append(fixed: value, places: value == value.rounded() || value.magnitude >= 99.95 ? 0 : 1)
    if let letter = prefixes.letter(power) { append(ascii: letter) }
  }

  private static func isPlain(_ text: Span<UInt8>) -> Bool {
    for index in text.indices {
      let byte = text[index]
      // Beyond ASCII it may not be printed, or stand for a byte that is not UTF-8.
      if byte < 32 || byte >= 0x7F || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
        return false
      }
    }
    return true
  }

  /// Appends a JSON string with its quotes (RFC 8259, 7), with escapes for what is not printed;
  /// bytes that are not UTF-8 as `OSText.written` has them.
  package mutating func append(json text: String) {
    append(ascii: "\"")
    // Nearly every text is such that nothing in it needs a backslash.
    let start = bytes.count
    bytes.append(contentsOf: text.utf8)
    if Self.isPlain(bytes.span.extracting(start..<bytes.count)) {
      bytes.append(UInt8(ascii: "\""))
      return
    }
    bytes.removeLast(bytes.count - start)
    for scalar in OSText.written(text).unicodeScalars {
      switch scalar {
      case "\"": append("\\\"")
      case "\\": append("\\\\")
      case "\n": append("\\n")
      case "\t": append("\\t")
      case "\r": append("\\r")
      case _ where scalar.isUnprinted: append(scalar.jsonEscape)
      default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
    }
    append(ascii: "\"")
  }

  /// Appends `"key":` with a comma in front unless it is the object's first.
  package mutating func key(_ key: String) {
    if let last = bytes.last, last != UInt8(ascii: "{"), last != UInt8(ascii: "[") {
      append(ascii: ",")
    }
    append(json: key)
    append(ascii: ":")
  }

  /// Appends a member whose value is text.
  package mutating func member(_ key: String, _ value: String) {
    self.key(key)
    append(json: value)
  }

  /// Appends a member whose value is a number.
  package mutating func member(_ key: String, _ value: UInt64) {
    self.key(key)
    append(number: value)
  }

  /// Appends a separating comma inside an array unless it is the first element.
  package mutating func element() {
    if let last = bytes.last, last != UInt8(ascii: "[") { append(ascii: ",") }
  }
}
