/// The grammars of kernel texts: each function finds the numbers of one, and names them.
///
/// Learners run at arm time. An unknown line is read over; a known one that does not parse is an
/// error with its line and field. What they do not name becomes literal text (`TextTemplate`).
package enum TextFormat {
  /// Lines of `name value [suffix]`, as in /proc/meminfo and /proc/vmstat: the name may end in a
  /// colon and stand behind `leading` words that are of no interest.
  package static func list(
    _ text: KernelText, leading: Int = 0, prefix: String = "", of instance: String = ""
  ) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for line in try text.lines() {
      let words = line.words.dropFirst(leading)
      guard words.count >= 2 else {
        holes.append(TextHole(line.range, .restOfLine))
        continue
      }
      let name = label(text, words[words.startIndex])
      let suffix = words.count > 2 ? text.string(words[words.startIndex + 2]) : ""
      holes.append(
        try text.decimal(
          words[words.startIndex + 1], TextField(prefix + name, of: instance, suffix: suffix),
          line: line, word: leading + 1))
    }
    return holes
  }

  /// One line of numbers in a known order, as in /proc/sys/fs/file-nr; further ones are ignored.
  package static func row(
    _ text: KernelText, _ names: [String], of instance: String = "",
    form: NumberForm = .decimal
  ) throws(KernelTextError) -> [TextHole] {
    guard let line = try text.lines().first else { throw .truncated }
    var holes: [TextHole] = []
    for (place, name) in names.enumerated() where place < line.words.count {
      let word = line.words[place]
      let isSigned = form == .signed && text.bytes[word.lowerBound] == UInt8(ascii: "-")
      let digits = isSigned ? word.lowerBound + 1..<word.upperBound : word
      guard text.isDecimal(digits) else {
        throw .malformed(line: 1, field: Int32(place + 1))
      }
      holes.append(TextHole(word, .number(form, TextField(name, of: instance))))
    }
    guard !holes.isEmpty else { throw .malformed(line: 1, field: 1) }
    if names.count < line.words.count, let last = holes.last {
      holes.append(TextHole(last.end..<line.range.upperBound, .restOfLine))
    }
    return holes
  }

  /// Pairs of lines, names above values: `Tcp: InSegs OutSegs` over `Tcp: 5 6` (/proc/net/snmp
  /// and netstat). MaxConn may be −1.
  package static func namedPairs(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    let lines = try text.lines()
    for pair in stride(from: 0, to: lines.count, by: 2) {
      guard pair + 1 < lines.count else { throw .truncated }
      let names = lines[pair].words
      let values = lines[pair + 1]
      guard let first = names.first, let label = values.words.first,
        text.bytes[first] == text.bytes[label], names.count == values.words.count
      else { throw .malformed(line: values.number, field: 1) }
      let protocolName = Self.label(text, first)
      for place in names.indices.dropFirst() {
        let name = text.string(names[place])
        let field = TextField("\(protocolName).\(name)")
        if name == "MaxConn" {
          holes.append(
            try text.signed(values.words[place], field, line: values, word: place))
        } else {
          holes.append(
            try text.decimal(values.words[place], field, line: values, word: place))
        }
      }
    }
    return holes
  }

  /// Lines of `label: name value name value …` (/proc/net/sockstat and sockstat6).
  package static func labelledPairs(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for line in try text.lines() {
      guard let first = line.words.first else { continue }
      let label = Self.label(text, first)
      for place in stride(from: 1, to: line.words.count - 1, by: 2) {
        let name = text.string(line.words[place])
        holes.append(
          try text.decimal(
            line.words[place + 1], TextField("\(label).\(name)"), line: line, word: place + 1))
      }
    }
    return holes
  }

  /// `some avg10=0.00 avg60=0.35 avg300=12.22 total=1213374073` (PSI, Linux 4.20).
  package static func pressure(
    _ text: KernelText, prefix: String, of instance: String = ""
  ) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for line in try text.lines() {
      guard let first = line.words.first else { continue }
      for (place, word) in line.words.enumerated().dropFirst() {
        guard let equals = text.bytes[word].firstIndex(of: UInt8(ascii: "=")) else {
          throw .malformed(line: line.number, field: Int32(place + 1))
        }
        let name = text.string(word.lowerBound..<equals)
        let field = TextField("\(prefix)\(text.string(first)).\(name)", of: instance)
        let value = equals + 1..<word.upperBound
        holes.append(
          name.hasPrefix("avg")
            ? try text.hundredths(value, field, line: line, word: place)
            : try text.decimal(value, field, line: line, word: place))
      }
    }
    return holes
  }

  /// `0.04 0.97 1.56 1/79 31465`.
  package static func loadavg(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    guard let line = try text.lines().first, line.words.count == 5 else {
      throw .malformed(line: 1, field: 1)
    }
    var holes: [TextHole] = []
    for (place, name) in ["load1", "load5", "load15"].enumerated() {
      holes.append(
        try text.hundredths(line.words[place], TextField(name), line: line, word: place))
    }
    let tasks = line.words[3]
    guard let slash = text.bytes[tasks].firstIndex(of: UInt8(ascii: "/")) else {
      throw .malformed(line: 1, field: 4)
    }
    holes.append(
      try text.decimal(tasks.lowerBound..<slash, TextField("runnable"), line: line, word: 3))
    holes.append(
      try text.decimal(slash + 1..<tasks.upperBound, TextField("threads"), line: line, word: 3))
    holes.append(try text.decimal(line.words[4], TextField("last_pid"), line: line, word: 4))
    return holes
  }

  /// A word without the colon at its end.
  static func label(_ text: KernelText, _ word: Range<Int>) -> String {
    let isLabel = text.bytes[word.upperBound - 1] == UInt8(ascii: ":")
    return text.string(word.lowerBound..<word.upperBound - (isLabel ? 1 : 0))
  }
}
