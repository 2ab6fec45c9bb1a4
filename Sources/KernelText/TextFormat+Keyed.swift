extension TextFormat {
  /// Lines of a key and then `name=number` pairs: io.stat of a control group (`8:0 rbytes=1 …`) and
  /// memory.numa_stat (`anon N0=4096`). `field` names a pair by its line's key and its own name;
  /// pairs that it has no name for, and those without a number, are read over.
  package static func keyedPairs(
    _ text: KernelText, _ field: (String, String) -> TextField?
  ) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for line in try text.lines() {
      guard let first = line.words.first else { continue }
      let key = text.string(first)
      for (place, word) in line.words.enumerated().dropFirst() {
        guard let equals = text.bytes[word].firstIndex(of: UInt8(ascii: "=")),
          equals + 1 < word.upperBound,
          let field = field(key, text.string(word.lowerBound..<equals))
        else { continue }
        holes.append(
          try text.decimal(equals + 1..<word.upperBound, field, line: line, word: place))
      }
    }
    return holes
  }

  /// `max 100000` or `50000 100000` (cpu.max): the quota is there when there is one.
  package static func quota(
    _ text: KernelText, of instance: String
  ) throws(KernelTextError) -> [TextHole] {
    guard let line = try text.lines().first, line.words.count == 2 else {
      throw .malformed(line: 1, field: 1)
    }
    var holes: [TextHole] = []
    for (place, name) in ["quota", "period"].enumerated()
    where text.string(line.words[place]) != "max" {
      holes.append(
        try text.decimal(
          line.words[place], TextField("cpu.max.\(name)", of: instance), line: line, word: place))
    }
    return holes
  }

  /// One number, or the word `none` for none: `max` in memory.max and pids.max.
  package static func limit(
    _ text: KernelText, _ field: TextField, none: String = "max"
  ) throws(KernelTextError) -> [TextHole] {
    guard let line = try text.lines().first, let word = line.words.first else { throw .truncated }
    guard text.string(word) != none else { return [] }
    return [try text.decimal(word, field, line: line, word: 0)]
  }

  /// `5120 / 104857600`, or a word such as `none` or `delayed` (sync_completed of a RAID array):
  /// two values, in this order.
  package static func progress(
    _ text: KernelText, _ done: TextField, _ total: TextField
  ) throws(KernelTextError) -> [TextHole] {
    guard let line = try text.lines().first, let first = line.words.first else { throw .truncated }
    guard line.words.count == 3 else {
      guard !text.isDecimal(first) else { throw .malformed(line: 1, field: 1) }
      return []
    }
    return [
      try text.decimal(first, done, line: line, word: 0),
      try text.decimal(line.words[2], total, line: line, word: 2),
    ]
  }

  /// `8:0 Read 12` lines of the v1 block controller, whose last one is the total of all.
  package static func blkio(
    _ text: KernelText, prefix: String, of instance: String
  ) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for line in try text.lines() {
      guard line.words.count == 3 else {
        holes.append(TextHole(line.range, .restOfLine))
        continue
      }
      let device = text.string(line.words[0])
      let field = TextField(
        "\(prefix).\(text.string(line.words[1]))", of: "\(instance):\(device)")
      holes.append(try text.decimal(line.words[2], field, line: line, word: 2))
    }
    return holes
  }
}
