import LinuxSystem
import SampleModel
import Synchronization

/// The session's collectors with their armings and layouts. Used by the controller, the drain and
/// the arming thread, never by a sampling thread. Nothing is armed, disarmed or read while its lock
/// is held.
final class StreamTable: Sendable {
  /// One collector of the session.
  private struct Entry {
    let collector: any Collector
    let mailbox = Mailbox()
    var current: Arming
    /// Replaced armings that the sampling thread may still use.
    var outgoing: [Arming] = []
    /// By epoch; the present one is the last.
    var layouts: [Layout]
    var nextEpoch: UInt32 = 2
    let schema: RecordSchema?
    /// It is disabled and disarmed.
    var isOver = false
  }

  private let entries: Guarded<[Entry]>
  private let context: CollectorContext
  /// Layouts kept for each stream: a layout that returns gets its old epoch.
  private static let knownLayouts = 16

  init(context: CollectorContext, time: TimeSource) {
    self.context = context
    entries = Guarded(time, [])
  }

  /// Adds an armed collector as the next stream.
  func add(_ collector: any Collector, _ armed: ArmedCollector) {
    entries.withLock { entries in
      let stream = UInt16(entries.count)
      let name = collector.description.name
      let schema = armed.recordFields.map {
        RecordSchema(
          collector: name, stream: stream, name: $0.name, fields: $0.fields,
          rowsPerTick: $0.rowsPerTick)
      }
      entries.append(
        Entry(
          collector: collector, current: Arming(armed, number: 1),
          layouts: [Self.layout(of: armed, armed.columns, name, stream, epoch: 1)], schema: schema))
    }
  }

  private static func layout(
    of armed: ArmedCollector, _ columns: [Column], _ collector: String, _ stream: UInt16,
    epoch: UInt32
  ) -> Layout {
    Layout(
      collector: collector, stream: stream, epoch: epoch, columns: columns,
      formulas: armed.formulas, minimumRunningRatio: armed.minimumRunningRatio)
  }

  private func entry<R>(_ stream: UInt16, _ body: (inout Entry) -> R) -> R? {
    entries.withLock { entries in
      Int(stream) < entries.count ? body(&entries[Int(stream)]) : nil
    }
  }

  /// The name of a stream's collector.
  func name(_ stream: UInt16) -> String {
    entry(stream) { $0.collector.description.name } ?? "a collector"
  }

  /// The record schema of a stream, nil for one of frames only.
  func schema(_ stream: UInt16) -> RecordSchema? { entry(stream) { $0.schema } ?? nil }

  /// The armed collectors' notes.
  var notes: [String] { entries.withLock { $0.flatMap(\.current.armed.notes) } }

  /// The share of one CPU that a stream's acquisitions may use, 0 for no limit of its own.
  func costLimit(_ stream: Int) -> Double {
    entry(UInt16(stream)) { $0.current.armed.costLimit ?? 0 } ?? 0
  }

  /// Every stream's present layout.
  var layouts: [Layout] { entries.withLock { $0.compactMap(\.layouts.last) } }

  /// The sampling thread's state of a stream, and its mailbox.
  func threadState(_ stream: Int, cadence: UInt64) -> (StreamState, Mailbox)? {
    entry(UInt16(stream)) { entry in
      let state = StreamState(
        entry.current, stream: UInt16(stream), cadence: cadence,
        recordWords: entry.schema?.fields.count ?? 0, recordRows: entry.schema?.rowsPerTick ?? 0)
      return (state, entry.mailbox)
    }
  }

  /// Words of a body of a stream's present arming.
  func bodyWords(_ stream: UInt16) -> Int { entry(stream) { $0.current.bodyWords } ?? 0 }

  // MARK: Layouts

  /// The layout of a stream with `columns`: the present one, an earlier one, or a new one. With a
  /// text of the change, nil if there is none.
  func layout(_ stream: UInt16, columns: [Column]) -> (Layout, change: String?)? {
    entry(stream) { entry -> (Layout, String?)? in
      guard let present = entry.layouts.last else { return nil }
      if present.columns == columns { return (present, nil) }
      let change = Self.change(from: present.columns, to: columns)
      if let known = entry.layouts.firstIndex(where: { $0.columns == columns }) {
        let layout = entry.layouts.remove(at: known)
        entry.layouts.append(layout)
        return (layout, Self.words(change, layout.epoch, isKnown: true))
      }
      let layout = Self.layout(
        of: entry.current.armed, columns, entry.collector.description.name, stream,
        epoch: entry.nextEpoch)
      entry.nextEpoch += 1
      entry.layouts.append(layout)
      if entry.layouts.count > Self.knownLayouts { entry.layouts.removeFirst() }
      return (layout, Self.words(change, layout.epoch, isKnown: false))
    } ?? nil
  }

