/// The grammars of kernel texts: each function finds the numbers of one, and names them.
///
/// Learners run at arm time, and again for a text that has changed its shape. An unknown line is
/// read over; what is damaged in a known one is an unreadable hole, and the rest has its values. An
/// error says that nothing in the text is of the grammar. What they do not name becomes literal
/// text (`TextTemplate`).
package enum TextFormat {
  /// Lines of `name value [suffix]`, as in /proc/meminfo and /proc/vmstat: the name may end in a
  /// colon, a value stand at it without a blank, and both stand behind `leading` words that are of
  /// no interest. Of names that end in `limits`, a number beyond any limit is no value.
  package static func list(
    _ text: KernelText, leading: Int = 0, prefix: String = "", of instance: String = "",
    limits: String? = nil
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    for line in text.lines() {
      guard line.words.count > leading else {
        holes.readOver(line)
        continue
      }
      let (label, values) = text.labelled(line, at: leading)
      guard !label.isEmpty else {
        holes.readOver(line, labelWords: leading + 1)
        continue
      }
      let name = prefix + text.string(label)
      guard let value = values.first else {
        holes.missing(line, TextField(name, of: instance))
        continue
      }
      // A second number is none of the name's.
      let unit = values.count > 1 ? values[1] : value
      let isSuffix = values.count > 1 && (text.bytes[unit.lowerBound] | 0x20) &- 97 < 26
      holes.number(
        value, TextField(name, of: instance, suffix: isSuffix ? text.string(unit) : ""),
        limits.map(name.hasSuffix) ?? false ? .limit : .decimal)
      if values.count > 1, !isSuffix {
        holes.append(TextHole(value.upperBound..<line.range.upperBound, .restOfLine))
      }
    }
    return try holes.finished()
  }

  /// One line of numbers in a known order, as in /proc/sys/fs/file-nr: the first that is not
  /// blank. Further numbers are ignored; of the one called `limit`, one beyond any is no value.
  package static func row(
    _ text: KernelText, _ names: [String], of instance: String = "",
    form: NumberForm = .decimal, limit: String? = nil
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    if let line = firstLine(text) {
      holes.columns(
        line, from: 0, names, of: instance, form: form, least: names.count, limit: limit)
    }
    return try holes.finished()
  }

  /// The first line that has a word.
  static func firstLine(_ text: KernelText) -> KernelText.Line? {
    text.lines().first { !$0.words.isEmpty }
  }

  /// The speed of a link in megabits a second; there is none where the kernel says that it does
  /// not know it: as −1, or as that looks in 16 or 32 bits without a sign.
  package static func linkSpeed(
    _ text: KernelText, _ field: TextField
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    if let word = firstLine(text)?.words[0] {
      holes.recognise()
      let unknown = ["-1", "\(UInt16.max)", "\(UInt32.max)"]
      if !unknown.contains(text.string(word)) { holes.number(word, field, .speed) }
    }
    return try holes.finished()
  }

  /// Pairs of lines, names above values: `Tcp: InSegs OutSegs` over `Tcp: 5 6` (/proc/net/snmp
  /// and netstat). MaxConn may be −1. A line without its other half is read over.
  package static func namedPairs(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    let lines = text.lines().filter { !$0.words.isEmpty }
    var index = 0
    while index < lines.count {
      let (label, names) = text.labelled(lines[index])
      guard index + 1 < lines.count, !label.isEmpty, !names.isEmpty,
        text.bytes[label] == text.bytes[text.labelled(lines[index + 1]).label]
      else {
        holes.readOver(lines[index])
        index += 1
        continue
      }
      let line = lines[index + 1]
      let values = text.labelled(line).values
      index += 2
      for (place, word) in names.enumerated() {
        let name = text.string(word)
        let field = TextField("\(text.string(label)).\(name)")
        guard place < values.count else {
          holes.missing(line, field)
          continue
        }
        holes.number(values[place], field, name == "MaxConn" ? .signed : .decimal)
      }
      if values.count > names.count {
        let last = values[names.count - 1].upperBound
        holes.append(TextHole(last..<line.range.upperBound, .restOfLine))
      }
    }
    return try holes.finished()
  }

  /// Lines of `label: name value name value …` (/proc/net/sockstat and sockstat6).
  package static func labelledPairs(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    for line in text.lines() where !line.words.isEmpty {
      let (label, words) = text.labelled(line)
      for place in stride(from: 0, to: words.count, by: 2) where !label.isEmpty {
        let field = TextField("\(text.string(label)).\(text.string(words[place]))")
        if place + 1 < words.count {
          holes.number(words[place + 1], field)
        } else {
          holes.missing(line, field)
        }
      }
    }
    return try holes.finished()
  }

  /// `some avg10=0.00 avg60=0.35 avg300=12.22 total=1213374073` (PSI, Linux 4.20).
  package static func pressure(
    _ text: KernelText, prefix: String, of instance: String = ""
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    for line in text.lines() where !line.words.isEmpty {
      let share = text.string(line.words[0])
      guard share == "some" || share == "full" else {
        holes.readOver(line)
        continue
      }
      var missing = ["avg10", "avg60", "avg300", "total"]
      for word in line.words.dropFirst() {
        guard let (name, value) = pair(text, word) else { continue }
        missing.removeAll { $0 == name }
        holes.number(
          value, TextField("\(prefix)\(share).\(name)", of: instance),
          name.hasPrefix("avg") ? .hundredths : .decimal)
      }
      for name in missing {
        holes.missing(line, TextField("\(prefix)\(share).\(name)", of: instance))
      }
    }
    return try holes.finished()
  }

  /// The name and the place of the value in `name=value`; nil for another word.
  static func pair(_ text: KernelText, _ word: Range<Int>) -> (name: String, value: Range<Int>)? {
    guard let equals = text.bytes[word].firstIndex(of: UInt8(ascii: "=")), equals > word.lowerBound
    else { return nil }
    return (text.string(word.lowerBound..<equals), equals + 1..<word.upperBound)
  }

  /// `0.04 0.97 1.56 1/79 31465`.
  package static func loadavg(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    guard let line = firstLine(text) else { return try holes.finished() }
    let words = line.words
    for (place, name) in ["load1", "load5", "load15"].enumerated() {
      if place < words.count {
        holes.number(words[place], TextField(name), .hundredths)
      } else {
        holes.missing(line, TextField(name))
      }
    }
    let tasks = words.count > 3 ? words[3] : line.range.upperBound..<line.range.upperBound
    if let slash = text.bytes[tasks].firstIndex(of: UInt8(ascii: "/")) {
      holes.number(tasks.lowerBound..<slash, TextField("runnable"))
      holes.number(slash + 1..<tasks.upperBound, TextField("threads"))
    } else {
      holes.unreadable(tasks, TextField("runnable"))
      holes.unreadable(tasks.upperBound..<tasks.upperBound, TextField("threads"))
    }
    if words.count > 4 {
      holes.number(words[4], TextField("last_pid"))
    } else {
      holes.missing(line, TextField("last_pid"))
    }
    holes.readOver(line, from: 5)
    return try holes.finished()
  }
}
