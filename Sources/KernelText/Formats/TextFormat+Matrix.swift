/// Texts with a column for each CPU.
extension TextFormat {
  /// /proc/interrupts: ` 26: 0 15 IO-APIC 4-edge ttyS0`. The instance is the line's label; numbered
  /// ones with their handlers: `26:ttyS0`. Summed over the CPUs, or one for each with the suffix
  /// `@cpuN`.
  package static func interrupts(
    _ text: KernelText, perCPU: Bool
  ) throws(KernelTextError) -> [Placeholder] {
    try matrix(text, perCPU: perCPU) { label, handlers, cpus in
      TextField(
        "count", of: handlers.isEmpty ? label : "\(label):\(handlers)", identity: cpus)
    }
  }

  /// /proc/softirqs: `TIMER: 146028 169515`, summed over the CPUs.
  package static func softirqs(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    try matrix(text, perCPU: false) { label, _, cpus in TextField(label, identity: cpus) }
  }

  /// The handlers of a numbered interrupt: the text after the last two blanks of its line
  /// (kernel/irq/proc.c, show_interrupts), such as `ehci_hcd:usb1, i801_smbus`; otherwise the last
  /// word of the line. Empty if there are only numbers.
  private static func handlers(
    _ text: KernelText, _ words: ArraySlice<Range<Int>>, _ line: KernelText.Line
  ) -> String {
    guard let first = words.first, let last = words.last else { return "" }
    // Trailing blanks: the interrupt has no handler.
    guard last.upperBound == line.range.upperBound else { return text.string(last) }
    var start = words.endIndex - 1
    while start > words.startIndex, words[start].lowerBound - words[start - 1].upperBound < 2 {
      start -= 1
    }
    let isWhole = words[start].lowerBound == first.lowerBound
    // Some chips print a single blank between their own number and the handlers: `ARMCTRL 16 dma`.
    while start < words.endIndex - 1, text.isDecimal(words[start]) { start += 1 }
    return text.string(isWhole ? last : words[start].lowerBound..<last.upperBound)
  }

  private static func matrix(
    _ text: KernelText, perCPU: Bool,
    field: (_ label: String, _ handlers: String, _ cpus: String) -> TextField
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    let lines = text.lines().filter { !$0.words.isEmpty }
    let cpus = (lines.first?.words ?? []).map { text.string($0).lowercased() }
    // The header names the CPUs: without it, counts in a row cannot be distinguished from other
    // numbers.
    guard cpus.contains(where: { $0.hasPrefix("cpu") }) else { return try placeholders.finished() }
    let all = numberList(cpus.compactMap { Int($0.dropFirst(3)) })
    for line in lines.dropFirst() {
      let (label, words) = text.labelled(line)
      let counts = words.prefix(cpus.count)
      let isNumbered = text.isDecimal(label)
      // ERR and MIS have one number for all CPUs; some lines have a name instead (FIQ of Arm).
      let isOfHost = ["ERR", "MIS"].contains(text.string(label).uppercased())
      guard !label.isEmpty, isNumbered || isOfHost || counts.contains(where: text.isDecimal) else {
        placeholders.skipRest(line)
        continue
      }
      let numbers = counts.prefix { text.isNumber($0, .decimal) }
      let isTotal = numbers.count == 1 && words.count == 1 && !isNumbered
      let whole = field(
        text.string(label),
        isNumbered ? handlers(text, words[numbers.endIndex...], line) : "",
        // One number for all CPUs, including offline ones.
        isOfHost || isTotal && cpus.count > 1 ? "total" : all)
      if perCPU, !isTotal || cpus.count == 1 {
        for (index, cpu) in cpus.enumerated() {
          let one = TextField(whole.name, of: "\(whole.instance)@\(cpu)")
          if index >= counts.count {
            placeholders.missing(line, one)
          } else if cpu.hasPrefix("cpu") {
            placeholders.number(counts[index], one)
          } else {
            placeholders.ignore(counts[index])
          }
        }
      } else if numbers.count == cpus.count || isTotal {
        placeholders.sum(numbers, whole)
      } else {
        partial(counts, line, text, whole, &placeholders)
      }
    }
    return try placeholders.finished()
  }

  /// A row with a missing number has no sum: the other numbers cannot be assigned to CPUs.
  private static func partial(
    _ counts: ArraySlice<Range<Int>>, _ line: KernelText.Line, _ text: KernelText,
    _ field: TextField, _ placeholders: inout PlaceholderList
  ) {
    var isSaid = false
    for word in counts {
      if text.isNumber(word, .decimal) {
        placeholders.ignore(word)
      } else if !isSaid {
        placeholders.unreadable(word, field, expected: .decimal)
        isSaid = true
      }
    }
    if !isSaid { placeholders.missing(line, field) }
  }

  /// /proc/net/stat/nf_conntrack: a line of names, then hexadecimal columns, a line for each
  /// possible CPU. `entries` is the same in all of them.
  package static func conntrack(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    let lines = text.lines().filter { !$0.words.isEmpty }
    let header = lines.first?.words ?? []
    let names = header.map(text.string)
    // The header names the columns: without it they cannot be identified.
    guard !header.allSatisfy({ $0.count >= 8 && text.isNumber($0, .hexadecimal) }) else {
      return try placeholders.finished()
    }
    for (cpu, line) in lines.dropFirst().enumerated() {
      placeholders.columns(
        line, from: 0, names, of: "\(cpu)", form: .hexadecimal, least: names.count)
    }
    return try placeholders.finished()
  }

  /// /proc/net/softnet_stat in file order (net/core/net-procfs.c): flow_limit_count came with 3.11,
  /// softnet_backlog_len and the CPU's own number with 5.14, the two queue lengths with 6.5.
  package static let softnetColumns = [
    "processed", "dropped", "time_squeeze", "", "", "", "", "", "cpu_collision", "received_rps",
    "flow_limit_count", "softnet_backlog_len", "index", "input_qlen", "process_qlen",
  ]

  /// /proc/net/softnet_stat: hexadecimal columns, a line for each online CPU.
  package static func softnet(_ text: KernelText) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    let cpuColumn = 12
    for (row, line) in text.lines().filter({ !$0.words.isEmpty }).enumerated() {
      guard line.words.count > cpuColumn else {
        placeholders.columns(
          line, from: 0, Array(softnetColumns.prefix(cpuColumn)), of: "\(row)", form: .hexadecimal,
          least: 9)
        continue
      }
      guard let cpu = UInt64(text.string(line.words[cpuColumn]), radix: 16) else {
        // The CPU of the row is unknown.
        for word in line.words.prefix(cpuColumn) { placeholders.ignore(word) }
        placeholders.unreadable(
          line.words[cpuColumn], TextField("index", of: "row \(row + 1)"), expected: .hexadecimal)
        for word in line.words.dropFirst(cpuColumn + 1) { placeholders.ignore(word) }
        continue
      }
      for (number, word) in line.words.prefix(softnetColumns.count).enumerated()
      where number != cpuColumn {
        let name = softnetColumns[number]
        name.isEmpty
          ? placeholders.ignore(word)
          : placeholders.number(word, TextField(name, of: "\(cpu)"), .hexadecimal)
      }
      placeholders.skipRest(line, from: softnetColumns.count)
    }
    return try placeholders.finished()
  }
}
