/// The learnt shape of a kernel text: literal bytes, and the numbers between them.
///
/// It describes all tables of /proc and /sys: the text between the numbers must be the same at each
/// reading, otherwise instances were added or removed. Parsing is one pass without allocation,
/// linear in bytes. A `TemplateCache` has the numbers' positions while they do not change.
package struct TextTemplate: Sendable, Equatable {
  /// Literal bytes to match, then blanks and numbers.
  struct Step: Sendable, Equatable {
    enum Action: UInt8, Sendable {
      case decimals, hexadecimals, signed, millidegrees, hundredths, speeds, limits
      /// `count` decimals into one value.
      case sum
      /// `count` numbers that are skipped.
      case skipNumbers
      /// Skips to the next line.
      case skipLine
      /// As `skipLine`, but only at the end of a word.
      case skipRest
      /// Skips the text's last closing parenthesis and the next word.
      case skipNameAndWord
      /// Skips `count` words, of which at least one is not a number of the form `expected`.
      case skipUnreadable
      /// No numbers after the literal.
      case end

      /// Whether a `TemplateCache` has its numbers.
      var isOfDecimals: Bool { self == .decimals || self == .sum || self == .skipNumbers }

      /// Whether consecutive numbers are joined into one step.
      var joins: Bool {
        switch self {
        case .decimals, .hexadecimals, .signed, .millidegrees, .hundredths, .speeds, .limits,
          .skipNumbers:
          true
        case .sum, .skipLine, .skipRest, .skipNameAndWord, .skipUnreadable, .end: false
        }
      }
    }
    let literalLength: Int32
    var count: Int32
    /// Bytes after the literal in the learnt text.
    var learnt: Int32
    let action: Action
    /// A blank is required: without it, the first number would belong to the previous word.
    var needsBlank = false
    /// A blank is forbidden: with it, the first number would not belong to the previous word.
    var forbidsBlank = false
    /// The form of number expected in place of unreadable words.
    var expected = NumberForm.decimal
  }

  private let steps: [Step]
  /// All literals concatenated, with a word of padding for whole-word comparison.
  private let literals: [UInt8]
  /// The number of values that `parse` writes.
  package let valueCount: Int

  /// The template of `text` with these placeholders, ordered by position. Only fields that `wants`
  /// accepts become values, in the order of the placeholders.
  package init(
    _ text: KernelText, placeholders: [Placeholder], wants: (TextField) -> Bool = { _ in true }
  ) {
    var steps: [Step] = []
    var literals: [UInt8] = []
    var position = 0
    var values = 0
    for placeholder in placeholders {
      precondition(placeholder.start >= position, "placeholders are in order and do not overlap")
      if case .unreadable = placeholder.content, Self.unreadableWords(placeholder, text) == nil {
        continue
      }
      var literalEnd = placeholder.start
      if placeholder.content != .restOfLine {
        while literalEnd > position, Self.isBlank(text.bytes[literalEnd - 1]) { literalEnd -= 1 }
      }
      let literal = text.bytes[position..<literalEnd]
      let (action, count) = Self.action(of: placeholder, in: text, wants)
      values += Self.values(of: action, count)
      if literal.isEmpty, var last = steps.last, last.action == action, action.joins {
        last.count += Int32(count)
        last.learnt += Int32(placeholder.end - literalEnd)
        steps[steps.count - 1] = last
      } else {
        steps.append(
          Step(
            literalLength: Int32(literal.count), count: Int32(count),
            learnt: Int32(placeholder.end - literalEnd), action: action,
            needsBlank: literalEnd < placeholder.start && Self.mayGoOn(literal.last),
            forbidsBlank: (action.joins || action == .sum) && literalEnd == placeholder.start
              && Self.binds(literal.last),
            expected: placeholder.expected ?? .decimal))
        literals += literal
      }
      position = placeholder.end
      // A skipped rest of a line includes the newline.
      if placeholder.content == .restOfLine { position = min(position + 1, text.bytes.count) }
    }
    var rest = text.bytes[position...]
    // The newline of the last line is optional.
    if rest.last == TextScanner.newline { rest.removeLast() }
    steps.append(
      Step(literalLength: Int32(rest.count), count: 0, learnt: 0, action: .end))
    literals += rest
    literals += [UInt8](repeating: 0, count: 8)
    self.steps = steps
    self.literals = literals
    valueCount = values
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == TextScanner.space || byte == 9 }

  /// Whether a digit after `byte` would belong to the same word; a label's colon ends a word.
  private static func mayGoOn(_ byte: UInt8?) -> Bool {
    guard let byte else { return true }
    return !":\n\r\0".utf8.contains(byte)
  }

  /// Whether a number directly after `byte` belongs to its word, but not after a blank.
  private static func binds(_ byte: UInt8?) -> Bool {
    byte.map { "=/(,".utf8.contains($0) } ?? false
  }

  /// The words of an unreadable placeholder, nil if it stays literal. Its words may change at each
  /// reading without learning the text again.
  private static func unreadableWords(_ placeholder: Placeholder, _ text: KernelText) -> Int? {
    let range = placeholder.start..<placeholder.end
    guard placeholder.expected != nil, !range.isEmpty,
      !TextScanner.isWordEnd(text.bytes.span, placeholder.start),
      TextScanner.isWordEnd(text.bytes.span, placeholder.end),
      // A carriage return or a zero byte stays literal: it makes numbers unreadable.
      !text.bytes[range].contains(where: { $0 == TextScanner.newline || $0 == 13 || $0 == 0 })
    else { return nil }
    return text.words(in: range).count
  }

  private static func action(
    of placeholder: Placeholder, in text: KernelText, _ wants: (TextField) -> Bool
  ) -> (Step.Action, Int) {
    switch placeholder.content {
    case .restOfLine:
      placeholder.start == 0 || text.bytes[placeholder.start - 1] == TextScanner.newline
        ? (.skipLine, 0) : (.skipRest, 0)
    case .nameAndWord: (.skipNameAndWord, 0)
    case .ignored: (.skipNumbers, 1)
    case .unreadable: (.skipUnreadable, unreadableWords(placeholder, text) ?? 0)
    case .sum(let count, let field): (wants(field) ? .sum : .skipNumbers, count)
    case .number(let form, let field):
      switch form {
      case _ where !wants(field): (.skipNumbers, 1)
      case .decimal: (.decimals, 1)
      case .hexadecimal: (.hexadecimals, 1)
      case .signed: (.signed, 1)
      case .millidegrees: (.millidegrees, 1)
      case .hundredths: (.hundredths, 1)
      case .speed: (.speeds, 1)
      case .limit: (.limits, 1)
      }
    }
  }

  private static func values(of action: Step.Action, _ count: Int) -> Int {
    switch action {
    case .sum: 1
    case .skipNumbers, .skipLine, .skipRest, .skipNameAndWord, .skipUnreadable, .end: 0
    default: count
    }
  }

  /// An empty cache for `parse`.
  package func makeCache() -> TemplateCache {
    TemplateCache(
      steps.map {
        (Int($0.literalLength), $0.action.isOfDecimals ? Int($0.count) : 0, Int($0.learnt))
      })
  }

  /// Writes `valueCount` values of a text of this shape. `cache` is the one that `cache()` gave,
  /// has the positions in the last text: the fewer have changed, the faster. `slack` bytes after
  /// the text are readable; with fewer than eight, the last numbers are parsed at each reading.
  package func parse(
    _ text: Span<UInt8>, slack: Int = 0, into values: inout MutableSpan<UInt64>,
    cache: TemplateCache
  ) throws(KernelTextError) {
    precondition(values.count >= valueCount, "room for every value")
    let steps = steps.span
    let literals = literals.span
    var position = 0
    var literal = 0
    var slot = 0
    for index in steps.indices {
      let step = steps[index]
      let length = Int(step.literalLength)
      if step.action.isOfDecimals {
        if let known = cache.length(of: index, in: text, slack, at: position) {
          slot = Self.replay(step, index, text, position, &values, slot, cache)
          position += known
          literal += length
          continue
        }
      }
      guard TextScanner.matches(literals, literal, length, text, position) else {
        throw TextScanner.isCut(literals, literal, length, text, position)
          ? .truncated : .layoutChanged
      }
      literal += length
      let start = position
      position += length
      guard !step.needsBlank || Self.isBlank(text, position) else {
        throw position < text.count ? .layoutChanged : .truncated
      }
      guard !step.forbidsBlank || !Self.isBlank(text, position) else { throw .layoutChanged }
      switch step.action {
      case .decimals, .sum, .skipNumbers:
        slot = try Self.search(step, index, text, start, &position, &values, slot, cache)
      case .hexadecimals, .signed, .millidegrees, .hundredths, .speeds, .limits:
        for number in 0..<step.count {
          guard number == 0 || Self.isBlank(text, position),
            let value = Self.other(step.action, text, &position)
          else { throw Self.failure(text, position) }
          values[slot] = value
          slot += 1
        }
      case .skipLine: TextScanner.skipLine(text, &position)
      case .skipRest:
        guard TextScanner.isWordEnd(text, position) else { throw .layoutChanged }
        TextScanner.skipLine(text, &position)
      case .skipNameAndWord:
        guard TextScanner.skipName(text, &position), TextScanner.skipWord(text, &position) else {
          throw .truncated
        }
      case .skipUnreadable: try Self.skipUnreadable(step, text, &position)
      case .end: break
      }
    }
    if position == text.count &- 1, TextScanner.byte(text, position) == TextScanner.newline {
      position += 1
    }
    guard position == text.count else { throw .layoutChanged }
  }

  @inline(__always)
  private static func isBlank(_ text: Span<UInt8>, _ position: Int) -> Bool {
    position < text.count && isBlank(TextScanner.byte(text, position))
  }

  /// Reads the numbers of a step whose positions are cached; returns the next slot.
  @inline(__always)
  private static func replay(
    _ step: Step, _ index: Int, _ text: Span<UInt8>, _ position: Int,
    _ values: inout MutableSpan<UInt64>, _ slot: Int, _ cache: TemplateCache
  ) -> Int {
    let first = cache.firstNumber(index)
    let end = first &+ Int(step.count)
    var number = first
    switch step.action {
    case .decimals:
      var slot = slot
      // Safe: the counts of all steps add up to valueCount, compared at the start.
      while number &+ 1 < end {
        let both = cache.numbers(number, in: text, at: position)
        unsafe values[unchecked: slot] = both[0]
        unsafe values[unchecked: slot &+ 1] = both[1]
        slot &+= 2
        number &+= 2
      }
      if number < end {
        unsafe values[unchecked: slot] = cache.number(number, in: text, at: position)
        slot &+= 1
      }
      return slot
    case .sum:
      var total: UInt64 = 0
      while number < end {
        total &+= cache.number(number, in: text, at: position)
        number &+= 1
      }
      values[slot] = total
      return slot &+ 1
    default: return slot
    }
  }

  /// Parses the numbers of a step whose positions changed, from `position` on, and records the
  /// step, which begins at `start`, in the cache.
  private static func search(
    _ step: Step, _ index: Int, _ text: Span<UInt8>, _ start: Int, _ position: inout Int,
    _ values: inout MutableSpan<UInt64>, _ slot: Int, _ cache: TemplateCache
  ) throws(KernelTextError) -> Int {
    let first = cache.firstNumber(index)
    cache.invalidate(index)
    var slot = slot
    var total: UInt64 = 0
    for number in first..<first + Int(step.count) {
      guard number == first || isBlank(text, position) else { throw failure(text, position) }
      TextScanner.skipBlanks(text, &position)
      let digits = position
      if step.action == .skipNumbers {
        guard TextScanner.skipNumber(text, &position) else { throw failure(text, position) }
      } else {
        guard let value = TextScanner.number(text, &position) else {
          throw failure(text, position)
        }
        total &+= value
        if step.action == .decimals {
          values[slot] = value
          slot += 1
        }
      }
      cache.setNumber(number, start: digits - start, width: position - digits)
    }
    if step.action == .sum {
      values[slot] = total
      slot += 1
    }
    cache.record(index, text, from: start, to: position)
    return slot
  }

  /// Skips the words of an unreadable step; throws if they are readable now.
  private static func skipUnreadable(
    _ step: Step, _ text: Span<UInt8>, _ position: inout Int
  ) throws(KernelTextError) {
    var isReadable = true
    for _ in 0..<step.count {
      while position < text.count, TextScanner.isSeparator(TextScanner.byte(text, position)) {
        position += 1
      }
      let start = position
      guard TextScanner.skipWord(text, &position) else {
        throw position < text.count ? .layoutChanged : .truncated
      }
      let word = text.extracting(start..<position)
      var end = 0
      let isNumber = TextScanner.number(word, &end, step.expected) != nil
      if !isNumber || end != word.count { isReadable = false }
    }
    if isReadable { throw .layoutChanged }
  }

  @inline(__always)
  private static func other(
    _ action: Step.Action, _ text: Span<UInt8>, _ position: inout Int
  ) -> UInt64? {
    switch action {
    case .hexadecimals: TextScanner.hexadecimal(text, &position)
    case .signed: TextScanner.signed(text, &position)
    case .millidegrees: TextScanner.millidegrees(text, &position)
    case .speeds: TextScanner.speed(text, &position)
    case .limits: TextScanner.limit(text, &position)
    default: TextScanner.hundredths(text, &position)
    }
  }

  /// The error for a missing number at `position`: truncated at the end of the text, else
  /// malformed.
  private static func failure(_ text: Span<UInt8>, _ position: Int) -> KernelTextError {
    guard position < text.count else { return .truncated }
    var line: Int32 = 1
    var field: Int32 = 1
    var wasBlank = true
    for index in 0..<position {
      let byte = TextScanner.byte(text, index)
      if byte == TextScanner.newline {
        line += 1
        field = 1
        wasBlank = true
        continue
      }
      let blank = isBlank(byte)
      if blank, !wasBlank { field += 1 }
      wasBlank = blank
    }
    return .malformed(line: line, field: field)
  }
}
