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
    let shape: (template: TextTemplate, memory: TextMemory)?
    let firstSlot: Int
  }

  private let parts: [Part]

  /// Arms `files` with their templates, whose values are `columns` in order.
  init(
    _ files: [(file: TextFile, template: TextTemplate?)], columns: [Column], notes: [String] = []
  ) {
    var parts: [Part] = []
    var slot = 0
    for (file, template) in files {
      parts.append(Part(file: file, shape: template.map { ($0, $0.memory()) }, firstSlot: slot))
      slot += template?.valueCount ?? 0
    }
    precondition(slot == columns.count, "one column a value")
    self.parts = parts
    super.init(columns: columns, notes: notes)
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    var calls: UInt64 = 0
    defer { systemCallsOfSample = calls }
    for index in parts.indices {
      let part = parts[index]
      guard let (template, memory) = part.shape else {
        let outcome = part.file.read { _ throws(KernelTextError) in }
        calls &+= part.file.callCount
        // What could not be read before can be now: it gets its columns.
        if outcome == .complete { return .layoutChanged }
        continue
      }
      let outcome = part.file.read { text throws(KernelTextError) in
        var mine = values._mutatingExtracting(part.firstSlot..<part.firstSlot + template.valueCount)
        try template.parse(text, into: &mine, memory: memory)
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
