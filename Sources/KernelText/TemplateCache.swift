/// The numbers' positions in the last text that a template read, by step.
///
/// A counter seldom gains a digit, so the next text nearly always has the same literals, with
/// digits at the same positions. One comparison by whole words verifies that for a line, and each
/// number is converted without searching for its end: otherwise most of the parsing time is spent
/// on finding the next number.
@safe
package final class TemplateCache {
  /// The state of one step.
  private struct Shape {
    /// Bytes of the step plus one, which ends the last number; 0: invalid.
    var length: Int32 = 0
    /// Bytes that must be readable, so that each number has a whole word from its first digit.
    var reach: Int32 = 0
    /// Its first byte in `pattern`, and its maximum length.
    let start: Int32
    let room: Int32
    /// Its first number in `numbers`.
    let firstNumber: Int32
    let count: Int32
  }

  /// A digit in the pattern: `0` with the top bit set, which no literal byte has.
  private static let digit: UInt8 = 176
  /// Digits of the longest number: two words.
  private static let longest = 16
  /// Sentinel: not a valid shift.
  private static let unknown: UInt32 = 255

  // Allocated memory rather than arrays, to avoid exclusivity checks.
  private let shapes: UnsafeMutableBufferPointer<Shape>
  private let pattern: UnsafeMutableBufferPointer<UInt8>
  /// For each number its offset from the step's first byte, and in the lowest 8 bits the shift that
  /// leaves only its digits in its first word; plus 64 for two words.
  private let numbers: UnsafeMutableBufferPointer<UInt32>

  /// Allocates room for the steps of a template, each with `literalLength` bytes and `count`
  /// decimals, which took `learnt` bytes in the learnt text.
  init(_ steps: [(literalLength: Int, count: Int, learnt: Int)]) {
    var shapes: [Shape] = []
    var (bytes, count) = (0, 0)
    for step in steps {
      // Numbers grow; a step that exceeds this is parsed at each reading.
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

  /// The length of step `step` if `text` at `position` agrees with the recorded one, except for the
  /// digits of its numbers; else nil. `slack` bytes after the text are readable.
  @inline(__always)
  func length(of step: Int, in text: Span<UInt8>, _ slack: Int, at position: Int) -> Int? {
    // Safe: the template passes its own steps.
    let shape = unsafe shapes[step]
    let length = Int(shape.length)
    let left = text.count &- position
    guard length > 0, left >= length, left &+ slack >= Int(shape.reach) else { return nil }
    // Safe: both sides have `length` bytes, and the text with its slack has `reach`.
    let isSame = unsafe text.withUnsafeBytes {
      let there = unsafe $0.baseAddress.unsafelyUnwrapped + position
      let known = unsafe UnsafeRawPointer(pattern.baseAddress.unsafelyUnwrapped) + Int(shape.start)
      return unsafe Self.agree(there, known, length)
    }
    return isSame ? length &- 1 : nil
  }

  /// The value of number `index` of a step for which `length` was not nil.
  @inline(__always)
  func number(_ index: Int, in text: Span<UInt8>, at position: Int) -> UInt64 {
    // Safe: `length` has compared the whole step, and checked its reach.
    unsafe text.withUnsafeBytes {
      let packed = unsafe numbers[index]
      let shift = UInt64(packed & 0xFF)
      let digits = unsafe $0.baseAddress.unsafelyUnwrapped + (position &+ Int(packed >> 8))
      let first = unsafe Self.word(digits)
      guard shift >= 64 else { return TextScanner.firstDigits(of: first, shift: shift) }
      // Nine to sixteen digits: the last eight are a word of their own.
      let last = unsafe Self.word(digits + (8 &- Int(shift &- 64) / 8))
      return TextScanner.firstDigits(of: first, shift: shift &- 64) &* 100_000_000
        &+ TextScanner.firstDigits(of: last, shift: 0)
    }
  }

  /// The values of numbers `index` and `index + 1`: converting two short numbers at once takes half
  /// the instructions for each.
  @inline(__always)
  func numbers(_ index: Int, in text: Span<UInt8>, at position: Int) -> SIMD2<UInt64> {
    // Safe: as in `number(_:in:at:)`.
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

  /// The index of step `step`'s first number among all.
  @inline(__always)
  func firstNumber(_ step: Int) -> Int { unsafe Int(shapes[step].firstNumber) }

  /// Sets number `index`: `start` bytes after its step's first byte, with `width` digits.
  @inline(__always)
  func setNumber(_ index: Int, start: Int, width: Int) {
    // A number that does not fit is not recorded.
    let fits = start < 1 << 24 && width > 0 && width <= Self.longest
    let shift = width > 8 ? 64 + 128 - width * 8 : 64 - width * 8
    unsafe numbers[index] = fits ? UInt32(start) << 8 | UInt32(shift) : Self.unknown
  }

  /// Invalidates step `step`, before its numbers are set.
  @inline(__always)
  func invalidate(_ step: Int) { unsafe shapes[step].length = 0 }

  /// Records step `step`, from `position` to `end`, after its numbers were set. A step that cannot
  /// be compared by words stays invalid.
  @inline(never)
  func record(_ step: Int, _ text: Span<UInt8>, from position: Int, to end: Int) {
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
      let packed = unsafe numbers[index]
      guard packed != Self.unknown else { return }
      let (start, shift) = (Int(packed >> 8), Int(packed & 0xFF))
      let width = shift >= 64 ? 8 + (128 - shift) / 8 : (64 - shift) / 8
      for offset in start..<start + width {
        // A skipped number may have other characters.
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

  /// Whether `length` bytes (at least eight) agree with a pattern. The last words overlap.
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

  /// The top bit of each byte that disagrees with the pattern: another literal, or not a digit.
  @inline(__always)
  private static func difference(
    _ text: SIMD2<UInt64>, _ pattern: SIMD2<UInt64>
  ) -> SIMD2<UInt64> {
    let sevenBits = SIMD2<UInt64>(repeating: 0x7F7F_7F7F_7F7F_7F7F)
    let digits = (pattern &>> 7) & SIMD2(repeating: 0x0101_0101_0101_0101)
    // The addend that sets the top bit of each disagreeing byte: 9 less for digits.
    let others = text ^ (pattern & sevenBits)
    return (others & sevenBits) &+ (sevenBits &- (digits &<< 3) &- digits) | others
  }
}
