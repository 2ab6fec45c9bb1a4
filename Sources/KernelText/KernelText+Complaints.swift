extension KernelText {
  /// A message for each line with unreadable placeholders: `line 3: field 2 of "MemFree" is not a
  /// number`. Allocates; linear in the text.
  package func complaints(_ placeholders: [Placeholder]) -> [String] {
    var complaints: [String] = []
    var (line, start, seen) = (1, 0, 0)
    var first: (line: Int, word: Int, placeholder: Placeholder)?
    var more = 0
    func close() {
      guard let (line, word, placeholder) = first, case .unreadable(let field) = placeholder.content
      else {
        return
      }
      let others = more == 0 ? "" : " (and \(more) more)"
      complaints.append(
        "line \(line): field \(word) of \"\(Self.printed(field))\"\(others) \(reason(placeholder))")
    }
    for placeholder in placeholders {
      guard case .unreadable = placeholder.content else { continue }
      while let end = bytes[seen..<placeholder.start].firstIndex(of: TextScanner.newline) {
        (start, seen) = (end + 1, end + 1)
        line += 1
      }
      seen = placeholder.start
      if first?.line == line {
        more += 1
        continue
      }
      close()
      (first, more) = ((line, word(of: placeholder, from: start), placeholder), 0)
    }
    close()
    return complaints
  }

  /// The number of a placeholder's word in its line, which begins at `start`. A missing word counts
  /// after the last one.
  private func word(of placeholder: Placeholder, from start: Int) -> Int {
    let before = words(in: start..<placeholder.start)
    // Within a word, as after the sign of `total=7`.
    let isWithin = before.last.map { $0.upperBound == placeholder.start } ?? false
    let isMissing =
      placeholder.start == placeholder.end
      && bytes[max(0, placeholder.start - 1)] != UInt8(ascii: "=")
    return before.count + (isWithin && !isMissing ? 0 : 1)
  }

  private func reason(_ placeholder: Placeholder) -> String {
    let word = bytes[placeholder.start..<placeholder.end]
    let isNegative = word.first == UInt8(ascii: "-")
    let digits = isNegative ? word.dropFirst() : word
    if word.isEmpty { return "is missing" }
    guard !digits.isEmpty, digits.allSatisfy({ $0 &- 48 < 10 }) else { return "is not a number" }
    if placeholder.expected == .millidegrees, digits.count < 19 { return "is below absolute zero" }
    return isNegative ? "is negative" : "exceeds 64 bits"
  }

  /// A field's name for a message, with control characters escaped.
  private static func printed(_ field: TextField) -> String {
    let name = field.instance.isEmpty ? field.name : "\(field.name)[\(field.instance)]"
    return name.unicodeScalars.reduce(into: "") { text, scalar in
      text += scalar.value < 32 || scalar.value == 127 ? scalar.escaped(asASCII: true) : "\(scalar)"
    }
  }
}
