/// The learnt shape of a kernel text: literal bytes, and the numbers between them.
///
/// Every table of /proc and /sys is one: what stood between the numbers when the shape was learnt
/// must stand there again, else instances came or went. One pass, no allocation, linear in bytes.
package struct TextTemplate: Sendable, Equatable {
  /// Literal bytes to match, then blanks and numbers to read.
  struct Step: Sendable, Equatable {
    enum Action: UInt8, Sendable {
      case decimals, hexadecimals, signed, hundredths
      /// `count` decimals into one value.
      case sum
      /// `count` numbers that nobody wants.
      case skipNumbers
      /// To behind the next newline.
      case skipLine
      /// To behind the line's last closing parenthesis and one word more.
      case skipNameAndWord
      /// Nothing: the literal was all.
      case end
    }
    let literalLength: Int32
    var count: Int32
    let action: Action
  }

  private let steps: [Step]
  /// All literals one behind the other, with a word of padding for whole-word comparison.
  private let literals: [UInt8]
  /// Values that `parse` writes.
  package let valueCount: Int
  /// Numbers of which `parse` keeps the places.
  package let placeCount: Int

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
      var literalEnd = hole.start
      if hole.content != .restOfLine {
        while literalEnd > position, Self.isBlank(text.bytes[literalEnd - 1]) { literalEnd -= 1 }
      }
      let literal = text.bytes[position..<literalEnd]
      let (action, count) = Self.action(of: hole.content, wants)
      values += Self.values(of: action, count)
      if literal.isEmpty, var last = steps.last, last.action == action, action != .sum,
        action != .skipLine, action != .skipNameAndWord
      {
        last.count += Int32(count)
        steps[steps.count - 1] = last
      } else {
        steps.append(
          Step(literalLength: Int32(literal.count), count: Int32(count), action: action))
        literals += literal
      }
      position = hole.end
      // What is read over reaches behind the newline.
      if hole.content == .restOfLine { position = min(position + 1, text.bytes.count) }
    }
    let rest = text.bytes[position...]
    steps.append(Step(literalLength: Int32(rest.count), count: 0, action: .end))
    literals += rest
    literals += [UInt8](repeating: 0, count: 8)
    self.steps = steps
    self.literals = literals
    valueCount = values
    placeCount = steps.reduce(0) { count, step in
      step.action == .decimals || step.action == .sum ? count + Int(step.count) : count
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == TextScanner.space || byte == 9 }

  private static func action(
    of content: TextHole.Content, _ wants: (TextField) -> Bool
  ) -> (Step.Action, Int) {
    switch content {
    case .restOfLine: (.skipLine, 0)
    case .nameAndWord: (.skipNameAndWord, 0)
    case .sum(let count, let field): (wants(field) ? .sum : .skipNumbers, count)
    case .number(let form, let field):
      switch form {
      case _ where !wants(field): (.skipNumbers, 1)
      case .decimal: (.decimals, 1)
      case .hexadecimal: (.hexadecimals, 1)
      case .signed: (.signed, 1)
      case .hundredths: (.hundredths, 1)
      }
    }
  }

  private static func values(of action: Step.Action, _ count: Int) -> Int {
    switch action {
    case .sum: 1
    case .skipNumbers, .skipLine, .skipNameAndWord, .end: 0
    default: count
    }
  }

  /// Places for `parse` to keep, of a text that was not read yet.
  package func unknownPlaces() -> [UInt16] {
    Array(repeating: TextScanner.unknownPlace, count: placeCount)
  }

  /// Writes `valueCount` values of a text of this shape. `places` has `placeCount` entries: where
  /// the numbers of the last text stood, of which it is the faster the fewer have moved.
  package func parse(
    _ text: Span<UInt8>, into values: inout MutableSpan<UInt64>,
    places: inout MutableSpan<UInt16>
  ) throws(KernelTextError) {
    precondition(values.count >= valueCount, "room for every value")
    precondition(places.count >= placeCount, "a place for every number")
    let steps = steps.span
    let literals = literals.span
    var position = 0
    var literal = 0
    var slot = 0
    var number = 0
    for index in steps.indices {
      let step = steps[index]
      let length = Int(step.literalLength)
      guard TextScanner.matches(literals, literal, length, text, position) else {
        throw TextScanner.isCut(literals, literal, length, text, position)
          ? .truncated : .layoutChanged
      }
      literal += length
      position += length
      var left = Int(step.count)
      switch step.action {
      case .decimals:
        var behind = position
        while left > 0 {
          // Safe: the counts of all steps add up to placeCount and valueCount, compared above.
          let reading = unsafe TextScanner.number(
            text, at: behind, place: &places[unchecked: number])
          guard reading.end >= 0 else { throw Self.failure(text, ~reading.end) }
          behind = reading.end
          unsafe values[unchecked: slot] = reading.value
          slot &+= 1
          number &+= 1
          left &-= 1
        }
        position = behind
      case .sum:
        var total: UInt64 = 0
        var behind = position
        while left > 0 {
          // Safe: as above.
          let reading = unsafe TextScanner.number(
            text, at: behind, place: &places[unchecked: number])
          guard reading.end >= 0 else { throw Self.failure(text, ~reading.end) }
          behind = reading.end
          total &+= reading.value
          number &+= 1
          left &-= 1
        }
        position = behind
        values[slot] = total
        slot += 1
      case .hexadecimals, .signed, .hundredths:
        while left > 0 {
          guard let value = Self.other(step.action, text, &position) else {
            throw Self.failure(text, position)
          }
          values[slot] = value
          slot += 1
          left -= 1
        }
      case .skipNumbers:
        while left > 0 {
          guard TextScanner.skipNumber(text, &position) else {
            throw Self.failure(text, position)
          }
          left -= 1
        }
      case .skipLine:
        guard TextScanner.skipLine(text, &position) else { throw .truncated }
      case .skipNameAndWord:
        guard TextScanner.skipName(text, &position), TextScanner.skipWord(text, &position) else {
          throw .truncated
        }
      case .end: break
      }
    }
    guard position == text.count else { throw .layoutChanged }
  }

  @inline(__always)
  private static func other(
    _ action: Step.Action, _ text: Span<UInt8>, _ position: inout Int
  ) -> UInt64? {
    switch action {
    case .hexadecimals: TextScanner.hexadecimal(text, &position)
    case .signed: TextScanner.signed(text, &position)
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
