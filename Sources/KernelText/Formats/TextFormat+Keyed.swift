extension TextFormat {
  /// Lines of a key and then `name=number` pairs: io.stat of a control group (`8:0 rbytes=1 …`) and
  /// memory.numa_stat (`anon N0=4096`). `field` names a pair by its key and its own name; pairs
  /// that it has no name for, and those of `max`, are read over.
  ///
  /// A pair belongs to the last key before it: kernels to 6.0 leave out the newline of a device
  /// that has no pairs. A key without pairs is no value.
  package static func keyedPairs(
    _ text: KernelText, _ field: (String, String) -> TextField?
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    for line in text.lines() {
      var key = ""
      for word in line.words {
        guard let (name, value) = pair(text, word) else {
          key = text.string(word)
          // A device, of which perhaps nothing is said.
          if text.bytes[word].contains(UInt8(ascii: ":")) { holes.recognise() }
          continue
        }
        guard !key.isEmpty, let field = field(key, name) else {
          holes.ignore(value)
          continue
        }
        if text.string(value) != "max" { holes.number(value, field) }
      }
    }
    return try holes.finished()
  }

  /// `max 100000` or `50000 100000` (cpu.max): the quota is there when there is one.
  package static func quota(
    _ text: KernelText, of instance: String
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    guard let line = firstLine(text) else { return try holes.finished() }
    holes.recognise()
    for (place, name) in ["quota", "period"].enumerated() {
      let field = TextField("cpu.max.\(name)", of: instance)
      guard place < line.words.count else {
        holes.missing(line, field)
        continue
      }
      if text.string(line.words[place]) != "max" { holes.number(line.words[place], field) }
    }
    holes.readOver(line, from: 2)
    return try holes.finished()
  }

  /// One number, or the word `none` for none: `max` in memory.max and pids.max.
  package static func limit(
    _ text: KernelText, _ field: TextField, none: String = "max"
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    guard let line = firstLine(text) else { return try holes.finished() }
    holes.recognise()
    if text.string(line.words[0]) != none { holes.number(line.words[0], field, .limit) }
    holes.readOver(line, from: 1)
    return try holes.finished()
  }

  /// `5120 / 104857600`, or a word such as `none` or `delayed` (sync_completed of a RAID array):
  /// two values, in this order.
  package static func progress(
    _ text: KernelText, _ done: TextField, _ total: TextField
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    guard let line = firstLine(text) else { return try holes.finished() }
    holes.recognise()
    let words = line.words
    guard (text.bytes[words[0].lowerBound] | 0x20) &- 97 >= 26 else {
      holes.readOver(line, from: 1)
      return try holes.finished()
    }
    holes.number(words[0], done)
    if words.count > 2, text.string(words[1]) == "/" {
      holes.number(words[2], total)
      holes.readOver(line, from: 3)
    } else {
      holes.missing(line, total)
    }
    return try holes.finished()
  }

  /// `8:0 Read 12` lines of the v1 block controller, whose last one is the total of all.
  package static func blkio(
    _ text: KernelText, prefix: String, of instance: String
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    for line in text.lines() {
      let words = line.words
      guard let first = words.first, words.count > 1, text.bytes[first].contains(58) else {
        // All that there is where no device was used.
        if let first = words.first, text.string(first) == "Total" { holes.recognise() }
        holes.readOver(line)
        continue
      }
      let field = TextField(
        "\(prefix).\(text.string(words[1]))", of: "\(instance):\(text.string(first))")
      if words.count > 2 {
        holes.number(words[2], field)
      } else {
        holes.missing(line, field)
      }
      holes.readOver(line, from: 3)
    }
    return try holes.finished()
  }
}
