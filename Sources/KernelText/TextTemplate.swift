/// The learnt shape of a kernel text: literal bytes, and the numbers between them.
///
/// Every table of /proc and /sys is one: what stood between the numbers when the shape was learnt
/// must stand there again, else instances came or went. One pass, no allocation, linear in bytes.
/// Where the numbers stand it has from a `TextMemory` as long as that holds.
package struct TextTemplate: Sendable, Equatable {
  /// Literal bytes to match, then blanks and numbers to read.
  struct Step: Sendable, Equatable {
    enum Action: UInt8, Sendable {
      case decimals, hexadecimals, signed, millidegrees, hundredths, speeds, limits
      /// `count` decimals into one value.
      case sum
      /// `count` numbers that are skipped.
      case skipNumbers
      /// To behind the next newline.
      case skipLine
      /// As `skipLine`, from the end of a word.
      case skipRest
      /// To behind the text's last closing parenthesis and one word more.
      case skipNameAndWord
      /// `count` words, of which one at least is no number of the form `expected`.
      case skipUnreadable
      /// Nothing: the literal was all.
      case end

      /// Its numbers are such that a `TextMemory` knows.
      var isOfDecimals: Bool { self == .decimals || self == .sum || self == .skipNumbers }

      /// Several numbers one behind the other are one step.
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
    /// Bytes behind the literal in the learnt text.
    var learnt: Int32
    let action: Action
    /// Without a blank before its first number, that would belong to the word before.
    var needsBlank = false
    /// With a blank before its first number, that would not belong to the word before.
    var forbidsBlank = false
    /// Of words that cannot be read, the form of those that could be.
    var expected = NumberForm.decimal
  }

  private let steps: [Step]
  /// All literals one behind the other, with a word of padding for whole-word comparison.
  private let literals: [UInt8]
  /// Values that `parse` writes.
  package let valueCount: Int

  /// The shape of `text` with these holes, in order of place; only fields that `wants` passes
  /// become values, in the order of the holes.
  package init(
    _ text: KernelText, holes: [TextHole], wants: (TextField) -> Bool = { _ in true }
  ) {
    var steps: [Step] = []
    var literals: [UInt8] = []
    var position = 0
    var values = 0
    for hole in holes {
      precondition(hole.start >= position, "holes are in order and do not overlap")
      if case .unreadable = hole.content, Self.unreadableWords(hole, text) == nil { continue }
      var literalEnd = hole.start
      if hole.content != .restOfLine {
        while literalEnd > position, Self.isBlank(text.bytes[literalEnd - 1]) { literalEnd -= 1 }
      }
      let literal = text.bytes[position..<literalEnd]
      let (action, count) = Self.action(of: hole, in: text, wants)
      values += Self.values(of: action, count)
      if literal.isEmpty, var last = steps.last, last.action == action, action.joins {
        last.count += Int32(count)
        last.learnt += Int32(hole.end - literalEnd)
        steps[steps.count - 1] = last
      } else {
        steps.append(
          Step(
            literalLength: Int32(literal.count), count: Int32(count),
            learnt: Int32(hole.end - literalEnd), action: action,
            needsBlank: literalEnd < hole.start && Self.mayGoOn(literal.last),
            forbidsBlank: (action.joins || action == .sum) && literalEnd == hole.start
              && Self.binds(literal.last),
            expected: hole.expected ?? .decimal))
        literals += literal
      }
      position = hole.end
      // What is read over reaches behind the newline.
      if hole.content == .restOfLine { position = min(position + 1, text.bytes.count) }
    }
    var rest = text.bytes[position...]
    // The last line may gain or lose its newline.
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

  /// Whether a digit behind `byte` would belong to its word: a label's colon ends one.
  private static func mayGoOn(_ byte: UInt8?) -> Bool {
    guard let byte else { return true }
    return !":\n\r\0".utf8.contains(byte)
  }

  /// Whether a number directly behind `byte` is of its word, and one behind a blank would not be.
  private static func binds(_ byte: UInt8?) -> Bool {
    byte.map { "=/(,".utf8.contains($0) } ?? false
  }

  /// How many words an unreadable hole has, up to the end of one, nil where it stays literal:
  /// others may stand there at each reading, and are not worth learning the text anew for.
  private static func unreadableWords(_ hole: TextHole, _ text: KernelText) -> Int? {
    let range = hole.start..<hole.end
    guard hole.expected != nil, !range.isEmpty, !TextScanner.isWordEnd(text.bytes.span, hole.start),
      TextScanner.isWordEnd(text.bytes.span, hole.end),
      // A carriage return or a zero byte between numbers makes them unreadable: it stays literal.
      !text.bytes[range].contains(where: { $0 == TextScanner.newline || $0 == 13 || $0 == 0 })
    else { return nil }
    return text.words(in: range).count
  }

  private static func action(
    of hole: TextHole, in text: KernelText, _ wants: (TextField) -> Bool
  ) -> (Step.Action, Int) {
    switch hole.content {
    case .restOfLine:
      hole.start == 0 || text.bytes[hole.start - 1] == TextScanner.newline
        ? (.skipLine, 0) : (.skipRest, 0)
    case .nameAndWord: (.skipNameAndWord, 0)
    case .ignored: (.skipNumbers, 1)
    case .unreadable: (.skipUnreadable, unreadableWords(hole, text) ?? 0)
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

  /// Memory for `parse` to keep, of a text that was not read yet.
  package func memory() -> TextMemory {
    TextMemory(
      steps.map {
        (Int($0.literalLength), $0.action.isOfDecimals ? Int($0.count) : 0, Int($0.learnt))
      })
  }

  /// Writes `valueCount` values of a text of this shape. `memory` is the one that `memory()` gave,
  /// and knows the last text, of which this is the faster the less has moved. Behind the text there
  /// are `slack` bytes that may be read: without eight of them its last numbers are searched for
  /// each time.
  package func parse(
    _ text: Span<UInt8>, slack: Int = 0, into values: inout MutableSpan<UInt64>, memory: TextMemory
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
        if let known = memory.length(of: index, in: text, slack, at: position) {
          slot = Self.recall(step, index, text, position, &values, slot, memory)
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
        slot = try Self.search(step, index, text, start, &position, &values, slot, memory)
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

  /// The numbers of a step that is as it was at the last reading; gives the next slot.
  @inline(__always)
  private static func recall(
    _ step: Step, _ index: Int, _ text: Span<UInt8>, _ position: Int,
    _ values: inout MutableSpan<UInt64>, _ slot: Int, _ memory: TextMemory
  ) -> Int {
    let first = memory.firstNumber(index)
    let behind = first &+ Int(step.count)
    var number = first
    switch step.action {
    case .decimals:
      var slot = slot
      // Safe: the counts of all steps add up to valueCount, compared at the start.
      while number &+ 1 < behind {
        let both = memory.numbers(number, in: text, at: position)
        unsafe values[unchecked: slot] = both[0]
        unsafe values[unchecked: slot &+ 1] = both[1]
        slot &+= 2
        number &+= 2
      }
      if number < behind {
        unsafe values[unchecked: slot] = memory.number(number, in: text, at: position)
        slot &+= 1
      }
      return slot
    case .sum:
      var total: UInt64 = 0
      while number < behind {
        total &+= memory.number(number, in: text, at: position)
        number &+= 1
      }
      values[slot] = total
      return slot &+ 1
    default: return slot
    }
  }

  /// The numbers of a step that has changed its shape since the last reading, one behind the other
  /// from `position` on, and what there is to remember of the step, which began at `start`.
  private static func search(
    _ step: Step, _ index: Int, _ text: Span<UInt8>, _ start: Int, _ position: inout Int,
    _ values: inout MutableSpan<UInt64>, _ slot: Int, _ memory: TextMemory
  ) throws(KernelTextError) -> Int {
    let first = memory.firstNumber(index)
    memory.forget(index)
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
      memory.note(number, start: digits - start, width: position - digits)
    }
    if step.action == .sum {
      values[slot] = total
      slot += 1
    }
    memory.learn(index, text, from: start, to: position)
    return slot
  }

  /// Moves behind the words of a step that could not be read, and cannot be now either.
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
      var behind = 0
      let isNumber = TextScanner.number(word, &behind, step.expected) != nil
      if !isNumber || behind != word.count { isReadable = false }
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

  /// What a missing number at `position` means: the text ends there, or the line is not as known.
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
