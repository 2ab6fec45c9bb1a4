import KernelText
import LinuxSystem
import Testing

/// One kernel text with the function that learns it.
struct Grammar: Sendable, CustomTestStringConvertible {
  let path: String
  let learn: @Sendable (KernelText) throws(KernelTextError) -> [Placeholder]

  var testDescription: String { path }

  init(
    _ path: String,
    _ learn: @escaping @Sendable (KernelText) throws(KernelTextError) -> [Placeholder]
  ) {
    self.path = path
    self.learn = learn
  }

  /// Every grammar with a file of the captured kernels.
  static let all: [Grammar] = [
    Grammar("proc/stat") { text throws(KernelTextError) in try TextFormat.stat(text) },
    Grammar("proc/net/dev") { text throws(KernelTextError) in try TextFormat.interfaces(text) },
    Grammar("proc/meminfo") { text throws(KernelTextError) in try TextFormat.list(text) },
    Grammar("proc/vmstat") { text throws(KernelTextError) in try TextFormat.list(text) },
    Grammar("proc/net/snmp6") { text throws(KernelTextError) in try TextFormat.list(text) },
    Grammar("proc/pressure/io") { text throws(KernelTextError) in
      try TextFormat.pressure(text, prefix: "io.")
    },
    Grammar("proc/diskstats") { text throws(KernelTextError) in
      try TextFormat.disks(text) { _ in true }
    },
    Grammar("proc/interrupts") { text throws(KernelTextError) in
      try TextFormat.interrupts(text, perCPU: false)
    },
    Grammar("proc/softirqs") { text throws(KernelTextError) in try TextFormat.softirqs(text) },
    Grammar("proc/net/softnet_stat") { text throws(KernelTextError) in
      try TextFormat.softnet(text)
    },
    Grammar("proc/net/sockstat") { text throws(KernelTextError) in
      try TextFormat.labelledPairs(text)
    },
    Grammar("proc/net/snmp") { text throws(KernelTextError) in try TextFormat.namedPairs(text) },
    Grammar("proc/net/netstat") { text throws(KernelTextError) in
      try TextFormat.namedPairs(text)
    },
    Grammar("proc/loadavg") { text throws(KernelTextError) in try TextFormat.loadavg(text) },
    Grammar("proc/sys/fs/file-nr") { text throws(KernelTextError) in
      try TextFormat.row(text, ["allocated", "unused", "maximum"])
    },
    Grammar("proc/buddyinfo") { text throws(KernelTextError) in try TextFormat.buddies(text) },
    Grammar("proc/zoneinfo") { text throws(KernelTextError) in
      try TextFormat.zones(text, perCPU: true)
    },
    Grammar("proc/schedstat") { text throws(KernelTextError) in try TextFormat.schedule(text) },
    Grammar("proc/slabinfo") { text throws(KernelTextError) in try TextFormat.slabs(text) },
    Grammar("sys/devices/system/node/node0/meminfo") { text throws(KernelTextError) in
      try TextFormat.list(text, leading: 2, of: "node0")
    },
  ]

  /// The grammar of `path`.
  static func of(_ path: String) throws -> Grammar {
    guard let grammar = all.first(where: { $0.path == path }) else {
      throw KernelTextError.truncated
    }
    return grammar
  }

  /// The placeholders that are values, with the template.
  func template(_ text: [UInt8]) throws(KernelTextError) -> (TextTemplate, [TextField]) {
    let kernelText = KernelText(text.span)
    let placeholders = try learn(kernelText)
    var fields: [TextField] = []
    let template = TextTemplate(kernelText, placeholders: placeholders) { field in
      fields.append(field)
      return true
    }
    return (template, fields)
  }

  /// The text's values under `name[instance]`.
  func values(_ text: [UInt8]) throws -> [String: UInt64] {
    let (template, fields) = try template(text)
    let values = try parse(template, text)
    var named: [String: UInt64] = [:]
    for (field, value) in zip(fields, values) {
      named[field.instance.isEmpty ? field.name : "\(field.name)[\(field.instance)]"] = value
    }
    return named
  }
}

/// The values of `text`, read twice: whether it is remembered must not matter.
func parse(_ template: TextTemplate, _ text: [UInt8]) throws(KernelTextError) -> [UInt64] {
  let cache = template.makeCache()
  let first = Result { () throws(KernelTextError) in try parse(template, text, cache) }
  let second = Result { () throws(KernelTextError) in try parse(template, text, cache) }
  #expect(first == second)
  return try second.get()
}

/// The values of `text`, read with what `cache` has of an earlier one. Digits that stand behind it
/// are no part of its last number.
func parse(
  _ template: TextTemplate, _ text: [UInt8], _ cache: TemplateCache
) throws(KernelTextError) -> [UInt64] {
  var values = [UInt64](repeating: 0, count: template.valueCount)
  var span = values.mutableSpan
  let padded = text + Array("98765432".utf8)
  try template.parse(
    padded.span.extracting(0..<text.count), slack: 8, into: &span, cache: cache)
  return values
}

/// The captured kernels.
func kernels() -> [String] { directoryEntries(fixtures()) }

/// A captured file, nil where that kernel's capture lacks it.
func fixture(_ kernel: String, _ path: String) -> [UInt8]? {
  do throws(SystemError) {
    return try SmallFile.read("\(fixtures())/\(kernel)/\(path)")
  } catch {
    return nil
  }
}

private func fixtures(file: String = #filePath) -> String {
  "/" + file.split(separator: "/").dropLast(2).joined(separator: "/") + "/Fixtures"
}
