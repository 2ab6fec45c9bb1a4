extension KernelText {
  /// What is wrong with the unreadable holes among `holes`, a sentence for each line that has any:
  /// `line 3, word 2 (MemFree): not a number`. For whoever reads a file for the first time: it
  /// allocates, and takes time linear in the text.
  package func complaints(_ holes: [TextHole]) -> [String] {
    var complaints: [String] = []
    var line = Place()
    var first: (place: Place, field: TextField, reason: String)?
    var more = 0
    func close() {
      guard let found = first else { return }
      let others = more == 0 ? "" : " and \(more) more"
      complaints.append(
        "line \(found.place.line), word \(found.place.word) (\(Self.printed(found.field))\(others)): "
          + found.reason)
      (first, more) = (nil, 0)
    }
    for hole in holes {
      guard case .unreadable(let field) = hole.content else { continue }
      let before = line.line
      move(&line, to: hole)
      if line.line != before { close() }
      if first == nil { first = (line, field, reason(hole)) } else { more += 1 }
    }
    close()
    return complaints
  }

  /// A line and a word of it, from 1, and how far the text was looked at for it.
  private struct Place {
    var line = 1
    var word = 1
    var start = 0
  }

  private func move(_ place: inout Place, to hole: TextHole) {
    while let end = bytes[place.start..<hole.start].firstIndex(of: TextScanner.newline) {
      place.start = end + 1
      place.line += 1
    }
    let before = words(in: place.start..<hole.start)
    // Within a word, as behind the sign of `total=7`; what is missing stands behind the last one.
    let isWithin = before.last.map { $0.upperBound == hole.start } ?? false
    let isMissing = hole.start == hole.end && bytes[max(0, hole.start - 1)] != UInt8(ascii: "=")
    place.word = before.count + (isWithin && !isMissing ? 0 : 1)
  }

  private func reason(_ hole: TextHole) -> String {
    let word = bytes[hole.start..<hole.end]
    let isNegative = word.first == UInt8(ascii: "-")
    let digits = isNegative ? word.dropFirst() : word
    if word.isEmpty { return "missing" }
    guard !digits.isEmpty, digits.allSatisfy({ $0 &- 48 < 10 }) else { return "not a number" }
    return isNegative ? "negative" : "too large for 64 bits"
  }

  /// A field's name for a message: no byte of a text reaches a terminal as a command.
  private static func printed(_ field: TextField) -> String {
    let name = field.instance.isEmpty ? field.name : "\(field.name)[\(field.instance)]"
    return name.unicodeScalars.reduce(into: "") { text, scalar in
      text += scalar.value < 32 || scalar.value == 127 ? scalar.escaped(asASCII: true) : "\(scalar)"
    }
  }
}
