/// /proc/zoneinfo (mm/vmstat.c).
extension TextFormat {
  /// Where in the text a line stands.
  private struct ZonePlace {
    /// `node0.DMA32` of the last header; nil where that cannot be known.
    var zone: String?
    var node = ""
    /// What lines that are indented deeper than a section's head belong to.
    var section: String?
    var hasPages = false
    var inPageSets = false
    /// The CPU whose page set it is.
    var cpu: String?
  }

  /// Pages of each zone, and the per-node statistics before those of its first zone (4.8). The
  /// page sets of the CPUs are read over unless asked for.
  ///
  /// The indentation says what a line belongs to: sections have two blanks, their lines more.
  /// Lines behind a section's head that is damaged are read over rather than given to another.
  package static func zones(
    _ text: KernelText, perCPU: Bool
  ) throws(KernelTextError) -> [TextHole] {
    var holes = HoleList(text)
    var place = ZonePlace()
    for line in text.lines() where !line.words.isEmpty {
      let indentation = line.words[0].lowerBound - line.range.lowerBound
      if let (node, name) = zone(text, line) {
        place = ZonePlace(zone: "node\(node).\(name)", node: "node\(node)")
        holes.recognise()
        continue
      }
      if indentation == 0 { place = ZonePlace() }
      let (label, values) = text.labelled(line)
      let name = text.string(label)
      if indentation <= 2, name != "vm" {
        section(text, line, name, values, &place, &holes)
      } else if place.inPageSets {
        pageSet(text, line, name, values, perCPU, &place, &holes)
      } else {
        number(line, name, values, of: place.section, &holes)
      }
    }
    return try holes.finished()
  }

  /// A line that begins a section, or one of the zone's own behind the page sets.
  private static func section(
    _ text: KernelText, _ line: KernelText.Line, _ name: String, _ values: [Range<Int>],
    _ place: inout ZonePlace, _ holes: inout HoleList
  ) {
    place.inPageSets = name == "pagesets" && place.zone != nil
    place.cpu = nil
    place.section = nil
    switch name {
    case "per-node":
      // Twice without a header: that of another zone is lost.
      if place.hasPages { place.zone = nil }
      place.section = place.zone == nil ? nil : place.node
      holes.readOver(line)
    case "pages":
      if place.hasPages { place.zone = nil }
      place.hasPages = true
      place.section = place.zone
      guard let first = values.first else { return }
      let rest = Array(values.dropFirst())
      number(line, text.string(first), rest, of: place.zone, &holes)
    case "pagesets": holes.readOver(line)
    default:
      let hasColon = text.bytes[line.words[0]].contains(UInt8(ascii: ":"))
      number(line, name, values, of: hasColon ? place.zone : nil, &holes)
    }
  }

  private static func pageSet(
    _ text: KernelText, _ line: KernelText.Line, _ name: String, _ values: [Range<Int>],
    _ perCPU: Bool, _ place: inout ZonePlace, _ holes: inout HoleList
  ) {
    if name == "cpu" {
      place.cpu = values.first.flatMap { text.isDecimal($0) ? text.string($0) : nil }
      // Which CPUs there are is the text's shape.
      if place.cpu == nil { holes.readOver(line) }
      return
    }
    guard perCPU, let zone = place.zone, let cpu = place.cpu else {
      holes.readOver(line)
      return
    }
    let label = name == "vm" ? "vm_stats_threshold" : name
    let field = TextField("pagesets.\(label)", of: "\(zone)@cpu\(cpu)")
    let isWhole = values.count == (name == "vm" ? 3 : 1)
    if isWhole, let word = values.last {
      holes.number(word, field)
    } else {
      holes.missing(line, field)
    }
  }

  /// `name value` of `instance`; lines of several values, as `protection`, are read over.
  private static func number(
    _ line: KernelText.Line, _ name: String, _ values: [Range<Int>], of instance: String?,
    _ holes: inout HoleList
  ) {
    guard let instance, values.count < 2, name != "protection" else {
      holes.readOver(line)
      return
    }
    let field = TextField(name, of: instance)
    if let value = values.first {
      holes.number(value, field)
    } else {
      holes.missing(line, field)
    }
  }
}
