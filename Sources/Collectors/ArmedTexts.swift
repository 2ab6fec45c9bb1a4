import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The armed half of every collector that reads kernel texts: open files with their templates.
@safe
final class ArmedTexts: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.

  /// One open file; without a template it could not be read at arm time, and is tried again.
  private struct Part {
    let file: TextFile
    let template: TextTemplate?
    let firstSlot: Int
    let firstPlace: Int
  }

  private let parts: [Part]
  /// Where the numbers of all parts stood at the last acquisition. Memory of its own rather than an
  /// array: a sampling thread then meets no exclusivity check.
  private let places: UnsafeMutableBufferPointer<UInt16>

  /// Arms `files` with their templates, whose values are `columns` in order.
  init(
    _ files: [(file: TextFile, template: TextTemplate?)], columns: [Column], notes: [String] = []
  ) {
    var parts: [Part] = []
    var slot = 0
    var known: [UInt16] = []
    for (file, template) in files {
      parts.append(
        Part(file: file, template: template, firstSlot: slot, firstPlace: known.count))
      slot += template?.valueCount ?? 0
      known += template?.unknownPlaces() ?? []
    }
    precondition(slot == columns.count, "one column a value")
    self.parts = parts
    unsafe places = .allocate(capacity: known.count)
    _ = unsafe places.initialize(from: known)
    super.init(columns: columns, notes: notes)
  }

  deinit { unsafe places.deallocate() }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    var calls: UInt64 = 0
    defer { systemCallsOfSample = calls }
    var places = unsafe places.mutableSpan
    for index in parts.indices {
      let part = parts[index]
      guard let template = part.template else {
        let outcome = part.file.read { _ throws(KernelTextError) in }
        calls &+= part.file.callCount
        // What could not be read before can be now: it gets its columns.
        if outcome == .complete { return .layoutChanged }
        continue
      }
      let outcome = part.file.read { text throws(KernelTextError) in
        var mine = values._mutatingExtracting(part.firstSlot..<part.firstSlot + template.valueCount)
        var known = places._mutatingExtracting(
          part.firstPlace..<part.firstPlace + template.placeCount)
        try template.parse(text, into: &mine, places: &known)
      }
      calls &+= part.file.callCount
      if outcome == .complete { continue }
      // One source of several that is gone leaves the others theirs.
      let isOneOfMany = parts.count > 1 && (outcome == .absent || outcome == .denied)
      return isOneOfMany ? .layoutChanged : outcome
    }
    return .complete
  }

  override var sourcePaths: [String] { parts.map(\.file.path) }

  override func readOnly() -> Int? {
    var bytes = 0
    for part in parts {
      _ = part.file.read { text throws(KernelTextError) in bytes += text.count }
    }
    return bytes
  }
}
