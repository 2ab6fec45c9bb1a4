// Compiled into one module with Sources/KernelText by Scripts/fuzz.

/// The first byte picks the grammar, the second where the text that is learnt ends; what follows is
/// read by its shape. Nothing may trap, and a text must be read by the shape learnt from it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let bytes = Array(UnsafeBufferPointer(start: data, count: count))
  guard bytes.count > 2 else { return 0 }
  let body = Array(bytes[2...])
  let cut = body.count * Int(bytes[1]) / 255
  readByPlace(body)
  let (first, second) = (Array(body[..<cut]), Array(body[cut...]))
  do throws(KernelTextError) {
    let text = KernelText(first.span)
    let template = TextTemplate(text, holes: try learn(text, Int(bytes[0])))
    var values = [UInt64](repeating: 0, count: template.valueCount)
    var span = values.mutableSpan
    let memory = template.memory()
    do throws(KernelTextError) {
      try template.parse(first.span, into: &span, memory: memory)
    } catch {
      // A number may be too large, and nothing else may be wrong with what was learnt.
      guard case .malformed = error else { preconditionFailure("\(error)") }
    }
    try template.parse(second.span, into: &span, memory: memory)
  } catch {
    // Refused, as it should be.
  }
  return 0
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
    try ProcessMemory.rollup(bytes.span, count: 5) { place, _ in precondition(place < 5) }
  } catch {
    // Refused, as it should be.
  }
  let whole = ProcessMemory.placement(bytes.span) { node, _ in precondition(node >= 0) }
  precondition(whole <= bytes.count)
  _ = ProcessMemory.scheduleValue(bytes.span, "total_numa_faults")
}

private func learn(_ text: KernelText, _ which: Int) throws(KernelTextError) -> [TextHole] {
  switch which % 24 {
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
  default: try TextFormat.remoteCalls(text, ["rpc": ["a", "b"], "io": ["c"]], of: "client")
  }
}