  /// The instances (or else the columns) that were added and removed, as a text; nil if only the
  /// order changed.
  private static func change(from old: [Column], to new: [Column]) -> String? {
    func instances(_ columns: [Column], but others: [Column]) -> [String] {
      let known = Set(others.map(\.instance))
      // Named by the first column of each: `net[eth0]`.
      var names: [String: String] = [:]
      for column in columns where !known.contains(column.instance) {
        let name = "\(column.name.prefix { $0 != "." })[\(column.instance)]"
        let known = names[column.instance] ?? (column.instance.isEmpty ? column.name : name)
        names[column.instance] = known
      }
      return names.sorted { $0.key < $1.key }.map(\.value)
    }
    func words(_ added: [String], _ removed: [String]) -> String? {
      let parts = [("added", added), ("removed", removed)].filter { !$0.1.isEmpty }
      guard !parts.isEmpty else { return nil }
      return parts.map { "\($0.0) \(Counted.list($0.1))" }.joined(separator: "; ")
    }
    let (names, newNames) = (Set(old.map(\.name)), Set(new.map(\.name)))
    let parts = [
      words(instances(new, but: old), instances(old, but: new))
        ?? words(newNames.subtracting(names).sorted(), names.subtracting(newNames).sorted()),
      renewed(from: old, to: new),
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  /// The counters of the same name that restart, as a text: sums whose parts changed, and counters
  /// of devices that were replaced; nil for none.
  private static func renewed(from old: [Column], to new: [Column]) -> String? {
    var before: [String: Column] = [:]
    for column in old { before[column.name] = column }
    let others = new.filter { column in
      guard column.metric.kind == .counter, let known = before[column.name] else {
        return false
      }
      return known.identity != column.identity
    }
    let sums = others.filter(\.isSum).map(\.name)
    var devices: [String] = []
    for column in others where !column.isSum {
      let name = "\(column.name.prefix { $0 != "." })[\(column.instance)]"
      if devices.last != name { devices.append(name) }
    }
    let changed = sums.allSatisfy { $0.hasPrefix("cpu.") } ? "CPUs" : "parts"
    let parts = [
      sums.isEmpty
        ? nil
        : "sums that restart because their \(changed) changed: \(Counted.list(sums))",
      devices.isEmpty
        ? nil : "other devices of the same names, which restart: \(Counted.list(devices))",
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  private static func words(_ change: String?, _ epoch: UInt32, isKnown: Bool) -> String {
    guard let change else {
      return "same columns in a different order (layout \(epoch)); no values lost"
    }
    return isKnown
      ? "columns changed back to layout \(epoch): \(change)"
      : "columns changed (layout \(epoch)): \(change)"
  }

  // MARK: Re-arming

  /// The arming of a stream by number. Earlier ones are no longer used: they are returned too, to
  /// be disarmed.
  func adopt(_ stream: UInt16, _ number: UInt32) -> (Arming, retired: [Arming])? {
    entry(stream) { entry -> (Arming, [Arming])? in
      guard let found = (entry.outgoing + [entry.current]).first(where: { $0.number == number })
      else { return nil }
      let retired = entry.outgoing.filter { $0.number < number }
      entry.outgoing.removeAll { $0.number < number }
      return (found, retired)
    } ?? nil
  }

  /// Re-arms a stream in place of arming `number`; false if that was done already. May block the
  /// caller's thread.
  func rearm(_ stream: UInt16, after number: UInt32) throws(LBError) -> Bool {
    guard let collector = entry(stream, { $0.current.number == number ? $0.collector : nil }) ?? nil
    else { return false }
    let armed = try collector.arm(context)
    let isTaken =
      entry(stream) { entry in
        // Another thread has replaced the arming, or disabled the stream.
        guard entry.current.number == number, !entry.isOver else { return false }
        let next = Arming(armed, number: number + 1)
        entry.outgoing.append(entry.current)
        entry.current = next
        entry.mailbox.put(next)
        return true
      } ?? false
    if !isTaken { armed.disarm() }
    return isTaken
  }

  /// The armings, without `exceptions`, that prepare for the next bracket.
  func prepared(but exceptions: Set<UInt16>) -> [(stream: UInt16, arming: Arming)] {
    entries.withLock { entries in
      entries.enumerated().filter { !$1.isOver && !exceptions.contains(UInt16($0)) }
        .map { (UInt16($0), $1.current) }
    }.filter { $0.1.armed.hasPreparation }
  }

  // MARK: Releasing

  /// Whether a stream is disabled.
  func isOver(_ stream: UInt16) -> Bool { entry(stream) { $0.isOver } ?? true }

  /// Placeholder for a released collector; never sampled.
  private static let nothing = ArmedCollector(columns: [])

  /// Disarms a stream, which `thread` does not read until it is re-armed; returns the placeholder's
  /// number. Not during sampling.
  func release(_ stream: UInt16, from thread: SamplingThread) -> UInt32 {
    let released = entry(stream) { entry in
      let old = entry.outgoing + [entry.current]
      let next = Arming(Self.nothing, number: entry.current.number + 1)
      _ = unsafe entry.mailbox.fetch()
      entry.outgoing = []
      entry.current = next
      return (old: old, next: next)
    }
    guard let released else { return 0 }
    thread.read(released.next, of: stream)
    for arming in released.old.reversed() { arming.armed.disarm() }
    return released.next.number
  }

  /// Disables a stream whose present arming hangs; the hanging thread disarms it. Not during
  /// sampling.
  func giveUp(_ stream: UInt16, on thread: SamplingThread) {
    let next = entry(stream) { entry in
      let next = Arming(Self.nothing, number: entry.current.number + 1)
      _ = unsafe entry.mailbox.fetch()
      entry.current = next
      entry.isOver = true
      return next
    }
    if let next { thread.read(next, of: stream) }
  }

  /// Disables a stream permanently.
  func end(_ stream: UInt16, on thread: SamplingThread) {
    _ = entry(stream) { $0.isOver = true }
    _ = release(stream, from: thread)
  }

  /// Disarms everything, in reverse order.
  func disarmAll() {
    let all = entries.withLock { entries -> [Entry] in
      let all = entries
      entries = []
      return all
    }
    for entry in all.reversed() {
      for arming in (entry.outgoing + [entry.current]).reversed() { arming.armed.disarm() }
    }
  }
}
