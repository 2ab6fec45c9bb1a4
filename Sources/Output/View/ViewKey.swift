/// A key of the full-screen view.
package enum ViewKey: Sendable, Hashable {
  case character(Character)
  /// A control character, by its letter.
  case control(Character)
  case enter, escape, backspace
  case up, down, left, right, pageUp, pageDown, home, end
}

/// Makes keys of a terminal's bytes (ECMA-48, and xterm's application keys). A sequence that
/// is not known is no key.
package struct KeyDecoder: Sendable {
  /// Longer sequences are none that a key sends.
  private static let limit = 32
  private var rest: [UInt8] = []

  /// A decoder that has seen nothing.
  package init() {}

  /// Whether an escape character waits for what may follow it.
  package var isWaiting: Bool { !rest.isEmpty }

  /// The keys that are complete with these bytes.
  package mutating func take(_ bytes: some Sequence<UInt8>) -> [ViewKey] {
    var keys: [ViewKey] = []
    for byte in bytes {
      rest.append(byte)
      if let key = next() { keys.append(key) }
    }
    return keys
  }

  /// The key of what waits, since nothing follows it.
  package mutating func flush() -> ViewKey? {
    defer { rest = [] }
    return rest == [0x1B] ? .escape : nil
  }

  /// The key that the bytes so far make.
  private mutating func next() -> ViewKey? {
    if rest[0] == 0x1B { return nextOfSequence() }
    if let key = Self.plain(rest[0]) {
      rest = []
      return key
    }
    // UTF-8: the first byte says how many there are.
    let length = rest[0] >= 0xF0 ? 4 : rest[0] >= 0xE0 ? 3 : rest[0] >= 0xC2 ? 2 : 1
    guard rest.count >= length else { return nil }
    defer { rest = [] }
    return String(validating: rest, as: UTF8.self)?.first.map { .character($0) }
  }

  private static func plain(_ byte: UInt8) -> ViewKey? {
    switch byte {
    case 0x0A, 0x0D: .enter
    case 0x08, 0x7F: .backspace
    case 0x00..<0x20: .control(Character(Unicode.Scalar(byte + 0x40)))
    case 0x20..<0x7F: .character(Character(Unicode.Scalar(byte)))
    default: nil
    }
  }

  private mutating func nextOfSequence() -> ViewKey? {
    guard rest.count > 1 else { return nil }
    guard rest[1] == UInt8(ascii: "[") || rest[1] == UInt8(ascii: "O") else {
      // Not a sequence: the byte is a key of its own.
      let byte = rest[1]
      rest = byte == 0x1B ? [0x1B] : []
      return byte == 0x1B ? .escape : Self.plain(byte)
    }
    guard rest.count > 2 else { return nil }
    let last = rest[rest.count - 1]
    guard (0x40...0x7E).contains(last) else {
      if rest.count >= Self.limit || last < 0x20 { rest = [] }
      return nil
    }
    defer { rest = [] }
    switch last {
    case UInt8(ascii: "A"): return .up
    case UInt8(ascii: "B"): return .down
    case UInt8(ascii: "C"): return .right
    case UInt8(ascii: "D"): return .left
    case UInt8(ascii: "H"): return .home
    case UInt8(ascii: "F"): return .end
    case UInt8(ascii: "M") where rest[1] == UInt8(ascii: "O"): return .enter
    case UInt8(ascii: "~"):
      switch String(decoding: rest[2..<rest.count - 1], as: UTF8.self) {
      case "1", "7": return .home
      case "4", "8": return .end
      case "5": return .pageUp
      case "6": return .pageDown
      default: return nil
      }
    default: return nil
    }
  }
}
