/// /proc/zoneinfo (mm/vmstat.c).
extension TextFormat {
  /// The context of a line.
  private struct ZoneContext {
    /// `node0.DMA32` of the last header; nil if unknown.
    var zone: String?
    var node = ""
    /// The section of lines that are indented more than its head.
    var section: String?
    var hasPages = false
    var inPageSets = false
    /// The CPU of the page set.
    var cpu: String?
  }

  /// Pages of each zone, and the per-node statistics before those of its first zone (4.8). The page
  /// sets of the CPUs are skipped unless `perCPU`.
  ///
  /// The indentation decides what a line belongs to: sections have two blanks, their lines more.
  /// Lines after a damaged head of a section are skipped.
  package static func zones(
    _ text: KernelText, perCPU: Bool
  ) throws(KernelTextError) -> [Placeholder] {
    var placeholders = PlaceholderList(text)
    var context = ZoneContext()
    for line in text.lines() where !line.words.isEmpty {
      let indentation = line.words[0].lowerBound - line.range.lowerBound
      if let (node, name) = zone(text, line) {
        context = ZoneContext(zone: "node\(node).\(name)", node: "node\(node)")
        placeholders.recognise()
        continue
      }
      if indentation == 0 { context = ZoneContext() }
      let (label, values) = text.labelled(line)
      let name = text.string(label)
      if indentation <= 2, name != "vm" {
        section(text, line, name, values, &context, &placeholders)
      } else if context.inPageSets {
        pageSet(text, line, name, values, perCPU, &context, &placeholders)
      } else {
        number(line, name, values, of: context.section, &placeholders)
      }
    }
    return try placeholders.finished()
  }

  /// A line that begins a section, or one of the zone's own after the page sets.
  private static func section(
    _ text: KernelText, _ line: KernelText.Line, _ name: String, _ values: [Range<Int>],
    _ context: inout ZoneContext, _ placeholders: inout PlaceholderList
  ) {
    context.inPageSets = name == "pagesets" && context.zone != nil
    context.cpu = nil
    context.section = nil
    switch name {
    case "per-node":
      // A second one without a header: another zone's header is missing.
      if context.hasPages { context.zone = nil }
      context.section = context.zone == nil ? nil : context.node
      placeholders.skipRest(line)
    case "pages":
      if context.hasPages { context.zone = nil }
      context.hasPages = true
      context.section = context.zone
      guard let first = values.first else { return }
      let rest = Array(values.dropFirst())
      number(line, text.string(first), rest, of: context.zone, &placeholders)
    case "pagesets": placeholders.skipRest(line)
    default:
      let hasColon = text.bytes[line.words[0]].contains(UInt8(ascii: ":"))
      number(line, name, values, of: hasColon ? context.zone : nil, &placeholders)
    }
  }

  private static func pageSet(
    _ text: KernelText, _ line: KernelText.Line, _ name: String, _ values: [Range<Int>],
    _ perCPU: Bool, _ context: inout ZoneContext, _ placeholders: inout PlaceholderList
  ) {
    if name == "cpu" {
      context.cpu = values.first.flatMap { text.isDecimal($0) ? text.string($0) : nil }
      // The set of CPUs is part of the text's shape.
      if context.cpu == nil { placeholders.skipRest(line) }
      return
    }
    guard perCPU, let zone = context.zone, let cpu = context.cpu else {
      placeholders.skipRest(line)
      return
    }
    let label = name == "vm" ? "vm_stats_threshold" : name
    let field = TextField("pagesets.\(label)", of: "\(zone)@cpu\(cpu)")
    let isWhole = values.count == (name == "vm" ? 3 : 1)
    if isWhole, let word = values.last {
      placeholders.number(word, field)
    } else {
      placeholders.missing(line, field)
    }
  }

  /// `name value` of `instance`; lines with several values (`protection`) are skipped.
  private static func number(
    _ line: KernelText.Line, _ name: String, _ values: [Range<Int>], of instance: String?,
    _ placeholders: inout PlaceholderList
  ) {
    guard let instance, values.count < 2, name != "protection" else {
      placeholders.skipRest(line)
      return
    }
    let field = TextField(name, of: instance)
    if let value = values.first {
      placeholders.number(value, field)
    } else {
      placeholders.missing(line, field)
    }
  }
}
