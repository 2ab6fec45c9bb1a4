import SampleModel

/// One value of a kernel text, as the text itself names it.
package struct TextField: Sendable, Hashable {
  /// The kernel's field name: `MemFree`, `rx_bytes`.
  package let name: String
  /// The instance: `0`, `eth0`, `node1`, or empty for the host; by `OSText.distinct`.
  package let instance: String
  /// The text after the number: `kB`, or nothing.
  package let suffix: String
  /// The parts of a sum (its CPUs), or the device with that name (`Column.identity`).
  package let identity: String?

  /// The field `name` of `instance`.
  package init(
    _ name: String, of instance: String = "", suffix: String = "", identity: String? = nil
  ) {
    self.identity = identity
    self.name = name
    self.instance = OSText.distinct(instance)
    self.suffix = suffix
  }
}

/// How a number is written in a kernel text.
package enum NumberForm: UInt8, Sendable {
  case decimal
  case hexadecimal
  /// A decimal that may have a minus sign; the value is its two's complement.
  case signed
  /// A decimal with up to two digits after the point; the value is in hundredths.
  case hundredths
  /// A decimal in which 65535 and 4294967295 mean unknown (a link's speed): these are not read.
  case speed
  /// A decimal that may have a minus sign. Values below absolute zero, −273150, mean that there is
  /// no reading (THERMAL_TEMP_INVALID is −274000): these are not read.
  case millidegrees
  /// A decimal in which values from 2^62 on mean that there is no limit: these are not read.
  /// Control groups of v1 have LONG_MAX rounded down to a page, file-nr has LONG_MAX itself.
  case limit
}

/// A range of a kernel text whose bytes change between readings.
package struct Placeholder: Sendable, Equatable {
  /// The contents of a placeholder.
  package enum Content: Sendable, Equatable {
    /// One number that is one value.
    case number(NumberForm, TextField)
    /// Several decimals separated by blanks, whose sum is one value.
    case sum(count: Int, TextField)
    /// A number without a name, or with the name of an earlier one: skipped.
    case ignored
    /// A known field whose value does not parse. With `expected`, other unparsable words may follow
    /// at later readings; otherwise the text is literal, and any change of it is a change of shape.
    case unreadable(TextField)
    /// The rest of the line: skipped.
    case restOfLine
    /// A name in parentheses, up to the last closing one of the text, and the next word: skipped
    /// (name and state of a process).
    case nameAndWord
  }

  /// The first byte; for numbers, the first digit.
  package let start: Int
  /// The offset after the last byte.
  package let end: Int
  package let content: Content
  /// The form of number that was expected, for an unreadable placeholder.
  package let expected: NumberForm?

  /// A placeholder over `range`.
  package init(_ range: Range<Int>, _ content: Content, expected: NumberForm? = nil) {
    start = range.lowerBound
    end = range.upperBound
    self.content = content
    self.expected = expected
  }

  /// The field, also if its value cannot be read.
  package var named: TextField? {
    if case .unreadable(let field) = content { return field }
    return field
  }

  /// The field, nil if there is no value.
  package var field: TextField? {
    switch content {
    case .number(_, let field), .sum(_, let field): field
    case .ignored, .unreadable, .restOfLine, .nameAndWord: nil
    }
  }
}

/// A kernel text while its template is learnt, with the ranges of lines and words.
///
/// Not used on the sampling path, so it may allocate. Grammars find the numbers; everything else
/// becomes literal text that later readings must match.
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

  /// A complete text.
  package init(_ text: Span<UInt8>) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    for index in text.indices { bytes.append(text[index]) }
    self.bytes = bytes
  }

  /// The lines in order. The newline of the last one may be missing.
  package func lines() -> [Line] {
    var lines: [Line] = []
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: TextScanner.newline) ?? bytes.count
      lines.append(
        Line(
          number: Int32(truncatingIfNeeded: lines.count + 1), range: start..<end,
          words: words(in: start..<end)))
      start = end + 1
    }
    return lines
  }

  /// The words in `range`.
  package func words(in range: Range<Int>) -> [Range<Int>] {
    var words: [Range<Int>] = []
    var start: Int?
    for index in range {
      if TextScanner.isSeparator(bytes[index]) {
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
    OSText.string(bytes[range])
  }

  /// Whether `range` consists of decimal digits.
  package func isDecimal(_ range: Range<Int>) -> Bool {
    !range.isEmpty && bytes[range].allSatisfy { $0 &- 48 < 10 }
  }

  /// The first run of decimal digits in `range`.
  package func digits(in range: Range<Int>) -> Range<Int>? {
    guard let first = bytes[range].firstIndex(where: { $0 &- 48 < 10 }) else { return nil }
    let end = bytes[first..<range.upperBound].firstIndex { $0 &- 48 >= 10 }
    return first..<(end ?? range.upperBound)
  }

  /// Whether `range` is one number of this form, as `TextTemplate` reads it.
  func isNumber(_ range: Range<Int>, _ form: NumberForm) -> Bool {
    guard !range.isEmpty, !TextScanner.isSeparator(bytes[range.lowerBound]) else { return false }
    let word = bytes.span.extracting(range)
    var position = 0
    return TextScanner.number(word, &position, form) != nil && position == word.count
  }

  /// Whether `range` is one number, as `TextTemplate` skips it.
  func isSkipped(_ range: Range<Int>) -> Bool {
    let word = bytes.span.extracting(range)
    var position = 0
    return TextScanner.skipNumber(word, &position) && position == word.count
  }

  /// Word `index` of `line` as a label, without its colon, and the following words. A number may
  /// follow the colon without a blank when the kernel's columns overflow.
  func labelled(
    _ line: Line, at index: Int = 0
  ) -> (label: Range<Int>, values: [Range<Int>]) {
    let word = line.words[index]
    let following = Array(line.words[(index + 1)...])
    guard let colon = bytes[word].lastIndex(of: UInt8(ascii: ":")) else { return (word, following) }
    let label = word.lowerBound..<colon
    guard colon + 1 < word.upperBound else { return (label, following) }
    let first = bytes[colon + 1]
    guard first &- 48 < 10 || first == UInt8(ascii: "-") else { return (word, following) }
    return (label, [colon + 1..<word.upperBound] + following)
  }
}
