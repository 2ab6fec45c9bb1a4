extension StringProtocol {
  /// The text escaped for a terminal or a log: what is not printed (`isUnprinted`) is shown by
  /// number, as in `\u{1B}`, and a byte that is not valid UTF-8 (`OSText`) as `\xff`. Line feeds
  /// and tabs are kept.
  package var shown: String { escaped(where: \.isControlling) }

  /// The text escaped for one line: as `shown`, with line feeds and tabs as `\n` and `\t`.
  /// Otherwise a name could end the line, and forge a following one.
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

  /// At most about `limit` characters. The middle is left out: a message begins with its subject
  /// and ends with what to do.
  package func shortened(to limit: Int) -> String {
    guard count > limit else { return String(self) }
    return "\(prefix(limit / 2)) … \(suffix(limit / 2))"
  }

  /// Its lines, including empty ones, ended by LF or CR LF: to Swift, CR LF is one character, which
  /// is not a line feed.
  package var lines: [SubSequence] {
    let all = parts("\n", keepEmpty: true)
    return all.enumerated().map { index, line in
      guard index + 1 < all.count, line.unicodeScalars.last == "\r" else { return line }
      return self[line.startIndex..<line.unicodeScalars.index(before: line.endIndex)]
    }
  }

  /// Its parts between separators, at most `most`. By scalars: to `String.split`, a separator
  /// followed by a combining mark is another character.
  package func parts(
    _ separator: Unicode.Scalar, most: Int = .max, keepEmpty: Bool = false
  ) -> [SubSequence] {
    let splits = most > 0 ? most - 1 : 0
    return unicodeScalars.split(
      separator: separator, maxSplits: splits, omittingEmptySubsequences: !keepEmpty
    ).map { self[$0.startIndex..<$0.endIndex] }
  }

  /// The text before and after the first `separator`, nil without one.
  package func halves(_ separator: Unicode.Scalar) -> (front: String, back: String)? {
    let halves = parts(separator, most: 2, keepEmpty: true)
    return halves.count == 2 ? (String(halves[0]), String(halves[1])) : nil
  }

  /// Whether it contains that scalar, even followed by a combining mark.
  package func has(_ scalar: Unicode.Scalar) -> Bool { unicodeScalars.contains(scalar) }

  /// Whether its bytes begin with those of `start`: `hasPrefix` compares characters by canonical
  /// equivalence.
  package func begins(_ start: String) -> Bool { utf8.starts(with: start.utf8) }
}

extension Unicode.Scalar {
  /// Whether a terminal, a browser or a reader of lines obeys it, or shows nothing: controls (C0,
  /// DEL, C1), marks of direction and of no width, separators of lines and paragraphs, fillers,
  /// selectors of variants. By Unicode's general category and Default_Ignorable_Code_Point.
  package var isUnprinted: Bool {
    guard value >= 127 else { return value < 32 }
    switch properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: return true
    default: return properties.isDefaultIgnorableCodePoint
    }
  }

  /// Its escape in JSON (RFC 8259, 7): `\u2028`, beyond 16 bits a pair of surrogates.
  package var jsonEscape: String {
    String(self).utf16.map { unit in
      let digits = String(unit, radix: 16)
      return "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }.joined()
  }

  /// What is escaped of a text of several lines.
  fileprivate var isControlling: Bool {
    value != 9 && value != 10 && (isUnprinted || OSText.rawByte(self) != nil)
  }
}
