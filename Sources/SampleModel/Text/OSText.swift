/// Text of the operating system as Swift text: arguments, paths and names are bytes there, and
/// nothing makes them UTF-8.
///
/// What is valid UTF-8 stands as it is. Each byte that belongs to no valid UTF-8 is one scalar of a
/// private range, U+EF80 for 0x80 up to U+EFFF for 0xFF. Valid UTF-8 of a scalar of that range is
/// taken for three such bytes. So two byte strings never give the same text, and `bytes` gives back
/// exactly what `string` was made of.
///
/// A person sees such a byte as `\xff` (`shown`), and so does a program that reads a result
/// (`written`).
package enum OSText {
  /// The scalar of the byte 0x80.
  private static let first: UInt32 = 0xEF80

  /// The text of `bytes`.
  package static func string(_ bytes: some Collection<UInt8>) -> String {
    // The scalars of the private range begin with this byte in UTF-8.
    if !bytes.contains(0xEE), let text = String(validating: bytes, as: UTF8.self) { return text }
    let all = Array(bytes)
    var text: [UInt8] = []
    text.reserveCapacity(all.count * 3)
    var place = 0
    while place < all.count {
      let length = validLength(all, place)
      if length == 0 {
        let byte = all[place] & 0x7F
        text += [0xEE, 0xBE | byte >> 6, 0x80 | byte & 0x3F]
        place += 1
      } else {
        text += all[place..<place + length]
        place += length
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The text of a C string: the bytes in front of its NUL.
  package static func string(cString start: UnsafePointer<CChar>) -> String {
    var bytes: [UInt8] = []
    // Safe: the caller's string ends with a NUL.
    while unsafe start[bytes.count] != 0 {
      unsafe bytes.append(UInt8(truncatingIfNeeded: start[bytes.count]))
    }
    return string(bytes)
  }

  /// The bytes that `text` was made of. Those of other text are its UTF-8, but for scalars of the
  /// private range.
  package static func bytes(_ text: some StringProtocol) -> [UInt8] {
    var bytes = Array(text.utf8)
    guard bytes.contains(0xEE) else { return bytes }
    var (from, to) = (0, 0)
    while from < bytes.count {
      if let byte = rawByte(bytes, from) {
        bytes[to] = byte
        from += 3
      } else {
        bytes[to] = bytes[from]
        from += 1
      }
      to += 1
    }
    bytes.removeLast(bytes.count - to)
    return bytes
  }

  /// The byte that a scalar stands for, nil for one that stands for itself.
  package static func rawByte(_ scalar: Unicode.Scalar) -> UInt8? {
    guard scalar.value >= first, scalar.value < first + 0x80 else { return nil }
    return UInt8(scalar.value - first + 0x80)
  }

  /// Whether `text` has a byte that is no UTF-8.
  package static func hasRawBytes(_ text: some StringProtocol) -> Bool {
    text.utf8.contains(0xEE) && text.unicodeScalars.contains { rawByte($0) != nil }
  }

  /// `\xff`, as `byte` is written wherever it is read.
  package static func escape(_ byte: UInt8) -> String {
    (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16)
  }

  /// The text as CSV, JSON and YAML have it, so that different texts stay different. One that has a
  /// byte that is no UTF-8, or that reads as if it had one (`\xff`, spelt out), is written with
  /// `\xff` for each such byte and with each backslash doubled; any other as it is.
  package static func written(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 == 0xEE || $0 == UInt8(ascii: "\\") }) else { return text }
    guard hasRawBytes(text) || spellsByte(Array(text.utf8)) else { return text }
    return text.unicodeScalars.reduce(into: "") { written, scalar in
      if let byte = rawByte(scalar) {
        written += escape(byte)
      } else {
        written.unicodeScalars.append(scalar)
        if scalar == "\\" { written.unicodeScalars.append(scalar) }
      }
    }
  }

  /// Whether `\x80` to `\xff` stand in a text.
  private static func spellsByte(_ text: [UInt8]) -> Bool {
    text.indices.contains { place in
      text[place] == UInt8(ascii: "\\") && spellsByte(text, place + 1)
    }
  }

  /// Whether `x80` to `xff`, what follows the backslash of such a byte, begin at `place` of a text.
  package static func spellsByte(_ text: [UInt8], _ place: Int) -> Bool {
    guard place + 2 < text.count, text[place] == UInt8(ascii: "x") else { return false }
    let digits = Array("0123456789abcdef".utf8)
    return digits.dropFirst(8).contains(text[place + 1]) && digits.contains(text[place + 2])
  }

  /// The byte that the private scalar at `place` of UTF-8 stands for; nil where none is.
  package static func rawByte(_ text: [UInt8], _ place: Int) -> UInt8? {
    guard text[place] == 0xEE, place + 2 < text.count, text[place + 1] | 1 == 0xBF else {
      return nil
    }
    return 0x80 | (text[place + 1] & 1) << 6 | text[place + 2] & 0x3F
  }

  /// Bytes of the scalar at `place`, 0 where no valid UTF-8 begins or one of the private range
  /// (Unicode 16, table 3-7).
  private static func validLength(_ bytes: [UInt8], _ place: Int) -> Int {
    if bytes[place] < 0x80 { return 1 }
    let (length, second): (Int, ClosedRange<UInt8>) =
      switch bytes[place] {
      case 0xC2...0xDF: (2, 0x80...0xBF)
      case 0xE0: (3, 0xA0...0xBF)
      case 0xED: (3, 0x80...0x9F)
      case 0xE1...0xEF: (3, 0x80...0xBF)
      case 0xF0: (4, 0x90...0xBF)
      case 0xF1...0xF3: (4, 0x80...0xBF)
      case 0xF4: (4, 0x80...0x8F)
      default: (0, 0...0)
      }
    guard length > 0, place + length <= bytes.count, second.contains(bytes[place + 1]),
      bytes[place + 2..<place + length].allSatisfy({ $0 & 0xC0 == 0x80 }),
      rawByte(bytes, place) == nil
    else { return 0 }
    return length
  }
}

extension StringProtocol {
  /// The bytes that it stands for with a NUL behind, as system calls take paths and names.
  package var osCString: [CChar] {
    OSText.bytes(self).map { CChar(truncatingIfNeeded: $0) } + [0]
  }
}

/// Text that equals another one only if all its bytes do: to Swift, text with an accent and the
/// same with a combining one are equal, and to the system they are two names. They hash alike.
package struct ExactText: Hashable, Sendable {
  package let text: String

  /// The text, to be told from others by its bytes.
  package init(_ text: String) { self.text = text }

  /// Whether the bytes are the same.
  package static func == (one: Self, other: Self) -> Bool {
    one.text.utf8.elementsEqual(other.text.utf8)
  }

  /// Names that Swift takes for another one of `names`, though their bytes differ, each with what
  /// takes its place where names are the keys of a dictionary: of equal names the shortest, then
  /// the first by its bytes, stays, and the others have `\u{301}` for each scalar beyond ASCII. By
  /// their places; empty as a rule.
  package static func apart(_ names: [String]) -> [Int: String] {
    var alike: [String: [Int]] = [:]
    for (place, name) in names.enumerated() where !name.utf8.allSatisfy({ $0 < 0x80 }) {
      alike[name, default: []].append(place)
    }
    var replaced: [Int: String] = [:]
    for places in alike.values where places.count > 1 {
      let kept = places.map { names[$0] }.min {
        $0.utf8.count != $1.utf8.count
          ? $0.utf8.count < $1.utf8.count : $0.utf8.lexicographicallyPrecedes($1.utf8)
      }
      guard let kept else { continue }
      for place in places where Self(names[place]) != Self(kept) {
        replaced[place] = names[place].unicodeScalars.reduce(into: "") { text, scalar in
          if scalar.isASCII {
            text.unicodeScalars.append(scalar)
          } else {
            text += "\\u{\(String(scalar.value, radix: 16))}"
          }
        }
      }
    }
    return replaced
  }
}
