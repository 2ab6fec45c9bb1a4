import KernelText
import SampleModel

/// Kernel texts read by splitting strings, which is slow and plain: what may stand under each name.
///
/// A damaged text may have a name twice, so each name has all the values that stand under it.
struct SlowReading {
  private(set) var values: [String: Set<UInt64>] = [:]
  private let text: [UInt8]

  /// The readings of `text` as the file at `path`.
  init(_ path: String, _ text: [UInt8]) {
    self.text = text
    let lines = text.split(separator: UInt8(ascii: "\n")).map { line in
      line.split { [0, 9, 13, 32].contains($0) }.map { OSText.string($0) }
    }.filter { !$0.isEmpty }
    switch path {
    case "proc/stat": stat(lines)
    case "proc/net/dev": interfaces(text)
    case "proc/pressure/io": pressure(lines)
    case "proc/diskstats": disks(lines)
    case "proc/interrupts", "proc/softirqs": matrix(lines, path == "proc/interrupts")
    case "proc/net/softnet_stat": softnet(lines)
    case "proc/net/sockstat": sockets(lines)
    case "proc/net/snmp", "proc/net/netstat": pairs(lines)
    case "proc/loadavg": load(lines)
    case "proc/sys/fs/file-nr":
      for (name, word) in zip(["allocated", "unused", "maximum"], lines.first ?? []) {
        add(name, word)
      }
    case "proc/buddyinfo": buddies(lines)
    case "proc/zoneinfo": zones(lines)
    case "proc/slabinfo": slabs(lines)
    case "proc/schedstat": schedule(lines)
    case "sys/devices/system/node/node0/meminfo":
      list(lines.map { Array($0.dropFirst(2)) }, "node0")
    default: list(lines, "")
    }
  }

  /// Whether `value` stands under `name`.
  func has(_ name: String, _ value: UInt64) -> Bool { values[name]?.contains(value) ?? false }

  private mutating func add(_ name: String, _ number: UInt64?) {
    if let number { values[name, default: []].insert(number) }
  }

  private mutating func add(_ name: String, _ word: String) { add(name, UInt64(word)) }

  /// A line whose label may be glued to its first value: both ways to see it.
  private func labels(_ words: [String]) -> [(label: String, values: [String])] {
    guard let first = words.first else { return [] }
    let rest = Array(words.dropFirst())
    guard let colon = first.lastIndex(of: ":") else { return [(first, rest)] }
    let behind = String(first[first.index(after: colon)...])
    let label = String(first[..<colon])
    return behind.isEmpty ? [(label, rest)] : [(first, rest), (label, [behind] + rest)]
  }

  private mutating func list(_ lines: [[String]], _ instance: String) {
    for words in lines {
      for (label, values) in labels(words) {
        guard let value = values.first else { continue }
        add(instance.isEmpty ? label : "\(label)[\(instance)]", value)
      }
    }
  }

  private mutating func stat(_ lines: [[String]]) {
    for words in lines where words.count > 1 {
      if words[0].hasPrefix("cpu") {
        let cpu = words[0] == "cpu" ? "all" : String(words[0].dropFirst(3))
        for (name, word) in zip(TextFormat.cpuTimes, words.dropFirst()) {
          add("\(name)[\(cpu)]", word)
        }
      } else {
        add(words[0] == "softirq" ? "softirq_total" : words[0], words[1])
      }
    }
  }

  private mutating func interfaces(_ text: [UInt8]) {
    for line in OSText.string(text).split(separator: "\n") {
      let line = String(line)
      let words = line.split { " \t\r\0".contains($0) }.map(String.init)
      guard let first = words.first else { continue }
      var values = Array(words.dropFirst())
      var name = first
      if let colon = first.unicodeScalars.lastIndex(of: ":") {
        name = String(first.unicodeScalars[..<colon])
        let glued = String(first.unicodeScalars[first.unicodeScalars.index(after: colon)...])
        if !glued.isEmpty { values.insert(glued, at: 0) }
      }
      for (column, word) in zip(TextFormat.interfaceColumns, values) {
        add("\(column)[\(name)]", word)
      }
    }
  }

  private mutating func pressure(_ lines: [[String]]) {
    for words in lines {
      for word in words.dropFirst() {
        guard let equals = word.firstIndex(of: "=") else { continue }
        let (name, text) = (word[..<equals], String(word[word.index(after: equals)...]))
        let number = name.hasPrefix("avg") ? Self.hundredths(text) : UInt64(text)
        add("io.\(words[0]).\(name)", number)
      }
    }
  }

