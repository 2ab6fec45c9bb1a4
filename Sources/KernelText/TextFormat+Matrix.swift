/// Texts with a column for each CPU.
extension TextFormat {
  /// /proc/interrupts: ` 26: 0 15 IO-APIC 4-edge ttyS0`. The instance is the line's label, with the
  /// last word of a numbered one: `26:ttyS0`. Summed over the CPUs, or each with `@cpuN` behind.
  package static func interrupts(
    _ text: KernelText, perCPU: Bool
  ) throws(KernelTextError) -> [TextHole] {
    try matrix(text, perCPU: perCPU) { label, last in
      let isNumbered = label.allSatisfy(\.isNumber)
      return TextField("count", of: isNumbered && !last.isEmpty ? "\(label):\(last)" : label)
    }
  }

  /// /proc/softirqs: `TIMER: 146028 169515`, summed over the CPUs.
  package static func softirqs(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    try matrix(text, perCPU: false) { label, _ in TextField(label) }
  }

  private static func matrix(
    _ text: KernelText, perCPU: Bool, field: (_ label: String, _ last: String) -> TextField
  ) throws(KernelTextError) -> [TextHole] {
    let lines = try text.lines()
    guard let header = lines.first else { throw .truncated }
    let cpus = header.words.map { text.string($0).lowercased() }
    guard !cpus.isEmpty, cpus.allSatisfy({ $0.hasPrefix("cpu") }) else {
      throw .malformed(line: 1, field: 1)
    }
    var holes: [TextHole] = []
    for line in lines.dropFirst() {
      guard let first = line.words.first else { continue }
      let numbers = line.words.dropFirst().prefix(cpus.count).prefix { text.isDecimal($0) }
      guard let low = numbers.first?.lowerBound, let high = numbers.last?.upperBound else {
        throw .malformed(line: line.number, field: 2)
      }
      // A text beside the numbers, such as a device's name.
      let last = line.words.count > numbers.count + 1 ? line.words[line.words.count - 1] : nil
      let whole = field(label(text, first), last.map(text.string) ?? "")
      guard perCPU, numbers.count == cpus.count else {
        holes.append(TextHole(low..<high, .sum(count: numbers.count, whole)))
        continue
      }
      for (place, word) in numbers.enumerated() {
        let one = TextField(whole.name, of: "\(whole.instance)@\(cpus[place])")
        holes.append(TextHole(word, .number(.decimal, one)))
      }
    }
    return holes
  }

  /// /proc/net/stat/nf_conntrack: a line of names, then hexadecimal columns, a line for each
  /// possible CPU. `entries` is the same in all of them.
  package static func conntrack(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    let lines = try text.lines()
    guard let names = lines.first?.words.map(text.string) else { throw .truncated }
    var holes: [TextHole] = []
    for line in lines.dropFirst() {
      guard line.words.count == names.count else {
        throw .malformed(line: line.number, field: Int32(line.words.count + 1))
      }
      for (place, word) in line.words.enumerated() {
        guard UInt64(text.string(word), radix: 16) != nil else {
          throw .malformed(line: line.number, field: Int32(place + 1))
        }
        let field = TextField(names[place], of: "\(line.number - 2)")
        holes.append(TextHole(word, .number(.hexadecimal, field)))
      }
    }
    return holes
  }

  /// /proc/net/softnet_stat in file order (net/core/net-procfs.c): flow_limit_count came with 3.11,
  /// softnet_backlog_len and the CPU's own number with 5.14, the two queue lengths with 6.5.
  package static let softnetColumns = [
    "processed", "dropped", "time_squeeze", "", "", "", "", "", "cpu_collision", "received_rps",
    "flow_limit_count", "softnet_backlog_len", "index", "input_qlen", "process_qlen",
  ]

  /// /proc/net/softnet_stat: hexadecimal columns, a line for each online CPU.
  package static func softnet(_ text: KernelText) throws(KernelTextError) -> [TextHole] {
    var holes: [TextHole] = []
    for line in try text.lines() {
      guard line.words.count >= 9 else {
        throw .malformed(line: line.number, field: Int32(line.words.count + 1))
      }
      var cpu = "\(line.number - 1)"
      if line.words.count > 12 {
        guard let own = UInt64(text.string(line.words[12]), radix: 16) else {
          throw .malformed(line: line.number, field: 13)
        }
        cpu = "\(own)"
      }
      for (place, word) in line.words.enumerated() {
        let name = place < softnetColumns.count ? softnetColumns[place] : ""
        guard !name.isEmpty, name != "index" else { continue }
        guard UInt64(text.string(word), radix: 16) != nil else {
          throw .malformed(line: line.number, field: Int32(place + 1))
        }
        holes.append(TextHole(word, .number(.hexadecimal, TextField(name, of: cpu))))
      }
    }
    return holes
  }
}
