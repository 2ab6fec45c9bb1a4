import SampleModel

/// One value of a kernel text, as the text itself names it.
package struct TextField: Sendable, Hashable {
  /// The kernel's field name: `MemFree`, `rx_bytes`.
  package let name: String
  /// What it is of: `0`, `eth0`, `node1`, or empty for the host.
  package let instance: String
  /// What stands behind the number: `kB`, or nothing.
  package let suffix: String
  /// What a sum is made of, the CPUs whose counts are in it; or which device has the name.
  package let identity: String?

  /// The field `name` of `instance`.
  package init(
    _ name: String, of instance: String = "", suffix: String = "", identity: String? = nil
  ) {
    self.identity = identity
    self.name = name
    self.instance = instance
    self.suffix = suffix
  }

  /// Whether all of it is the same, its instance by its bytes: two names that Unicode calls equal
  /// are two instances.
  package static func == (one: TextField, other: TextField) -> Bool {
    one.name == other.name && ExactText(one.instance) == ExactText(other.instance)
      && one.suffix == other.suffix && one.identity == other.identity
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
  /// A decimal of which 65535 and 4294967295 mean that the kernel does not know it (a link's
  /// speed): these are not read.
  case speed
  /// A decimal that may have a minus sign, of which those below absolute zero, −273150, mean that
  /// there is no reading (THERMAL_TEMP_INVALID is −274000): these are not read.
  case millidegrees
  /// A decimal of which numbers from 2^62 on mean that there is no limit: these are not read.
  /// Control groups of v1 say LONG_MAX rounded down to a page, file-nr LONG_MAX itself.
  case limit
}

/// A place in a kernel text whose bytes change from one reading to the next.
package struct TextHole: Sendable, Equatable {
  /// What stands in it.
  package enum Content: Sendable, Equatable {
    /// One number that is one value.
    case number(NumberForm, TextField)
    /// Several decimals, blanks between them, whose sum is one value.
    case sum(count: Int, TextField)
    /// A number that has no name, or one that an earlier number has: read over.
    case ignored
    /// A known field whose value does not parse: it has no value here. With `expected`, words that
    /// are no such numbers either may take the place of those that stand in it; else the text is
    /// literal, and any change of it is a change of shape.
    case unreadable(TextField)
    /// Whatever stands up to the end of the line: read over.
    case restOfLine
    /// A name in parentheses, up to the last closing one of the text, and one word behind it:
    /// read over (the name and state of a process).
    case nameAndWord
  }

  /// The first byte; for numbers, the first digit.
  package let start: Int
  /// Behind the last byte.
  package let end: Int
  package let content: Content
  /// The form of the numbers that would be readable in the place of unreadable ones.
  package let expected: NumberForm?

  /// A hole over `range`.
  package init(_ range: Range<Int>, _ content: Content, expected: NumberForm? = nil) {
    start = range.lowerBound
    end = range.upperBound
    self.content = content
    self.expected = expected
  }

  /// The field that stands here, also one whose value cannot be read.
  package var named: TextField? {
    if case .unreadable(let field) = content { return field }
    return field
  }

  /// The field whose value stands here, nil where there is no value.
  package var field: TextField? {
    switch content {
    case .number(_, let field), .sum(_, let field): field
    case .ignored, .unreadable, .restOfLine, .nameAndWord: nil
    }
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

  /// The lines in order. The last one is whole with its newline or without.
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

  /// Whether a number of this form fills `range`, as `TextTemplate` reads it.
  func isNumber(_ range: Range<Int>, _ form: NumberForm) -> Bool {
    guard !range.isEmpty, !TextScanner.isSeparator(bytes[range.lowerBound]) else { return false }
    let word = bytes.span.extracting(range)
    var position = 0
    return TextScanner.number(word, &position, form) != nil && position == word.count
  }

  /// Whether `range` is read over as one number, as `TextTemplate` does.
  func isSkipped(_ range: Range<Int>) -> Bool {
    let word = bytes.span.extracting(range)
    var position = 0
    return TextScanner.skipNumber(word, &position) && position == word.count
  }

  /// The label that is word `index` of `line`, without its colon, and the words behind it. A
  /// number may follow the colon without a blank: the kernel's columns overflow.
  func labelled(
    _ line: Line, at index: Int = 0
  ) -> (label: Range<Int>, values: [Range<Int>]) {
    let word = line.words[index]
    let behind = Array(line.words[(index + 1)...])
    guard let colon = bytes[word].lastIndex(of: UInt8(ascii: ":")) else { return (word, behind) }
    let label = word.lowerBound..<colon
    guard colon + 1 < word.upperBound else { return (label, behind) }
    let first = bytes[colon + 1]
    guard first &- 48 < 10 || first == UInt8(ascii: "-") else { return (word, behind) }
    return (label, [colon + 1..<word.upperBound] + behind)
  }
}
