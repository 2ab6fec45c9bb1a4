extension KernelText {
  /// What is wrong with the unreadable holes among `holes`, a sentence for each line that has any:
  /// `line 3: field 2 of "MemFree" is not a number`. It allocates, and takes time linear in the
  /// text.
  package func complaints(_ holes: [TextHole]) -> [String] {
    var complaints: [String] = []
    var (line, start, seen) = (1, 0, 0)
    var first: (line: Int, word: Int, hole: TextHole)?
    var more = 0
    func close() {
      guard let (line, word, hole) = first, case .unreadable(let field) = hole.content else {
        return
      }
      let others = more == 0 ? "" : " (and \(more) more)"
      complaints.append(
        "line \(line): field \(word) of \"\(Self.printed(field))\"\(others) \(reason(hole))")
    }
    for hole in holes {
      guard case .unreadable = hole.content else { continue }
      while let end = bytes[seen..<hole.start].firstIndex(of: TextScanner.newline) {
        (start, seen) = (end + 1, end + 1)
        line += 1
      }
      seen = hole.start
      if first?.line == line {
        more += 1
        continue
      }
      close()
      (first, more) = ((line, word(of: hole, from: start), hole), 0)
    }
    close()
    return complaints
  }

  /// The number of a hole's word in its line, which begins at `start`. What is missing stands
  /// behind the last word.
  private func word(of hole: TextHole, from start: Int) -> Int {
    let before = words(in: start..<hole.start)
    // Within a word, as behind the sign of `total=7`.
    let isWithin = before.last.map { $0.upperBound == hole.start } ?? false
    let isMissing = hole.start == hole.end && bytes[max(0, hole.start - 1)] != UInt8(ascii: "=")
    return before.count + (isWithin && !isMissing ? 0 : 1)
  }

  private func reason(_ hole: TextHole) -> String {
    let word = bytes[hole.start..<hole.end]
    let isNegative = word.first == UInt8(ascii: "-")
    let digits = isNegative ? word.dropFirst() : word
    if word.isEmpty { return "is missing" }
    guard !digits.isEmpty, digits.allSatisfy({ $0 &- 48 < 10 }) else { return "is not a number" }
    if hole.expected == .millidegrees, digits.count < 19 { return "is below absolute zero" }
    return isNegative ? "is negative" : "exceeds 64 bits"
  }

  /// A field's name for a message: no byte of a text reaches a terminal as a command.
  private static func printed(_ field: TextField) -> String {
    let name = field.instance.isEmpty ? field.name : "\(field.name)[\(field.instance)]"
    return name.unicodeScalars.reduce(into: "") { text, scalar in
      text += scalar.value < 32 || scalar.value == 127 ? scalar.escaped(asASCII: true) : "\(scalar)"
    }
  }
}
