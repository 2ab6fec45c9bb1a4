extension StringProtocol {
  /// The text as it may stand on a terminal or in a log: what would move the cursor, change colours
  /// or turn the order of writing around is shown by its number, as in `\u{1B}`, and a byte that
  /// is no UTF-8 (`OSText`) as `\xff`. Line feeds and tabs stay.
  package var shown: String { escaped(where: \.isControlling) }

  /// The text as it may stand within one line: as `shown`, with line feeds and tabs as `\n` and
  /// `\t` too. Else a name could end the line, and make what follows look like a line of ours.
  package var shownInLine: String { escaped { $0.isControlling || $0 == "\n" || $0 == "\t" } }

  private func escaped(where isEscaped: (Unicode.Scalar) -> Bool) -> String {
    guard unicodeScalars.contains(where: isEscaped) else { return String(self) }
    return unicodeScalars.reduce(into: "") { text, scalar in
      if let byte = OSText.rawByte(scalar) {
        text += OSText.escape(byte)
      } else if isEscaped(scalar) {
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
    let all = parts("\n", keepEmpty: true)
    return all.enumerated().map { place, line in
      guard place + 1 < all.count, line.unicodeScalars.last == "\r" else { return line }
      return self[line.startIndex..<line.unicodeScalars.index(before: line.endIndex)]
    }
  }

  /// Its parts between separators, at most `most` of them. By scalars: to `split` of a string, a
  /// separator with a combining mark behind it is another character, and parts nothing.
  package func parts(
    _ separator: Unicode.Scalar, most: Int = .max, keepEmpty: Bool = false
  ) -> [SubSequence] {
    let splits = most > 0 ? most - 1 : 0
    return unicodeScalars.split(
      separator: separator, maxSplits: splits, omittingEmptySubsequences: !keepEmpty
    ).map { self[$0.startIndex..<$0.endIndex] }
  }

  /// What stands in front of the first `separator` and behind it, nil where there is none.
  package func halves(_ separator: Unicode.Scalar) -> (front: String, back: String)? {
    let halves = parts(separator, most: 2, keepEmpty: true)
    return halves.count == 2 ? (String(halves[0]), String(halves[1])) : nil
  }

  /// Whether that scalar stands in it, also with a combining mark behind.
  package func has(_ scalar: Unicode.Scalar) -> Bool { unicodeScalars.contains(scalar) }

  /// Whether its bytes begin with those of `start`: `hasPrefix` looks at characters, and at those
  /// that Unicode calls equal.
  package func begins(_ start: String) -> Bool { utf8.starts(with: start.utf8) }
}

extension Unicode.Scalar {
  /// C0 and C1 controls but line feed and tab, DEL, the marks of Unicode's bidirectional algorithm
  /// (UAX 9), and what stands for a byte (`OSText`).
  fileprivate var isControlling: Bool {
    switch value {
    case 9, 10: false
    case 0...31, 127...159, 0x61C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069,
      0xEF80...0xEFFF:
      true
    default: false
    }
  }
}
