// `_nfc` is the standard library's own normalisation, by which it compares texts; Foundation on
// Linux uses it in the same way.
@_spi(_Unicode) import Swift

/// Text of the operating system as Swift text: arguments, paths and names are bytes there, and
/// nothing makes them UTF-8.
///
/// Valid UTF-8 is kept. Each other byte becomes one scalar of a private range, U+EF80 for 0x80 up
/// to U+EFFF for 0xFF. Valid UTF-8 of a scalar of that range is treated as three such bytes. So two
/// byte strings never give the same text, and `bytes` restores the exact bytes.
///
/// Such a byte is displayed (`shown`) and written to results (`written`) as `\xff`.
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
    var offset = 0
    while offset < all.count {
      let length = validLength(all, offset)
      if length == 0 {
        let byte = all[offset] & 0x7F
        text += [0xEE, 0xBE | byte >> 6, 0x80 | byte & 0x3F]
        offset += 1
      } else {
        text += all[offset..<offset + length]
        offset += length
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The text of a C string: the bytes before its NUL.
  package static func string(cString start: UnsafePointer<CChar>) -> String {
    var bytes: [UInt8] = []
    // Safe: the caller's string ends with a NUL.
    while unsafe start[bytes.count] != 0 {
      unsafe bytes.append(UInt8(truncatingIfNeeded: start[bytes.count]))
    }
    return string(bytes)
  }

  /// A name that is equal to no other name of other bytes: to Swift, and to readers of JSON that
  /// normalise, a precomposed and a decomposed accent are one name, to the system they are two.
  /// A text in Unicode's normal form C (UAX 15) is kept; in another, each byte beyond ASCII is
  /// treated as one that is not UTF-8. `bytes` restores the exact bytes of either.
  package static func distinct(_ text: String) -> String {
    guard !text.utf8.allSatisfy({ $0 < 0x80 }), !text._nfc.elementsEqual(text.unicodeScalars)
    else { return text }
    return bytes(text).reduce(into: "") { name, byte in
      let value = byte < 0x80 ? UInt32(byte) : first + UInt32(byte & 0x7F)
      if let scalar = Unicode.Scalar(value) { name.unicodeScalars.append(scalar) }
    }
  }

  /// The bytes of `text`: its UTF-8, with scalars of the private range restored to bytes.
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

  /// The byte of a scalar of the private range, nil for any other.
  package static func rawByte(_ scalar: Unicode.Scalar) -> UInt8? {
    guard scalar.value >= first, scalar.value < first + 0x80 else { return nil }
    return UInt8(scalar.value - first + 0x80)
  }

  /// Whether `text` has a byte that is not valid UTF-8.
  package static func hasRawBytes(_ text: some StringProtocol) -> Bool {
    text.utf8.contains(0xEE) && text.unicodeScalars.contains { rawByte($0) != nil }
  }

  /// `byte` as `\xff`.
  package static func escape(_ byte: UInt8) -> String {
    (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16)
  }

  /// The text for CSV, JSON and YAML, such that different texts stay different. If it has an
  /// invalid byte, or contains a literal `\xff`, each such byte is written as `\xff` and each
  /// backslash is doubled; any other text is unchanged.
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

  /// Whether a text contains a literal `\x80` to `\xff`.
  private static func spellsByte(_ text: [UInt8]) -> Bool {
    text.indices.contains { offset in
      text[offset] == UInt8(ascii: "\\") && spellsByte(text, offset + 1)
    }
  }

  /// Whether `x80` to `xff` (without the backslash) begins at `offset` of a text.
  package static func spellsByte(_ text: [UInt8], _ offset: Int) -> Bool {
    guard offset + 2 < text.count, text[offset] == UInt8(ascii: "x") else { return false }
    let digits = Array("0123456789abcdef".utf8)
    return digits.dropFirst(8).contains(text[offset + 1]) && digits.contains(text[offset + 2])
  }

  /// The byte of the private scalar at `offset` of UTF-8; nil if there is none.
  package static func rawByte(_ text: [UInt8], _ offset: Int) -> UInt8? {
    guard text[offset] == 0xEE, offset + 2 < text.count, text[offset + 1] | 1 == 0xBF else {
      return nil
    }
    return 0x80 | (text[offset + 1] & 1) << 6 | text[offset + 2] & 0x3F
  }

  /// The length of the scalar at `offset` in bytes; 0 for invalid UTF-8 and for the private range
  /// (Unicode 16, table 3-7).
  private static func validLength(_ bytes: [UInt8], _ offset: Int) -> Int {
    if bytes[offset] < 0x80 { return 1 }
    let (length, second): (Int, ClosedRange<UInt8>) =
      switch bytes[offset] {
      case 0xC2...0xDF: (2, 0x80...0xBF)
      case 0xE0: (3, 0xA0...0xBF)
      case 0xED: (3, 0x80...0x9F)
      case 0xE1...0xEF: (3, 0x80...0xBF)
      case 0xF0: (4, 0x90...0xBF)
      case 0xF1...0xF3: (4, 0x80...0xBF)
      case 0xF4: (4, 0x80...0x8F)
      default: (0, 0...0)
      }
    guard length > 0, offset + length <= bytes.count, second.contains(bytes[offset + 1]),
      bytes[offset + 2..<offset + length].allSatisfy({ $0 & 0xC0 == 0x80 }),
      rawByte(bytes, offset) == nil
    else { return 0 }
    return length
  }
}

extension StringProtocol {
  /// Its bytes followed by a NUL, for paths and names in system calls.
  package var osCString: [CChar] {
    OSText.bytes(self).map { CChar(truncatingIfNeeded: $0) } + [0]
  }
}

/// Text compared by its bytes: to Swift, a precomposed and a decomposed accent are equal; to the
/// system they are two names. Both have the same hash.
package struct ExactText: Hashable, Sendable {
  package let text: String

  /// A text to be compared by its bytes.
  package init(_ text: String) { self.text = text }

  /// Whether the bytes are the same.
  package static func == (one: Self, other: Self) -> Bool {
    one.text.utf8.elementsEqual(other.text.utf8)
  }
}
