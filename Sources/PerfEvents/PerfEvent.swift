package import LinuxSystem
package import SampleModel

/// One event, ready to be opened.
package struct PerfEvent: Sendable, Equatable {
  /// The name as written, including aliases: `cycles:u`, `cpu/event=0x3c/`.
  package var name: String
  package var attributes: PerfEventAttributes
  /// The factor from the count to base units.
  package var scale = Scale.identity
  package var unit = MetricUnit.count
  /// The CPUs that can count it, nil for all.
  package var cpus: CPUSet?
  /// It is counted once per socket or node, on one of its CPUs, and never for a task.
  package var isUncore = false
  /// A core PMU counts it.
  package var isOfCores = false
  /// It occurs in the kernel only: without the kernel it would always be 0.
  package var happensInKernel = false

  /// Whether it is one of the two software clocks, which count kernel and user time regardless of
  /// exclusions.
  package var isClock: Bool {
    attributes.type == GenericEvents.softwareType && attributes.config < 2
  }

  /// The unit that counts it: software, the cores, or another PMU by its number.
  package var counterUnit: UInt32 {
    switch attributes.type {
    case GenericEvents.softwareType, GenericEvents.tracepointType, GenericEvents.breakpointType:
      return GenericEvents.softwareType
    case GenericEvents.hardwareType, GenericEvents.cacheType:
      let core = UInt32(truncatingIfNeeded: attributes.config >> 32)
      return core == 0 ? GenericEvents.rawType : core
    default: return attributes.type
    }
  }

  /// An event with scale 1 on all CPUs.
  package init(name: String, attributes: PerfEventAttributes) {
    self.name = name
    self.attributes = attributes
  }
}

