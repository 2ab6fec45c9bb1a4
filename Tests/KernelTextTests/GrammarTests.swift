import KernelText
import RunAnalysis
import Testing

/// What holds of every kernel text, on every captured kernel.
@Suite struct GrammarTests {
  /// A text that is cut before its last line; within it, only the reader can know.
  @Test(arguments: Grammar.all)
  func everyPrefixIsRefused(_ grammar: Grammar) throws {
    for kernel in kernels() {
      guard let text = fixture(kernel, grammar.path) else { continue }
      let (template, fields) = try grammar.template(text)
      #expect(template.valueCount == fields.count && !fields.isEmpty)
      #expect(Set(fields).count == fields.count, "\(kernel): two values have one name")
      _ = try parse(template, text)
      let last = text.dropLast().lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 1
      for length in stride(from: 0, to: last, by: max(1, text.count / 400)) {
        #expect(throws: KernelTextError.self, "\(kernel) cut at \(length)") {
          try parse(template, Array(text[..<length]))
        }
      }
    }
  }

  /// Whatever the last text was, the numbers are what stands in this one.
  @Test func whatIsRememberedChangesNoNumber() throws {
    var random = SplitMix64(seed: 21)
    let first = Array("a 1 2 3 4 5 6 7 8\n".utf8)
    let shape = KernelText(first.span)
    let placeholders = try TextFormat.rows(shape, (0..<8).map { "c\($0)" }, labelWords: 1) { _ in
      "a"
    }
    let template = TextTemplate(shape, placeholders: placeholders)
    let cache = template.makeCache()
    var numbers = [UInt64](repeating: 0, count: 8)
    var blanks = [Int](repeating: 1, count: 8)
    for round in 0..<20_000 {
      switch random.index(below: 3) {
      case 0:
        numbers = numbers.map { _ in random.next() >> UInt64(random.index(below: 64)) }
        blanks = blanks.map { _ in 1 + random.index(below: 18) }
      case 1:
        // Counters that go on; now and then one gains a digit.
        numbers = numbers.map { $0 &+ UInt64(random.index(below: 5)) }
      default: numbers[random.index(below: 8)] = UInt64(round)
      }
      let words = zip(blanks, numbers).map { String(repeating: " ", count: $0) + String($1) }
      let text = Array(("a" + words.joined() + "\n").utf8)
      #expect(try parse(template, text, cache) == numbers)
      // What was just remembered is no other way to the same numbers.
      #expect(try parse(template, text, cache) == numbers)
    }
  }

  /// A damaged text is refused, or read, as by one who never saw the whole one.
  @Test(arguments: Grammar.all)
  func whatIsRememberedHidesNoDamage(_ grammar: Grammar) throws {
    guard let text = fixture("6.18-2cpu", grammar.path) else { return }
    let (template, _) = try grammar.template(text)
    let cache = template.makeCache()
    var random = SplitMix64(seed: 9)
    var differing = 0
    for _ in 0..<200 {
      let whole = Result { () throws(KernelTextError) in try parse(template, text, cache) }
      let copy = damaged(text, &random)
      let fresh = template.makeCache()
      let unseen = Result { () throws(KernelTextError) in try parse(template, copy, fresh) }
      let seen = Result { () throws(KernelTextError) in try parse(template, copy, cache) }
      #expect(seen == unseen)
      if seen != whole { differing += 1 }
    }
    #expect(differing > 100)
  }

  @Test(arguments: Grammar.all)
  func anotherLineIsALayoutChange(_ grammar: Grammar) throws {
    for kernel in kernels() {
      guard let text = fixture(kernel, grammar.path) else { continue }
      let (template, _) = try grammar.template(text)
      #expect(throws: KernelTextError.layoutChanged) {
        try parse(template, text + Array("another 1\n".utf8))
      }
    }
  }

  /// A trap would end the process. What is read after damage, by the shape of the whole text or by
  /// the damaged one's own, are numbers that stand in it under that name.
  @Test(arguments: Grammar.all)
  func hostileTextIsRefusedOrRead(_ grammar: Grammar) throws {
    guard let whole = fixture("6.18-2cpu", grammar.path) else { return }
    let lines = whole.split(separator: UInt8(ascii: "\n")).prefix(8)
    let text = Array(lines.joined(separator: [UInt8(ascii: "\n")])) + [UInt8(ascii: "\n")]
    let (template, fields) = try grammar.template(text)
    var random = SplitMix64(seed: 7)
    var (refused, compared) = (0, 0)
    func compare(_ fields: [TextField], _ values: [UInt64], _ copy: [UInt8]) {
      let slow = SlowReading(grammar.path, copy)
      for (field, value) in zip(fields, values) {
        // Whose a line of zoneinfo is, other lines say.
        let isNamed = !field.instance.isEmpty && grammar.path != "proc/zoneinfo"
        let name = isNamed ? "\(field.name)[\(field.instance)]" : field.name
        compared += 1
        guard !slow.has(name, value) else { continue }
        let text = String(decoding: copy, as: UTF8.self)
        Issue.record("\(name) is \(value) in \(text.debugDescription)")
      }
    }
    for _ in 0..<1000 {
      let copy = damaged(text, &random)
      do throws(KernelTextError) {
        let (own, fields) = try grammar.template(copy)
        // What was learnt from a text is read in it.
        let values = Result { () throws(KernelTextError) in try parse(own, copy) }
        if case .success(let values) = values { compare(fields, values, copy) }
        #expect(throws: Never.self) { try values.get() }
      } catch { refused += 1 }
      do throws(KernelTextError) {
        compare(fields, try parse(template, copy), copy)
      } catch { refused += 1 }
    }
    #expect(refused > 100 && compared > 500)
  }

  private func damaged(_ text: [UInt8], _ random: inout SplitMix64) -> [UInt8] {
    var copy = text
    for _ in 0...random.index(below: 4) {
      guard !copy.isEmpty else { break }
      let place = random.index(below: copy.count)
      switch random.index(below: 4) {
      case 0: copy[place] = UInt8(truncatingIfNeeded: random.next())
      case 1: copy.remove(at: place)
      case 2: copy.insert(contentsOf: copy[place...].prefix(random.index(below: 40)), at: place)
      default: copy.removeLast(random.index(below: copy.count))
      }
    }
    return copy
  }

  @Test func numbersOfEveryWidthAreReadBesideTheTextsEnd() throws {
    for digits in 1...20 {
      let number = String("18446744073709551615".prefix(digits))
      for behind in ["", "\n", " kB\n", " next 1 2 3 4 5\n"] {
        let text = Array("name: \(number)\(behind)".utf8)
        let placeholder = Placeholder(6..<6 + digits, .number(.decimal, TextField("name")))
        let template = TextTemplate(KernelText(text.span), placeholders: [placeholder])
        #expect(try parse(template, text) == [UInt64(number)])
      }
    }
    let text = Array("a 18446744073709551616\n".utf8)
    let placeholder = Placeholder(2..<22, .number(.decimal, TextField("a")))
    let template = TextTemplate(KernelText(text.span), placeholders: [placeholder])
    #expect(throws: KernelTextError.malformed(line: 1, field: 2)) { try parse(template, text) }
  }

  @Test func signsFractionsAndHexadecimalsAreRead() throws {
    func read(_ text: String, _ form: NumberForm) throws -> UInt64? {
      let bytes = Array("\(text)\n".utf8)
      let placeholder = Placeholder(0..<text.utf8.count, .number(form, TextField("x")))
      return try parse(TextTemplate(KernelText(bytes.span), placeholders: [placeholder]), bytes)
        .first
    }
    #expect(try read("-1", .signed) == UInt64(bitPattern: -1))
    #expect(try read("-9223372036854775808", .signed) == 1 << 63)
    #expect(try read("42", .signed) == 42)
    #expect(throws: KernelTextError.self) { try read("9223372036854775808", .signed) }
    #expect(try read("12.34", .hundredths) == 1234)
    #expect(try read("0.05", .hundredths) == 5)
    #expect(try read("7.5", .hundredths) == 750)
    #expect(try read("00000000fFffffff", .hexadecimal) == 0xFFFF_FFFF)
    #expect(throws: KernelTextError.self) { try read("10000000000000000", .hexadecimal) }
  }

  @Test func aMalformedNumberIsNamedByLineAndField() throws {
    let grammar = try Grammar.of("proc/stat")
    let text = "cpu  1 2 3 4\ncpu0 1 2 3 4\nctxt 777\n"
    let (template, _) = try grammar.template(Array(text.utf8))
    let broken = "cpu  1 2 3 4\ncpu0 1 2 x 4\nctxt 777\n"
    #expect(throws: KernelTextError.malformed(line: 2, field: 4)) {
      try parse(template, Array(broken.utf8))
    }
  }

  @Test func whatIsNotWantedIsReadOver() throws {
    let text = Array("cpu  1 2 3 4\ncpu0 5 6 7 8\nctxt 777\n".utf8)
    let kernelText = KernelText(text.span)
    let template = TextTemplate(kernelText, placeholders: try TextFormat.stat(kernelText)) {
      $0.name == "system" || $0.name == "ctxt"
    }
    #expect(try parse(template, text) == [3, 7, 777])
  }
}
