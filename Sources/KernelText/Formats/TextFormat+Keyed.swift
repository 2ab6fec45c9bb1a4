extension TextFormat {
  /// Lines of a key and then `name=number` pairs: io.stat of a control group (`8:0 rbytes=1 …`) and
  /// memory.numa_stat (`anon N0=4096`). `field` names a pair by its key and its own name; pairs for
  /// which it returns nil, and values of `max`, are skipped.
  ///
  /// A pair belongs to the last key before it: kernels to 6.0 leave out the newline of a device
  /// that has no pairs. A key without pairs has no value.
  package static func keyedPairs(
    _ text: KernelText, _ field: (String, String) -> TextField?
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for line in text.lines() {
      var key = ""
      for word in line.words {
        guard let (name, value) = pair(text, word) else {
          key = text.string(word)
          // A device, possibly without pairs.
          if text.bytes[word].contains(UInt8(ascii: ":")) { placeholders.recognise() }
          continue
        }
        guard !key.isEmpty, let field = field(key, name) else {
          placeholders.ignore(value)
          continue
        }
        if text.string(value) != "max" { placeholders.number(value, field) }
      }
    }
    return try placeholders.finished()
  }

  /// `max 100000` or `50000 100000` (cpu.max): no quota if `max`.
  package static func quota(
    _ text: KernelText, of instance: String
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    guard let line = firstLine(text) else { return try placeholders.finished() }
    placeholders.recognise()
    for (index, name) in ["quota", "period"].enumerated() {
      let field = TextField("cpu.max.\(name)", of: instance)
      guard index < line.words.count else {
        placeholders.missing(line, field)
        continue
      }
      if text.string(line.words[index]) != "max" { placeholders.number(line.words[index], field) }
    }
    placeholders.skipRest(line, from: 2)
    return try placeholders.finished()
  }

  /// One number, or the word `none` for no value: `max` in memory.max and pids.max.
  package static func limit(
    _ text: KernelText, _ field: TextField, none: String = "max"
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    guard let line = firstLine(text) else { return try placeholders.finished() }
    placeholders.recognise()
    if text.string(line.words[0]) != none { placeholders.number(line.words[0], field, .limit) }
    placeholders.skipRest(line, from: 1)
    return try placeholders.finished()
  }

  /// `5120 / 104857600`, or a word such as `none` or `delayed` (sync_completed of a RAID array):
  /// two values, in this order.
  package static func progress(
    _ text: KernelText, _ done: TextField, _ total: TextField
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    guard let line = firstLine(text) else { return try placeholders.finished() }
    placeholders.recognise()
    let words = line.words
    guard (text.bytes[words[0].lowerBound] | 0x20) &- 97 >= 26 else {
      placeholders.skipRest(line, from: 1)
      return try placeholders.finished()
    }
    placeholders.number(words[0], done)
    if words.count > 2, text.string(words[1]) == "/" {
      placeholders.number(words[2], total)
      placeholders.skipRest(line, from: 3)
    } else {
      placeholders.missing(line, total)
    }
    return try placeholders.finished()
  }

  /// `8:0 Read 12` lines of the v1 block controller, whose last one is the total of all.
  package static func blkio(
    _ text: KernelText, prefix: String, of instance: String
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for line in text.lines() {
      let words = line.words
      guard let first = words.first, words.count > 1, text.bytes[first].contains(58) else {
        // The only line if no device was used.
        if let first = words.first, text.string(first) == "Total" { placeholders.recognise() }
        placeholders.skipRest(line)
        continue
      }
      let field = TextField(
        "\(prefix).\(text.string(words[1]))", of: "\(instance):\(text.string(first))")
      if words.count > 2 {
        placeholders.number(words[2], field)
      } else {
        placeholders.missing(line, field)
      }
      placeholders.skipRest(line, from: 3)
    }
    return try placeholders.finished()
  }
}