/// Resolves perf's event names to attributes, with the PMUs of this host.
package struct EventResolver: Sendable {
  private let sources: EventSources

  /// A resolver over these sources.
  package init(_ sources: EventSources) { self.sources = sources }

  /// The events of a list in groups, which are read together: the explicit ones, and one for all
  /// others of the same counting unit. A name may denote several events (a pattern of tracepoints,
  /// a generic event on a hybrid processor).
  package func groups(_ text: String) throws(EventError) -> [[PerfEvent]] {
    var groups: [[PerfEvent]] = []
    var groupIndices: [UInt32: Int] = [:]
    for group in try EventList(text).groups {
      var events: [PerfEvent] = []
      for name in group.names { events += try self.events(name, also: group.modifiers) }
      guard !group.isExplicit else {
        groups.append(events)
        continue
      }
      for event in events {
        let counter = event.counterUnit
        if let index = groupIndices[counter] {
          // Sets of events overlap.
          if !groups[index].contains(event) { groups[index].append(event) }
        } else {
          groupIndices[counter] = groups.count
          groups.append([event])
        }
      }
    }
    return groups
  }

  /// The events of one name, with the modifiers of its group.
  package func events(
    _ written: String, also modifiers: String = ""
  ) throws(EventError) -> [PerfEvent] {
    if written.hasPrefix("mem:") { return [try breakpoint(written, modifiers)] }
    if written.contains("/") { return [try ofUnit(written, modifiers)] }
    if written.contains("::") { return [try ofProcessor(written, modifiers)] }
    let parts = written.split(separator: ":", omittingEmptySubsequences: false)
    let name = parts[0]
    let own = parts.count == 2 ? String(parts[1]) : ""
    if parts.count <= 2, let generic = generic(name) {
      let letters = own + modifiers
      let display = written + (modifiers.isEmpty ? "" : (own.isEmpty ? ":" : "") + modifiers)
      let cores = generic.isSoftware ? [] : sources.corePMUs
      guard !cores.isEmpty, generic.attributes.type != GenericEvents.rawType else {
        return [try event(display, generic.attributes, letters, inKernel: generic.isInKernel)]
      }
      var events: [PerfEvent] = []
      for core in cores {
        // PERF_PMU_TYPE_SHIFT: the core PMU.
        var attributes = generic.attributes
        attributes.config |= UInt64(sources.type(core) ?? 0) << 32
        var one = try event("\(core)/\(name)/\(letters)", attributes, letters, inKernel: false)
        one.cpus = sources.cpus(core)
        events.append(one)
      }
      return events
    }
    if parts.count <= 2 {
      let named = try ofCores(String(name), own + modifiers, written)
      if !named.isEmpty { return named }
      if let vendor = PfmLibrary.attributes(ofEvent: String(name)) {
        let letters = own + modifiers
        return [
          try event(
            name + (letters.isEmpty ? "" : ":\(letters)"), vendor, letters, inKernel: false)
        ]
      }
    }
    guard parts.count == 2 || parts.count == 3 else { throw unknown(written) }
    let found = sources.tracepoints(String(parts[0]), String(parts[1]))
    guard !found.isEmpty else { throw unknown(written) }
    let letters = (parts.count == 3 ? String(parts[2]) : "") + modifiers
    var events: [PerfEvent] = []
    for tracepoint in found {
      let attributes = PerfEventAttributes(
        type: GenericEvents.tracepointType, config: sources.tracepoint(tracepoint) ?? 0)
      events.append(
        try event(
          tracepoint + (letters.isEmpty ? "" : ":" + letters), attributes, letters, inKernel: true))
    }
    return events
  }

  /// Names valid on any host, for suggestions.
  package static let genericNames = (GenericEvents.software + GenericEvents.hardware).flatMap {
    $0
  }

  /// Every name on this host that matches `pattern`, in the order of `perf list`.
  package func names(matching pattern: String) -> [(name: String, kind: String)] {
    func kept(_ names: [String], _ kind: String) -> [(name: String, kind: String)] {
      names.filter { Glob.matches(pattern, $0) }.map { ($0, kind) }
    }
    let hasCore = sources.type("cpu") != nil || !sources.corePMUs.isEmpty
    var all = kept(GenericEvents.software.flatMap { $0 }, "software")
    if hasCore { all += kept(GenericEvents.hardware.flatMap { $0 }, "hardware") }
    for unit in sources.units {
      all += kept(sources.events(unit).map { "\(unit)/\($0)/" }, "PMU")
    }
    all += kept(PfmLibrary.names, "vendor")
    return all + kept(sources.tracepoints("*", "*"), "tracepoint")
  }

  private func generic(
    _ name: Substring
  ) -> (attributes: PerfEventAttributes, isSoftware: Bool, isInKernel: Bool)? {
    if let attributes = GenericEvents.named(name) {
      let isSoftware = attributes.type == GenericEvents.softwareType
      // Context switches, migrations, control group switches.
      return (attributes, isSoftware, isSoftware && [3, 4, 11].contains(attributes.config))
    }
    if let attributes = GenericEvents.cache(name) { return (attributes, false, false) }
    guard name.first == "r", (2...17).contains(name.count),
      let config = UInt64(name.dropFirst(), radix: 16)
    else { return nil }
    return (PerfEventAttributes(type: GenericEvents.rawType, config: config), false, false)
  }

  private func event(
    _ name: String, _ attributes: PerfEventAttributes, _ modifiers: String, inKernel: Bool
  ) throws(EventError) -> PerfEvent {
    var attributes = attributes
    do throws(EventError) {
      try EventModifiers.apply(modifiers, to: &attributes)
    } catch {
      throw EventError(name, error.reason)
    }
    var event = PerfEvent(name: name, attributes: attributes)
    event.happensInKernel = inKernel
    if event.isClock { event.unit = .nanoseconds }
    return event
  }

  /// `mem:0x1000/8:rw:u` (HW_BREAKPOINT_R 1, W 2, X 4).
  private func breakpoint(_ written: String, _ modifiers: String) throws(EventError) -> PerfEvent {
    let parts = written.dropFirst(4).split(separator: ":", omittingEmptySubsequences: false)
    let range = parts[0].split(separator: "/", omittingEmptySubsequences: false)
    guard range.count <= 2, let address = Self.number(range[0]) else {
      throw EventError(written, "expected mem:ADDRESS[/LENGTH][:rwx]")
    }
    var kind: UInt32 = 3
    var letters = modifiers
    if parts.count > 1, !parts[1].isEmpty {
      kind = 0
      for letter in parts[1] {
        guard let bit = ["r": 1, "w": 2, "x": 4][String(letter)] as UInt32?, kind & bit == 0 else {
          throw EventError(written, "\(letter) is not an access, or is repeated; use r, w and x")
        }
        kind |= bit
      }
    }
    guard parts.count <= 3 else { throw EventError(written, "there is one colon too many") }
    if parts.count > 2 { letters = String(parts[2]) + letters }
    let usual: UInt64 = kind == 4 ? UInt64(MemoryLayout<Int>.size) : 4
    guard let length = range.count == 2 ? Self.number(range[1]) : usual,
      [1, 2, 4, 8].contains(length)
    else { throw EventError(written, "a watched length is 1, 2, 4 or 8") }
    var attributes = PerfEventAttributes(type: GenericEvents.breakpointType, config: 0)
    attributes.config1 = address
    attributes.config2 = length
    attributes.breakpointType = kind
    return try event(written, attributes, letters, inKernel: false)
  }

  /// An event named by a core PMU in sysfs, such as `topdown-retiring`; none if there is none.
  private func ofCores(
    _ name: String, _ modifiers: String, _ written: String
  ) throws(EventError) -> [PerfEvent] {
    let units = sources.coreUnits.filter { sources.events($0).contains(name) }
    var events: [PerfEvent] = []
    for unit in units {
      var event = try ofUnit("\(unit)/\(name)/", modifiers)
      if units.count == 1 { event.name = name + (modifiers.isEmpty ? "" : ":\(modifiers)") }
      events.append(event)
    }
    return events
  }

  /// `skl::MEM_LOAD_RETIRED.L3_MISS:u`: a vendor's event by libpfm4's names.
  private func ofProcessor(
    _ written: String, _ modifiers: String
  ) throws(EventError) -> PerfEvent {
    let parts = written.split(separator: ":", omittingEmptySubsequences: false)
    let letters = (parts.count > 3 ? String(parts[3]) : "") + modifiers
    guard (3...4).contains(parts.count),
      let attributes = PfmLibrary.attributes(ofEvent: parts[...2].joined(separator: ":"))
    else { throw unknown(written) }
    return try event(written, attributes, letters, inKernel: false)
  }

  /// `cpu/event=0x3c,umask=1/u`, `power/energy-pkg/`.
  private func ofUnit(_ written: String, _ modifiers: String) throws(EventError) -> PerfEvent {
    let parts = written.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 3 else {
      throw EventError(written, "expected PMU/TERMS/ and modifiers")
    }
    let unit = String(parts[0])
    guard let type = sources.type(unit) else {
      throw EventError(
        written, "this host has no PMU \(unit); there are \(sources.units.joined(separator: ", "))")
    }
    var attributes = PerfEventAttributes(type: type, config: 0)
    var name = written
    var scale: (Scale, MetricUnit)?
    for term in parts[1].split(separator: ",") {
      if term.hasPrefix("name=") {
        name = String(term.dropFirst(5))
      } else if !term.contains("="), let definition = sources.definition(unit, String(term)) {
        for part in definition.split(separator: ",") {
          try apply(part, of: unit, to: &attributes, written)
        }
        scale = sources.scale(unit, String(term))
      } else {
        try apply(term, of: unit, to: &attributes, written)
      }
    }
    let letters = parts[2].drop { $0 == ":" } + modifiers
    var event = try event(name, attributes, String(letters), inKernel: false)
    if let (factor, base) = scale { (event.scale, event.unit) = (factor, base) }
    event.isUncore = sources.cpuMask(unit) != nil
    event.cpus = sources.cpuMask(unit) ?? sources.cpus(unit)
    event.isOfCores = sources.coreUnits.contains(unit)
    return event
  }

  /// One term of a PMU's event: a field of its format, or a whole word of the attributes.
  private func apply(
    _ term: Substring, of unit: String, to attributes: inout PerfEventAttributes,
    _ written: String
  ) throws(EventError) {
    let sides = term.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let key = String(sides[0])
    guard let value = sides.count == 2 ? Self.number(sides[1]) : 1 else {
      throw EventError(written, "\(key) needs a number, not \(sides[1])")
    }
    let format: EventFormat
    if let word = ["config", "config1", "config2", "config3"].firstIndex(of: key) {
      format = EventFormat(word: word)
    } else if let found = sources.format(unit, key) {
      format = found
    } else {
      throw EventError(written, "the PMU \(unit) has no event and no field called \(key)")
    }
    guard value <= format.maximum else {
      throw EventError(written, "\(key)=\(value) is larger than its field, \(format.maximum)")
    }
    // A repeated term replaces its earlier value.
    let mask = format.spread(.max)
    let bits = format.spread(value)
    switch format.word {
    case 0: attributes.config = attributes.config & ~mask | bits
    case 1: attributes.config1 = attributes.config1 & ~mask | bits
    case 2: attributes.config2 = attributes.config2 & ~mask | bits
    default: attributes.config3 = attributes.config3 & ~mask | bits
    }
  }

  private func unknown(_ written: String) -> EventError {
    // `skl::NAME` is an event of a processor's model, for which tracefs is irrelevant.
    let isTracepoint = written.contains(":") && !written.contains("::")
    if isTracepoint, let missing = sources.tracingIsMissing {
      return EventError(written, missing, isHidden: true)
    }
    return EventError(written, "no event of this name is known here", isUnknownName: true)
  }

  /// A decimal number, or a hexadecimal one with 0x.
  private static func number(_ text: Substring) -> UInt64? {
    text.hasPrefix("0x") || text.hasPrefix("0X")
      ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
  }
}
