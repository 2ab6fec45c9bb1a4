/// The holes of one text, in order of place, while a grammar finds them.
///
/// A part of the text that does not parse costs its own values alone. Of several places with one
/// name the first one has the value: a line that is there twice gives no second column.
struct HoleList {
  private let text: KernelText
  private var holes: [TextHole] = []
  private var names = Set<TextField>()
  private var isKnown = false

  /// No holes of `text` yet.
  init(_ text: KernelText) {
    self.text = text
    // A number and its blanks: growing takes half of the time of a large text otherwise.
    holes.reserveCapacity(text.bytes.count / 4)
    names.reserveCapacity(text.bytes.count / 4)
  }

  /// A number of this form at `range` is the value of `field`; anything else there is unreadable.
  mutating func number(
    _ range: Range<Int>, _ field: TextField, _ form: NumberForm = .decimal
  ) {
    isKnown = true
    guard isFirst(field) else {
      ignore(range)
      return
    }
    let isReadable = text.isNumber(range, form)
    // No limit is no value, and not unreadable: it stays literal, so that a limit is seen.
    if form == .limit, !isReadable, text.isNumber(range, .decimal) { return }
    append(
      TextHole(range, isReadable ? .number(form, field) : .unreadable(field), expected: form))
  }

  /// The sum of the decimals `words` is the value of `field`.
  mutating func sum(_ words: ArraySlice<Range<Int>>, _ field: TextField) {
    isKnown = true
    guard let low = words.first?.lowerBound, let high = words.last?.upperBound else { return }
    guard isFirst(field) else {
      for word in words { ignore(word) }
      return
    }
    let isReadable =
      words.allSatisfy { text.isNumber($0, .decimal) }
      && text.bytes[low..<high].allSatisfy { $0 != 13 && $0 != 0 }
    append(
      TextHole(
        low..<high, isReadable ? .sum(count: words.count, field) : .unreadable(field),
        expected: .decimal))
  }

  /// `field` has no value: what stands at `range` is none, which may be nothing at all. A number
  /// of the form `expected`, if given, would be one.
  mutating func unreadable(
    _ range: Range<Int>, _ field: TextField, expected: NumberForm? = nil
  ) {
    isKnown = true
    if isFirst(field) { append(TextHole(range, .unreadable(field), expected: expected)) }
  }

  /// `field` should stand behind the end of `line`.
  mutating func missing(_ line: KernelText.Line, _ field: TextField) {
    unreadable(line.range.upperBound..<line.range.upperBound, field)
  }

  /// A number at `range` is no value; any other word stays literal.
  mutating func ignore(_ range: Range<Int>) {
    if text.isSkipped(range) { append(TextHole(range, .ignored)) }
  }

  /// The words of a line from number `first` on, in a known order, an empty name for one that has
  /// none; `least` of them belong to every line. Further ones are read over. `identity` says what
  /// each is made of, or whose it is.
  mutating func columns(
    _ line: KernelText.Line, from first: Int, _ columns: [String], of instance: String,
    form: NumberForm = .decimal, least: Int = 0, limit: String? = nil,
    identity: (String) -> String? = { _ in nil }
  ) {
    isKnown = true
    for (place, name) in columns.enumerated() {
      let field = TextField(name, of: instance, identity: identity(name))
      if first + place < line.words.count {
        let word = line.words[first + place]
        name.isEmpty ? ignore(word) : number(word, field, name == limit ? .limit : form)
      } else if place < least, !name.isEmpty {
        missing(line, field)
      }
    }
    readOver(line, from: first + columns.count)
  }

  /// What stands behind the first `labelWords` words is of no interest. The label stays literal:
  /// which lines there are is the text's shape.
  mutating func readOver(_ line: KernelText.Line, labelWords: Int = 1) {
    guard !line.words.isEmpty else { return }
    let label = line.words[min(labelWords, line.words.count) - 1]
    append(TextHole(label.upperBound..<line.range.upperBound, .restOfLine))
  }

  /// Words from number `first` on, 1 or more, are of no interest.
  mutating func readOver(_ line: KernelText.Line, from first: Int) {
    if line.words.count > first { readOver(line, labelWords: first) }
  }

  /// A hole in the order of the text; one that would overlap with the last is literal text.
  mutating func append(_ hole: TextHole) {
    if hole.start >= holes.last?.end ?? 0 { holes.append(hole) }
  }

  /// A line of the grammar was found, of which nothing is wanted.
  mutating func recognise() { isKnown = true }

  /// All holes, or the error that nothing in the text is of this grammar.
  func finished() throws(KernelTextError) -> [TextHole] {
    guard isKnown else { throw text.bytes.isEmpty ? .truncated : .malformed(line: 1, field: 1) }
    return holes
  }

  private mutating func isFirst(_ field: TextField) -> Bool {
    names.insert(TextField(field.name, of: field.instance)).inserted
  }
}
