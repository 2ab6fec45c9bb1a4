extension StringProtocol {
  /// The text as it may stand on a terminal or in a log: what would move the cursor, change colours
  /// or turn the order of writing around is shown by its number, as in `\u{1B}`. Line feeds and
  /// tabs stay.
  package var shown: String {
    guard unicodeScalars.contains(where: \.isControlling) else { return String(self) }
    return unicodeScalars.reduce(into: "") { text, scalar in
      if scalar.isControlling {
        text += scalar.escaped(asASCII: true)
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
  }

  /// At most about `limit` characters of it. What is too much is left out in the middle: a message
  /// begins with what it is about, and ends with what to do.
  package func shortened(to limit: Int) -> String {
    guard count > limit else { return String(self) }
    return "\(prefix(limit / 2)) … \(suffix(limit / 2))"
  }

  /// Its lines, empty ones too, whatever system ended them: to Swift a carriage return with its
  /// line feed is one character, which is no line feed.
  package var lines: [SubSequence] {
    split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
  }
}

extension Unicode.Scalar {
  /// C0 and C1 controls but line feed and tab, DEL, and the marks of Unicode's bidirectional
  /// algorithm (UAX 9).
  fileprivate var isControlling: Bool {
    switch value {
    case 9, 10: false
    case 0...31, 127...159, 0x61C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