  private static func hundredths(_ text: String) -> UInt64? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let whole = UInt64(parts[0]), whole < .max / 100 else { return nil }
    let places = parts.count == 2 ? String((parts[1] + "00").prefix(2)) : "00"
    return UInt64(places).map { whole * 100 + $0 }
  }

  private mutating func disks(_ lines: [[String]]) {
    for words in lines where words.count > 3 {
      for (column, word) in zip(TextFormat.diskColumns, words.dropFirst(3)) {
        add("\(column)[\(words[2])]", word)
      }
    }
  }

  private mutating func matrix(_ lines: [[String]], _ isNamed: Bool) {
    let cpus = lines.first?.count ?? 0
    for words in lines.dropFirst() {
      for (label, values) in labels(words) {
        let counts = values.prefix(cpus).prefix { UInt64($0) != nil }.compactMap { UInt64($0) }
        guard counts.count == cpus || (counts.count == 1 && values.count == 1) else { continue }
        let isNumber = label.utf8.allSatisfy { (48...57).contains($0) }
        let sum = counts.reduce(0, &+)
        guard isNamed, isNumber, values.count > counts.count else {
          add(isNamed ? "count[\(label)]" : label, sum)
          continue
        }
        // Whichever of the words that its line ends with are taken for who handles it.
        for line in raw where line.contains(label) {
          for end in suffixes(line) { add("count[\(label):\(end)]", sum) }
        }
      }
    }
  }

  /// The lines as they are.
  private var raw: [String] {
    text.split(separator: UInt8(ascii: "\n")).map { OSText.string($0) }
  }

  /// What a line ends with, from each of its words on, and its last word alone.
  private func suffixes(_ line: String) -> [String] {
    let bytes = Array(line.utf8)
    let isBlank = bytes.map { [0, 9, 13, 32].contains($0) }
    var end = bytes.count
    while end > 0, isBlank[end - 1] { end -= 1 }
    return bytes.indices.filter { $0 < end && !isBlank[$0] && ($0 == 0 || isBlank[$0 - 1]) }
      .flatMap { start in
        [end, bytes.count].map { String(decoding: bytes[start..<$0], as: UTF8.self) }
      }
  }

  private mutating func softnet(_ lines: [[String]]) {
    for (row, words) in lines.enumerated() {
      let cpu = words.count > 12 ? UInt64(words[12], radix: 16) ?? .max : UInt64(row)
      for (column, word) in zip(TextFormat.softnetColumns, words) {
        add("\(column)[\(cpu)]", UInt64(word, radix: 16))
      }
    }
  }

  private mutating func sockets(_ lines: [[String]]) {
    for words in lines {
      for (label, values) in labels(words) {
        for place in stride(from: 0, to: values.count - 1, by: 2) {
          add("\(label).\(values[place])", values[place + 1])
        }
      }
    }
  }

  private mutating func pairs(_ lines: [[String]]) {
    for (names, numbers) in zip(lines, lines.dropFirst()) {
      for (label, words) in labels(names) {
        for (_, values) in labels(numbers) {
          for (name, word) in zip(words, values) {
            let signed = name == "MaxConn" ? Int64(word).map { UInt64(bitPattern: $0) } : nil
            add("\(label).\(name)", signed ?? UInt64(word))
          }
        }
      }
    }
  }

  private mutating func load(_ lines: [[String]]) {
    let words = lines.first ?? []
    for (name, word) in zip(["load1", "load5", "load15"], words) {
      add(name, Self.hundredths(word))
    }
    if words.count > 3, let slash = words[3].firstIndex(of: "/") {
      add("runnable", String(words[3][..<slash]))
      add("threads", String(words[3][words[3].index(after: slash)...]))
    }
    if words.count > 4 { add("last_pid", words[4]) }
  }

  private mutating func buddies(_ lines: [[String]]) {
    for words in lines where words.count > 4 {
      let node = words[1].drop { !$0.isNumber }.prefix { $0.isNumber }
      for (order, word) in words.dropFirst(4).enumerated() {
        add("free_blocks_order\(order)[node\(node).\(words[3])]", word)
      }
    }
  }

  /// Whose a value is depends on the lines before it: here, on any.
  private mutating func zones(_ lines: [[String]]) {
    for words in lines {
      for (label, values) in labels(words) {
        add(label, values.first ?? "")
        add("pagesets.\(label)", values.first ?? "")
        if label == "pages", values.count > 1 { add(values[0], values[1]) }
        if label == "vm" { add("pagesets.vm_stats_threshold", values.last ?? "") }
      }
    }
  }

  private mutating func slabs(_ lines: [[String]]) {
    let names = ["active_objs", "num_objs", "objsize", "objperslab", "pagesperslab"]
    for words in lines {
      let colon = words.dropFirst().firstIndex(of: ":") ?? 6
      let first = max(1, colon - 5)
      let cache = words.prefix(first).joined(separator: " ")
      for (name, word) in zip(names, words.dropFirst(first)) { add("\(name)[\(cache)]", word) }
      for (at, word) in words.enumerated() where word == "slabdata" {
        for (name, word) in zip(["active_slabs", "num_slabs", "sharedavail"], words[(at + 1)...]) {
          add("\(name)[\(cache)]", word)
        }
      }
    }
  }

  private mutating func schedule(_ lines: [[String]]) {
    for words in lines where words[0].hasPrefix("cpu") {
      for (name, word) in zip(TextFormat.scheduleColumns, words.dropFirst()) {
        add("\(name)[\(words[0].dropFirst(3))]", word)
      }
    }
  }
}
