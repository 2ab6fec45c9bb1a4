// Compiled into one module with Sources/KernelText by Scripts/fuzz.
import Glibc

/// The number of the grammar that is fuzzed alone (LBSAMPLE_GRAMMAR), that of texts of processes
/// behind the last one; nil where the input picks it.
private let chosen = getenv("LBSAMPLE_GRAMMAR").flatMap { Int(String(cString: $0)) }
private let grammars = 31

/// The first byte picks the grammar, the second where the text that is learnt ends; what follows is
/// read by its shape. Nothing may trap, a text must be read by the shape learnt from it, and each
/// value must be what stands in its place for who splits strings. A second text that is of the
/// first one's shape must give what it gives when it is learnt itself.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  guard bytes.count > 2 else { return 0 }
  let body = Array(bytes[2...])
  let cut = body.count * Int(bytes[1]) / 255
  if chosen ?? grammars == grammars { readByPlace(body) }
  if chosen == grammars { return 0 }
  let grammar = chosen ?? Int(bytes[0])
  let (first, second) = (Array(body[..<cut]), Array(body[cut...]))
  do throws(KernelTextError) {
    let text = KernelText(first.span)
    let placeholders = try learn(text, grammar)
    let template = TextTemplate(text, placeholders: placeholders)
    let cache = template.makeCache()
    let values = slowly(text, placeholders)
    guard let own = read(first, template, cache) else {
      preconditionFailure("a text is not of its own shape")
    }
    precondition(own == values.map(\.value))
    precondition(Set(values.map(\.name)).count == values.count, "a name is there twice")
    precondition(
      text.complaints(placeholders).isEmpty == !placeholders.contains(where: \.isUnreadable))
    // Twice: what is remembered is no other way to the values.
    for _ in 0..<2 {
      guard let next = read(second, template, cache) else { return 0 }
      let other = KernelText(second.span)
      var named: [String: UInt64] = [:]
      for (name, value) in slowly(other, try learn(other, grammar)) { named[name] = value }
      for (name, value) in zip(values.map(\.name), next) { precondition(named[name] == value) }
    }
  } catch {
    // Refused, as it should be.
  }
  return 0
}

private func read(
  _ bytes: [UInt8], _ template: TextTemplate, _ cache: TemplateCache
) -> [UInt64]? {
  var values = [UInt64](repeating: 0, count: template.valueCount)
  var span = values.mutableSpan
  do throws(KernelTextError) {
    try template.parse(bytes.span, into: &span, cache: cache)
    return values
  } catch {
    return nil
  }
}

extension Placeholder {
  fileprivate var isUnreadable: Bool {
    if case .unreadable = content { true } else { false }
  }
}

/// The values of the placeholders, by splitting strings.
private func slowly(_ text: KernelText, _ placeholders: [Placeholder]) -> [(
  name: String, value: UInt64
)] {
  placeholders.compactMap { placeholder in
    let words = text.string(placeholder.start..<placeholder.end).split { $0 == " " || $0 == "\t" }
    let value: UInt64?
    let field: TextField
    switch placeholder.content {
    case .number(let form, let one):
      field = one
      precondition(words.count == 1)
      switch form {
      case .decimal, .speed, .limit: value = UInt64(words[0])
      case .hexadecimal: value = UInt64(words[0], radix: 16)
      case .signed, .millidegrees: value = Int64(words[0]).map { UInt64(bitPattern: $0) }
      case .hundredths:
        let parts = words[0].split(separator: ".", omittingEmptySubsequences: false)
        let places = parts.count > 1 ? String((parts[1] + "00").prefix(2)) : "00"
        value = UInt64(parts[0]).flatMap { whole in UInt64(places).map { whole * 100 + $0 } }
      }
    case .sum(let count, let one):
      field = one
      precondition(words.count == count)
      let numbers = words.map { UInt64($0) }
      value = numbers.contains(nil) ? nil : numbers.reduce(0) { $0 &+ ($1 ?? 0) }
    case .ignored, .unreadable, .restOfLine, .nameAndWord: return nil
    }
    guard let value else { preconditionFailure("\(field) is no number: \(words)") }
    return ("\(field.name)[\(field.instance)]", value)
  }
}

/// What is read without a learnt shape: the texts of processes that are found while sampling.
private func readByPlace(_ bytes: [UInt8]) {
  do throws(KernelTextError) {
    _ = try ProcessStat(bytes.span)
  } catch {
    // Refused, as it should be.
  }
  do throws(KernelTextError) {
    try ProcessIO.parse(bytes.span) { place, _ in precondition(place < ProcessIO.count) }
  } catch {
    // Refused, as it should be.
  }
  do throws(KernelTextError) {
    try ProcessMemory.rollup(bytes.span, count: 5, sizes: 0b11101) { place, _ in
      precondition(place < 5)
    }
  } catch {
    // Refused, as it should be.
  }
  let whole = ProcessMemory.placement(bytes.span) { node, _ in precondition(node >= 0) }
  precondition(whole <= bytes.count)
  _ = ProcessMemory.scheduleValue(bytes.span, "total_numa_faults")
}

private func learn(_ text: KernelText, _ which: Int) throws(KernelTextError) -> [Placeholder] {
  switch which % grammars {
  case 0: try TextFormat.stat(text)
  case 1: try TextFormat.interfaces(text)
  case 2: try TextFormat.list(text)
  case 3: try TextFormat.list(text, leading: 2, of: "node0")
  case 4: try TextFormat.pressure(text, prefix: "io.")
  case 5: try TextFormat.disks(text) { _ in true }
  case 6: try TextFormat.interrupts(text, perCPU: false)
  case 7: try TextFormat.interrupts(text, perCPU: true)
  case 8: try TextFormat.softnet(text)
  case 9: try TextFormat.labelledPairs(text)
  case 10: try TextFormat.namedPairs(text)
  case 11: try TextFormat.loadavg(text)
  case 12: try TextFormat.buddies(text)
  case 13: try TextFormat.zones(text, perCPU: true)
  case 14: try TextFormat.slabs(text)
  case 15: try TextFormat.processStat(text, of: "1")
  case 16: try TextFormat.processStatus(text, of: "1")
  case 17: try TextFormat.keyedPairs(text) { TextField($1, of: $0) }
  case 18: try TextFormat.blkio(text, prefix: "b", of: "/")
  case 19: try TextFormat.quota(text, of: "/")
  case 20: try TextFormat.schedule(text)
  case 21: try TextFormat.conntrack(text)
  case 22: try TextFormat.progress(text, TextField("a"), TextField("b"))
  case 23: try TextFormat.remoteCalls(text, ["rpc": ["a", "b"], "io": ["c"]], of: "client")
  case 24: try TextFormat.linkSpeed(text, TextField("speed"))
  case 25: try TextFormat.limit(text, TextField("limit"))
  case 26: try TextFormat.row(text, ["a", "b", "c"], form: .signed)
  case 27: try TextFormat.softirqs(text)
  case 28: try TextFormat.row(text, ["a", "b"], form: .millidegrees)
  case 29: try TextFormat.stat(text, summed: ["idle"]) { _ in false }
  default: try TextFormat.zones(text, perCPU: false)
  }
}
