import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// The armed half of every collector that reads kernel texts: open files with their templates.
@safe
final class ArmedTexts: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.

  /// One open file; without a template it could not be read at arm time, and is tried again.
  ///
  /// A class, so that a tick counts one reference to it and none to what it holds.
  private final class Part {
    let file: TextFile
    let template: TextTemplate?
    let memory: TextMemory?
    let firstSlot: Int

    init(file: TextFile, template: TextTemplate?, firstSlot: Int) {
      self.file = file
      self.template = template
      memory = template?.memory()
      self.firstSlot = firstSlot
    }

    /// Reads the file and writes its values; a file without a template is only read.
    @inline(__always)
    func read(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
      guard let template, let memory else { return file.read { _ throws(KernelTextError) in } }
      return file.read { text throws(KernelTextError) in
        var mine = values._mutatingExtracting(firstSlot..<firstSlot + template.valueCount)
        try template.parse(text, into: &mine, memory: memory)
      }
    }
  }

  private let parts: [Part]
  private let allOnProc: Bool

  /// Arms `files` with their templates, whose values are `columns` in order.
  init(
    _ files: [(file: TextFile, template: TextTemplate?)], columns: [Column], notes: [String] = []
  ) {
    var parts: [Part] = []
    var slot = 0
    for (file, template) in files {
      parts.append(Part(file: file, template: template, firstSlot: slot))
      slot += template?.valueCount ?? 0
    }
    precondition(slot == columns.count, "one column a value")
    self.parts = parts
    allOnProc = parts.allSatisfy(\.file.isOnProc)
    super.init(columns: columns, notes: notes)
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    var calls: UInt64 = 0
    defer { systemCallsOfSample = calls }
    for index in parts.indices {
      let part = parts[index]
      let outcome = part.read(into: &values)
      calls &+= part.file.callCount
      guard part.template != nil else {
        // What could not be read before can be now: it gets its columns.
        if outcome == .complete { return .layoutChanged }
        continue
      }
      if outcome == .complete { continue }
      // One source of several that is gone leaves the others theirs.
      let isOneOfMany = parts.count > 1 && (outcome == .absent || outcome == .denied)
      return isOneOfMany ? .layoutChanged : outcome
    }
    return .complete
  }

  override var isOnProc: Bool { allOnProc }

  override var sourcePaths: [String] { parts.map(\.file.path) }

  override func readOnly() -> Int? {
    var bytes = 0
    for part in parts {
      _ = part.file.read { text throws(KernelTextError) in bytes += text.count }
    }
    return bytes
  }
}
