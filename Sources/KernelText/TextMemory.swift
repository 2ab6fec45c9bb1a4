/// What a text looked like when it was read last, a step of its template after the other.
///
/// A counter seldom gains a digit: nearly always the next text has the same literals, and digits at
/// the same places. Then one comparison of whole words tells so for a line, and each number is
/// found without looking for its end: to wait for one number to find the next is most of the time
/// that parsing takes otherwise.
@safe
package final class TextMemory {
  /// What is known of one step.
  private struct Shape {
    /// Bytes of the step and one behind it, which ends the last number; 0: not known.
    var length: Int32 = 0
    /// Bytes that must follow its first one, so that each number has a whole word from its first
    /// digit.
    var reach: Int32 = 0
    /// The first byte in `pattern`, and how many the step may have.
    let start: Int32
    let room: Int32
    /// Its first number in `numbers`.
    let firstNumber: Int32
    let count: Int32
  }

  /// Stands for a digit in the pattern: `0` with the top bit, which no literal byte of it has.
  private static let digit: UInt8 = 176
  /// Digits of the longest number that is read by two whole words.
  private static let longest = 16
  /// No number's place: a shift that none has.
  private static let unknown: UInt32 = 255

  // Memory of its own rather than arrays: a sampling thread then meets no exclusivity check.
  private let shapes: UnsafeMutableBufferPointer<Shape>
  private let pattern: UnsafeMutableBufferPointer<UInt8>
  /// By number: where it begins behind the step's first byte, and below that, in 8 bits, how far
  /// its first word is shifted to have no more than its digits; of two words, 64 more.
  private let numbers: UnsafeMutableBufferPointer<UInt32>

  /// Room for the steps of a template, each with `literalLength` bytes and `count` decimals, and
  /// what the numbers of the learnt text took.
  init(_ steps: [(literalLength: Int, count: Int, learnt: Int)]) {
    var shapes: [Shape] = []
    var (bytes, count) = (0, 0)
    for step in steps {
      // Numbers grow; one that outgrows this is looked for at each reading.
      let room = step.count == 0 ? 0 : step.literalLength + step.learnt + 4 * step.count + 8
      shapes.append(
        Shape(
          start: Int32(bytes), room: Int32(room), firstNumber: Int32(count),
          count: Int32(step.count)))
      bytes += room
      count += step.count
    }
    unsafe self.shapes = .allocate(capacity: shapes.count)
    _ = unsafe self.shapes.initialize(from: shapes)
    unsafe pattern = .allocate(capacity: bytes)
    unsafe pattern.initialize(repeating: 0)
    unsafe numbers = .allocate(capacity: count)
    unsafe numbers.initialize(repeating: 0)
  }

  deinit {
    unsafe shapes.deallocate()
    unsafe pattern.deallocate()
    unsafe numbers.deallocate()
  }

  /// Bytes of step `step` where `text`, behind which `slack` bytes may be read, has at `position`
  /// what it had the last time, but for the digits of its numbers; else nil.
  @inline(__always)
  func length(of step: Int, in text: Span<UInt8>, _ slack: Int, at position: Int) -> Int? {
    // Safe: the template asks for its own steps.
    let shape = unsafe shapes[step]
    let length = Int(shape.length)
    let left = text.count &- position
    guard length > 0, left >= length, left &+ slack >= Int(shape.reach) else { return nil }
    // Safe: `length` bytes are there on both sides, and `reach` of the text and what is behind it.
    let isSame = unsafe text.withUnsafeBytes {
      let there = unsafe $0.baseAddress.unsafelyUnwrapped + position
      let known = unsafe UnsafeRawPointer(pattern.baseAddress.unsafelyUnwrapped) + Int(shape.start)
      return unsafe Self.agree(there, known, length)
    }
    return isSame ? length &- 1 : nil
  }

  /// The value of number `index` of a step for which `length` gave an answer.
  @inline(__always)
  func number(_ index: Int, in text: Span<UInt8>, at position: Int) -> UInt64 {
    // Safe: `length` has compared the whole step, and its reach says that the words are there.
    unsafe text.withUnsafeBytes {
      let place = unsafe numbers[index]
      let shift = UInt64(place & 0xFF)
      let digits = unsafe $0.baseAddress.unsafelyUnwrapped + (position &+ Int(place >> 8))
      let first = unsafe Self.word(digits)
      guard shift >= 64 else { return TextScanner.firstDigits(of: first, shift: shift) }
      // Of nine to sixteen digits eight are in a word of their own.
      let last = unsafe Self.word(digits + (8 &- Int(shift &- 64) / 8))
      return TextScanner.firstDigits(of: first, shift: shift &- 64) &* 100_000_000
        &+ TextScanner.firstDigits(of: last, shift: 0)
    }
  }

  /// The values of numbers `index` and the one behind it, as `number`: a short one's digits take
  /// half as many instructions with another's beside them.
  @inline(__always)
  func numbers(_ index: Int, in text: Span<UInt8>, at position: Int) -> SIMD2<UInt64> {
    // Safe: as in `number`.
    unsafe text.withUnsafeBytes {
      let (one, other) = unsafe (numbers[index], numbers[index &+ 1])
      guard (one | other) & 64 == 0 else {
        return SIMD2(
          number(index, in: text, at: position), number(index &+ 1, in: text, at: position))
      }
      let base = unsafe $0.baseAddress.unsafelyUnwrapped + position
      return unsafe TextScanner.numbers(
        Self.word(base + Int(one >> 8)) &<< UInt64(one & 0xFF),
        Self.word(base + Int(other >> 8)) &<< UInt64(other & 0xFF))
    }
  }

  /// The place of step `step`'s first number among all.
  @inline(__always)
  func firstNumber(_ step: Int) -> Int { unsafe Int(shapes[step].firstNumber) }

  /// Notes that number `index` began `start` behind its step's first byte, with `width` digits.
  @inline(__always)
  func note(_ index: Int, start: Int, width: Int) {
    // What does not fit is not remembered.
    let fits = start < 1 << 24 && width > 0 && width <= Self.longest
    let shift = width > 8 ? 64 + 128 - width * 8 : 64 - width * 8
    unsafe numbers[index] = fits ? UInt32(start) << 8 | UInt32(shift) : Self.unknown
  }

  /// Forgets step `step`, before anything new is noted of its numbers.
  @inline(__always)
  func forget(_ step: Int) { unsafe shapes[step].length = 0 }

  /// Remembers step `step`, forgotten before and its numbers noted, as it stands from `position` to
  /// `end`, if it is such as can be recognised again.
  @inline(never)
  func learn(_ step: Int, _ text: Span<UInt8>, from position: Int, to end: Int) {
    let shape = unsafe shapes[step]
    let length = end - position + 1
    guard length >= 8, length <= Int(shape.room), end < text.count else { return }
    for offset in 0..<length {
      let byte = text[position + offset]
      guard byte < 0x80 else { return }
      unsafe pattern[Int(shape.start) + offset] = byte
    }
    var reach = length
    for index in Int(shape.firstNumber)..<Int(shape.firstNumber + shape.count) {
      let place = unsafe numbers[index]
      guard place != Self.unknown else { return }
      let (start, shift) = (Int(place >> 8), Int(place & 0xFF))
      let width = shift >= 64 ? 8 + (128 - shift) / 8 : (64 - shift) / 8
      for offset in start..<start + width {
        // A number that is only read over may have other characters.
        guard text[position + offset] &- 48 < 10 else { return }
        unsafe pattern[Int(shape.start) + offset] = Self.digit
      }
      reach = max(reach, start + 8)
    }
    unsafe shapes[step].reach = Int32(reach)
    unsafe shapes[step].length = Int32(length)
  }

  @inline(__always)
  private static func word(_ bytes: UnsafeRawPointer) -> UInt64 {
    unsafe UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
  }

  /// Whether `length` bytes, eight or more, agree with a pattern. The last words overlap.
  @inline(__always)
  private static func agree(
    _ text: UnsafeRawPointer, _ pattern: UnsafeRawPointer, _ length: Int
  ) -> Bool {
    var differences: SIMD2<UInt64>
    if length < 16 {
      let last = length &- 8
      differences = unsafe difference(
        SIMD2(word(text), word(text + last)), SIMD2(word(pattern), word(pattern + last)))
    } else {
      let last = length &- 16
      differences = unsafe difference(words(text + last), words(pattern + last))
      var offset = 0
      while offset < last {
        differences |= unsafe difference(words(text + offset), words(pattern + offset))
        offset &+= 16
      }
    }
    return (differences[0] | differences[1]) & 0x8080_8080_8080_8080 == 0
  }

  @inline(__always)
  private static func words(_ bytes: UnsafeRawPointer) -> SIMD2<UInt64> {
    unsafe bytes.loadUnaligned(as: SIMD2<UInt64>.self)
  }

  /// The top bit of each byte that is not what the pattern says: another literal, or no digit.
  @inline(__always)
  private static func difference(
    _ text: SIMD2<UInt64>, _ pattern: SIMD2<UInt64>
  ) -> SIMD2<UInt64> {
    let sevenBits = SIMD2<UInt64>(repeating: 0x7F7F_7F7F_7F7F_7F7F)
    let digits = (pattern &>> 7) & SIMD2(repeating: 0x0101_0101_0101_0101)
    // What may be added to each byte before its top bit is set: 9 less where there is a digit.
    let others = text ^ (pattern & sevenBits)
    return (others & sevenBits) &+ (sevenBits &- (digits &<< 3) &- digits) | others
  }
}
