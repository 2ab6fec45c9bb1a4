/// Collects the placeholders of one text, ordered by position.
///
/// A part of the text that does not parse costs only its own values. If several numbers have one
/// name, the first one is the value: a duplicate line gives no second column.
struct PlaceholderList {
  private let text: KernelText
  private var placeholders: [Placeholder] = []
  private var names = Set<TextField>()
  private var isKnown = false

  /// An empty list for `text`.
  init(_ text: KernelText) {
    self.text = text
    // At least four bytes for each number: otherwise growth takes half of the time for a large
    // text.
    placeholders.reserveCapacity(text.bytes.count / 4)
    names.reserveCapacity(text.bytes.count / 4)
  }

  /// Adds the value of `field`, a number of this form at `range`; anything else there is
  /// unreadable.
  mutating func number(
    _ range: Range<Int>, _ field: TextField, _ form: NumberForm = .decimal
  ) {
    isKnown = true
    guard isFirst(field) else {
      ignore(range)
      return
    }
    let isReadable = text.isNumber(range, form)
    // An unlimited value is neither a value nor unreadable: it stays literal, so that a later limit
    // is noticed.
    if form == .limit, !isReadable, text.isNumber(range, .decimal) { return }
    append(
      Placeholder(range, isReadable ? .number(form, field) : .unreadable(field), expected: form))
  }

  /// Adds the value of `field`, the sum of the decimals `words`.
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
      Placeholder(
        low..<high, isReadable ? .sum(count: words.count, field) : .unreadable(field),
        expected: .decimal))
  }

  /// Adds `field` without a value: `range`, which may be empty, is not a number of the form
  /// `expected`.
  mutating func unreadable(
    _ range: Range<Int>, _ field: TextField, expected: NumberForm? = nil
  ) {
    isKnown = true
    if isFirst(field) { append(Placeholder(range, .unreadable(field), expected: expected)) }
  }

  /// Adds `field`, whose value is missing at the end of `line`.
  mutating func missing(_ line: KernelText.Line, _ field: TextField) {
    unreadable(line.range.upperBound..<line.range.upperBound, field)
  }

  /// Adds a number at `range` that is not a value; any other word stays literal.
  mutating func ignore(_ range: Range<Int>) {
    if text.isSkipped(range) { append(Placeholder(range, .ignored)) }
  }

  /// Adds the words of a line from number `first` on, named by `columns` (empty: no value); every
  /// line must have `least` of them. Further words are skipped. `identity` returns the identity of
  /// a name.
  mutating func columns(
    _ line: KernelText.Line, from first: Int, _ columns: [String], of instance: String,
    form: NumberForm = .decimal, least: Int = 0, limit: String? = nil,
    identity: (String) -> String? = { _ in nil }
  ) {
    isKnown = true
    for (index, name) in columns.enumerated() {
      let field = TextField(name, of: instance, identity: identity(name))
      if first + index < line.words.count {
        let word = line.words[first + index]
        name.isEmpty ? ignore(word) : number(word, field, name == limit ? .limit : form)
      } else if index < least, !name.isEmpty {
        missing(line, field)
      }
    }
    skipRest(line, from: first + columns.count)
  }

  /// Skips the line after its first `labelWords` words. The label stays literal: the set of lines
  /// is part of the text's shape.
  mutating func skipRest(_ line: KernelText.Line, labelWords: Int = 1) {
    guard !line.words.isEmpty else { return }
    let label = line.words[min(labelWords, line.words.count) - 1]
    append(Placeholder(label.upperBound..<line.range.upperBound, .restOfLine))
  }

  /// Skips the line from word `first` (at least 1) on.
  mutating func skipRest(_ line: KernelText.Line, from first: Int) {
    if line.words.count > first { skipRest(line, labelWords: first) }
  }

  /// Adds a placeholder in the order of the text; one that overlaps with the last stays literal.
  mutating func append(_ placeholder: Placeholder) {
    if placeholder.start >= placeholders.last?.end ?? 0 { placeholders.append(placeholder) }
  }

  /// Marks the text as known: a line of the grammar without values was found.
  mutating func recognise() { isKnown = true }

  /// All placeholders; throws if no line of this grammar was found.
  func finished() throws(KernelTextError) -> [Placeholder] {
    guard isKnown else { throw text.bytes.isEmpty ? .truncated : .malformed(line: 1, field: 1) }
    return placeholders
  }

  private mutating func isFirst(_ field: TextField) -> Bool {
    names.insert(TextField(field.name, of: field.instance)).inserted
  }
}
