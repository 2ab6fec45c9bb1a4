/// One value of a kernel text, as the text itself names it.
package struct TextField: Sendable, Hashable {
  /// The kernel's field name: `MemFree`, `rx_bytes`.
  package let name: String
  /// What it is of: `0`, `eth0`, `node1`, or empty for the host.
  package let instance: String
  /// What stands behind the number: `kB`, or nothing.
  package let suffix: String

  /// The field `name` of `instance`.
  package init(_ name: String, of instance: String = "", suffix: String = "") {
    self.name = name
    self.instance = instance
    self.suffix = suffix
  }
}

/// How a number is written in a kernel text.
package enum NumberForm: UInt8, Sendable {
  case decimal
  case hexadecimal
  /// A decimal that may have a minus sign; the value is its two's complement.
  case signed
  /// A decimal with up to two places behind the point; the value is in hundredths.
  case hundredths
}

/// A place in a kernel text whose bytes change from one reading to the next.
package struct TextHole: Sendable, Equatable {
  /// What stands in it.
  package enum Content: Sendable, Equatable {
    /// One number that is one value.
    case number(NumberForm, TextField)
    /// Several decimals, blanks between them, whose sum is one value.
    case sum(count: Int, TextField)
    /// Whatever stands up to the end of the line: read over.
    case restOfLine
    /// A name in parentheses, up to the last closing one of the line, and one word behind it:
    /// read over (the name and state of a process).
    case nameAndWord
  }

  /// The first byte; for numbers, the first digit.
  package let start: Int
  /// Behind the last byte.
  package let end: Int
  package let content: Content

  /// A hole over `range`.
  package init(_ range: Range<Int>, _ content: Content) {
    start = range.lowerBound
    end = range.upperBound
    self.content = content
  }
}

/// A kernel text while its shape is being learnt: lines and words with their places.
///
/// Only arming uses it, so it may allocate. Learners find the numbers in it; all else becomes the
/// literal text that later readings must have in the same place.
package struct KernelText: Sendable {
  package let bytes: [UInt8]

  /// A line without its newline.
  package struct Line: Sendable {
    /// From 1.
    package let number: Int32
    package let range: Range<Int>
    /// Its words: runs without blanks.
    package let words: [Range<Int>]
  }

  /// The text `bytes`, read whole.
  package init(_ text: Span<UInt8>) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    for index in text.indices { bytes.append(text[index]) }
    self.bytes = bytes
  }

  /// The lines in order. The last one must end in a newline: a cut text is not learnt from.
  package func lines() throws(KernelTextError) -> [Line] {
    var lines: [Line] = []
    var start = 0
    var number: Int32 = 1
    while start < bytes.count {
      guard let end = bytes[start...].firstIndex(of: TextScanner.newline) else {
        throw .truncated
      }
      lines.append(Line(number: number, range: start..<end, words: words(in: start..<end)))
      start = end + 1
      number += 1
    }
    return lines
  }

  /// The words in `range`.
  package func words(in range: Range<Int>) -> [Range<Int>] {
    var words: [Range<Int>] = []
    var start: Int?
    for index in range {
      let isBlank = bytes[index] == TextScanner.space || bytes[index] == 9
      if isBlank {
        if let from = start { words.append(from..<index) }
        start = nil
      } else if start == nil {
        start = index
      }
    }
    if let from = start { words.append(from..<range.upperBound) }
    return words
  }

  /// The text in `range`.
  package func string(_ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }

  /// Whether `range` holds decimal digits and nothing else.
  package func isDecimal(_ range: Range<Int>) -> Bool {
    !range.isEmpty && bytes[range].allSatisfy { $0 &- 48 < 10 }
  }

  /// The first run of decimal digits in `range`.
  package func digits(in range: Range<Int>) -> Range<Int>? {
    guard let first = bytes[range].firstIndex(where: { $0 &- 48 < 10 }) else { return nil }
    let end = bytes[first..<range.upperBound].firstIndex { $0 &- 48 >= 10 }
    return first..<(end ?? range.upperBound)
  }

  /// A decimal hole at `range`, or the error that names `line` and `word`, from 0.
  package func decimal(
    _ range: Range<Int>, _ field: TextField, line: Line, word: Int
  ) throws(KernelTextError) -> TextHole {
    guard isDecimal(range) else { throw .malformed(line: line.number, field: Int32(word + 1)) }
    return TextHole(range, .number(.decimal, field))
  }

  /// A hole for a number with places behind its point, as `decimal`.
  package func hundredths(
    _ range: Range<Int>, _ field: TextField, line: Line, word: Int
  ) throws(KernelTextError) -> TextHole {
    let parts = bytes[range].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard let whole = parts.first, !whole.isEmpty, parts.count <= 2,
      parts.allSatisfy({ $0.allSatisfy { $0 &- 48 < 10 } })
    else { throw .malformed(line: line.number, field: Int32(word + 1)) }
    return TextHole(range, .number(.hundredths, field))
  }

  /// A hole for a decimal that may have a minus sign, as `decimal`.
  package func signed(
    _ range: Range<Int>, _ field: TextField, line: Line, word: Int
  ) throws(KernelTextError) -> TextHole {
    let isNegative = bytes[range].first == UInt8(ascii: "-")
    guard isDecimal(isNegative ? range.lowerBound + 1..<range.upperBound : range) else {
      throw .malformed(line: line.number, field: Int32(word + 1))
    }
    return TextHole(range, .number(.signed, field))
  }
}
