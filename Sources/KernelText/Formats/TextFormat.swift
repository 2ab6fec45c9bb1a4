/// The grammars of kernel texts: each function finds and names the numbers of one kind of text.
///
/// They run at arm time, and again when a text has changed its shape. Unknown lines are skipped. A
/// damaged value in a known line is an unreadable placeholder; the rest of the line has its values.
/// They throw if nothing in the text fits the grammar. Everything else becomes literal text
/// (`TextTemplate`).
package enum TextFormat {
  /// Lines of `name value [suffix]`, as in /proc/meminfo and /proc/vmstat. The name may end in a
  /// colon, which the value may follow without a blank; `leading` words before them are skipped.
  /// Fields whose names are in `limits` have no value if unlimited.
  package static func list(
    _ text: KernelText, leading: Int = 0, prefix: String = "", of instance: String = "",
    limits: String? = nil
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for line in text.lines() {
      guard line.words.count > leading else {
        placeholders.skipRest(line)
        continue
      }
      let (label, values) = text.labelled(line, at: leading)
      guard !label.isEmpty else {
        placeholders.skipRest(line, labelWords: leading + 1)
        continue
      }
      let name = prefix + text.string(label)
      guard let value = values.first else {
        placeholders.missing(line, TextField(name, of: instance))
        continue
      }
      // A second number does not belong to the name.
      let unit = values.count > 1 ? values[1] : value
      let isSuffix = values.count > 1 && (text.bytes[unit.lowerBound] | 0x20) &- 97 < 26
      placeholders.number(
        value, TextField(name, of: instance, suffix: isSuffix ? text.string(unit) : ""),
        limits.map(name.hasSuffix) ?? false ? .limit : .decimal)
      if values.count > 1, !isSuffix {
        placeholders.append(Placeholder(value.upperBound..<line.range.upperBound, .restOfLine))
      }
    }
    return try placeholders.finished()
  }

  /// One line of numbers in a known order, as in /proc/sys/fs/file-nr: the first line that is not
  /// blank. Further numbers are ignored; the field `limit` has no value if unlimited.
  package static func row(
    _ text: KernelText, _ names: [String], of instance: String = "",
    form: NumberForm = .decimal, limit: String? = nil
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    if let line = firstLine(text) {
      placeholders.columns(
        line, from: 0, names, of: instance, form: form, least: names.count, limit: limit)
    }
    return try placeholders.finished()
  }

  /// The first line with a word.
  static func firstLine(_ text: KernelText) -> KernelText.Line? {
    text.lines().first { !$0.words.isEmpty }
  }

  /// The speed of a link in megabits a second; no value if the kernel does not know it: −1, also as
  /// unsigned 16 or 32 bits.
  package static func linkSpeed(
    _ text: KernelText, _ field: TextField
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    if let word = firstLine(text)?.words[0] {
      placeholders.recognise()
      let unknown = ["-1", "\(UInt16.max)", "\(UInt32.max)"]
      if !unknown.contains(text.string(word)) { placeholders.number(word, field, .speed) }
    }
    return try placeholders.finished()
  }

  /// Pairs of lines, names above values: `Tcp: InSegs OutSegs` over `Tcp: 5 6` (/proc/net/snmp and
  /// netstat). MaxConn may be −1. A line without its other half is skipped.
  package static func namedPairs(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    let lines = text.lines().filter { !$0.words.isEmpty }
    var index = 0
    while index < lines.count {
      let (label, names) = text.labelled(lines[index])
      guard index + 1 < lines.count, !label.isEmpty, !names.isEmpty,
        text.bytes[label] == text.bytes[text.labelled(lines[index + 1]).label]
      else {
        placeholders.skipRest(lines[index])
        index += 1
        continue
      }
      let line = lines[index + 1]
      let values = text.labelled(line).values
      index += 2
      for (index, word) in names.enumerated() {
        let name = text.string(word)
        let field = TextField("\(text.string(label)).\(name)")
        guard index < values.count else {
          placeholders.missing(line, field)
          continue
        }
        placeholders.number(values[index], field, name == "MaxConn" ? .signed : .decimal)
      }
      if values.count > names.count {
        let last = values[names.count - 1].upperBound
        placeholders.append(Placeholder(last..<line.range.upperBound, .restOfLine))
      }
    }
    return try placeholders.finished()
  }

  /// Lines of `label: name value name value …` (/proc/net/sockstat and sockstat6).
  package static func labelledPairs(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for line in text.lines() where !line.words.isEmpty {
      let (label, words) = text.labelled(line)
      for index in stride(from: 0, to: words.count, by: 2) where !label.isEmpty {
        let field = TextField("\(text.string(label)).\(text.string(words[index]))")
        if index + 1 < words.count {
          placeholders.number(words[index + 1], field)
        } else {
          placeholders.missing(line, field)
        }
      }
    }
    return try placeholders.finished()
  }

  /// `some avg10=0.00 avg60=0.35 avg300=12.22 total=1213374073` (PSI, Linux 4.20).
  package static func pressure(
    _ text: KernelText, prefix: String, of instance: String = ""
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    for line in text.lines() where !line.words.isEmpty {
      let share = text.string(line.words[0])
      guard share == "some" || share == "full" else {
        placeholders.skipRest(line)
        continue
      }
      var missing = ["avg10", "avg60", "avg300", "total"]
      for word in line.words.dropFirst() {
        guard let (name, value) = pair(text, word) else { continue }
        missing.removeAll { $0 == name }
        placeholders.number(
          value, TextField("\(prefix)\(share).\(name)", of: instance),
          name.hasPrefix("avg") ? .hundredths : .decimal)
      }
      for name in missing {
        placeholders.missing(line, TextField("\(prefix)\(share).\(name)", of: instance))
      }
    }
    return try placeholders.finished()
  }

  /// The name and the range of the value in `name=value`; nil for another word.
  static func pair(_ text: KernelText, _ word: Range<Int>) -> (name: String, value: Range<Int>)? {
    guard let equals = text.bytes[word].firstIndex(of: UInt8(ascii: "=")), equals > word.lowerBound
    else { return nil }
    return (text.string(word.lowerBound..<equals), equals + 1..<word.upperBound)
  }

  /// `0.04 0.97 1.56 1/79 31465`.
  package static func loadavg(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    guard let line = firstLine(text) else { return try placeholders.finished() }
    let words = line.words
    for (index, name) in ["load1", "load5", "load15"].enumerated() {
      if index < words.count {
        placeholders.number(words[index], TextField(name), .hundredths)
      } else {
        placeholders.missing(line, TextField(name))
      }
    }
    let tasks = words.count > 3 ? words[3] : line.range.upperBound..<line.range.upperBound
    if let slash = text.bytes[tasks].firstIndex(of: UInt8(ascii: "/")) {
      placeholders.number(tasks.lowerBound..<slash, TextField("runnable"))
      placeholders.number(slash + 1..<tasks.upperBound, TextField("threads"))
    } else {
      placeholders.unreadable(tasks, TextField("runnable"))
      placeholders.unreadable(tasks.upperBound..<tasks.upperBound, TextField("threads"))
    }
    if words.count > 4 {
      placeholders.number(words[4], TextField("last_pid"))
    } else {
      placeholders.missing(line, TextField("last_pid"))
    }
    placeholders.skipRest(line, from: 5)
    return try placeholders.finished()
  }
}
