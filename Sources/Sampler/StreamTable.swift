import LinuxSystem
import SampleModel
import Synchronization

/// The session's collectors with every layout they have had, and the place where one is armed
/// anew. Shared by the controller and the drain, never touched by a sampling thread.
final class StreamTable: Sendable {
  /// One collector of the session.
  struct Entry {
    let collector: any Collector
    let mailbox: Mailbox
    var current: Replacement
    /// Replaced, but perhaps still in use by the sampling thread.
    var outgoing: [Replacement] = []
    var layouts: [UInt32: Layout] = [:]
    var schema: RecordSchema?
    /// It is read no more, and disarmed.
    var isOver = false
  }

  private struct State {
    var entries: [Entry] = []
  }

  private let state = Mutex(State())
  private let context: CollectorContext
  /// Columns beyond those at arm time that a layout may grow to; the scratch has room for them.
  static func room(forColumns columns: Int) -> Int { columns * 2 + 256 }

  init(context: CollectorContext) { self.context = context }

  /// Arms `collector` as the next stream.
  func add(_ collector: any Collector) throws(LBError) {
    let armed = try collector.arm(context)
    state.withLock { state in
      let stream = UInt16(state.entries.count)
      let name = collector.description.name
      var entry = Entry(
        collector: collector, mailbox: Mailbox(), current: Replacement(armed: armed, epoch: 1))
      entry.layouts[1] = Self.layout(of: armed, name, stream, epoch: 1)
      if let record = armed.recordFields {
        entry.schema = RecordSchema(
          collector: name, stream: stream, name: record.name, fields: record.fields,
          rowsPerTick: record.rowsPerTick)
      }
      state.entries.append(entry)
    }
  }

  private static func layout(
    of armed: ArmedCollector, _ collector: String, _ stream: UInt16, epoch: UInt32
  ) -> Layout {
    Layout(
      collector: collector, stream: stream, epoch: epoch, columns: armed.columns,
      formulas: armed.formulas, leastShare: armed.leastShare)
  }

  var count: Int { state.withLock { $0.entries.count } }

  /// The layout of a stream at an epoch.
  func layout(_ stream: UInt16, epoch: UInt32) -> Layout? {
    state.withLock { state in
      Int(stream) < state.entries.count ? state.entries[Int(stream)].layouts[epoch] : nil
    }
  }

  /// The record schema of a stream, nil for one of frames only.
  func schema(_ stream: UInt16) -> RecordSchema? {
    state.withLock { state in
      Int(stream) < state.entries.count ? state.entries[Int(stream)].schema : nil
    }
  }

  /// What the armed collectors say of their sources.
  var notes: [String] {
    state.withLock { state in state.entries.flatMap(\.current.armed.notes) }
  }

  /// The most that a stream's acquisitions may cost of one CPU, 0 for no bound of its own.
  func costLimit(_ stream: Int) -> Double {
    state.withLock { $0.entries[stream].current.armed.costLimit ?? 0 }
  }

  /// Nanoseconds of one acquisition of a stream: the median of a few, not the first.
  func cost(_ stream: Int) -> UInt64 {
    guard let armed = state.withLock({ $0.entries[stream].current.armed }) as ArmedCollector? else {
      return 0
    }
    var values = [UInt64](repeating: 0, count: armed.columns.count)
    var span = values.mutableSpan
    var times: [UInt64] = []
    for _ in 0..<6 {
      let start = Clock.monotonic()
      _ = armed.sample(into: &span)
      times.append(Clock.monotonic() - start)
    }
    return times.dropFirst().sorted()[2]
  }

  /// Prepares every stream for the next bracket: those whose layout will be another one.
  func prepare() -> [(stream: UInt16, epoch: UInt32)] {
    let present = state.withLock { state in
      state.entries.enumerated().filter { !$1.isOver }.map { (UInt16($0), $1.current) }
    }
    return present.filter { $1.armed.prepare().needsRearm }.map { ($0, $1.epoch) }
  }

  /// Every stream's present layout.
  var layouts: [Layout] {
    state.withLock { state in
      state.entries.compactMap { $0.layouts[$0.current.epoch] }
    }
  }

  /// The sampling thread's state of a stream, its mailbox, and the words that it may need.
  func threadState(_ stream: Int, cadence: UInt64) -> (StreamState, Mailbox, words: Int) {
    state.withLock { state in
      let entry = state.entries[stream]
      let columns = entry.current.armed.columns.count
      let recordWords = entry.schema?.fields.count ?? 0
      let recordRows = entry.schema?.rowsPerTick ?? 0
      let thread = unsafe StreamState(
        armed: .passUnretained(entry.current.armed), stream: UInt16(stream), cadence: cadence,
        askedCadence: cadence, epoch: entry.current.epoch, valueCount: columns,
        recordWords: recordWords,
        recordRows: recordRows)
      let words = max(Self.room(forColumns: columns), recordWords * recordRows)
      return (thread, entry.mailbox, words)
    }
  }

  /// Arms a stream anew because its epoch `epoch` did not fit the kernel's text any more, and
  /// gives the new layout. Nil when that has been done already.
  func rearm(_ stream: UInt16, after epoch: UInt32) throws(LBError) -> (Layout, change: String)? {
    // The lock is held while arming: two callers must not arm the same stream twice.
    let result = state.withLock { state -> Result<(Layout, change: String)?, LBError> in
      let index = Int(stream)
      guard index < state.entries.count, state.entries[index].current.epoch == epoch else {
        return .success(nil)
      }
      do throws(LBError) {
        let old = state.entries[index].current
        let armed = try state.entries[index].collector.arm(context)
        let firstColumns = state.entries[index].layouts[1]?.columns.count ?? 0
        guard armed.columns.count <= Self.room(forColumns: firstColumns) else {
          armed.disarm()
          throw LBError(
            .metricCollection,
            "\(state.entries[index].collector.description.name): grew from \(firstColumns) to "
              + "\(armed.columns.count) columns, more than was reserved: start sampling anew")
        }
        let next = Replacement(armed: armed, epoch: epoch + 1)
        let layout = Self.layout(
          of: armed, state.entries[index].collector.description.name, stream, epoch: epoch + 1)
        state.entries[index].outgoing.append(old)
        state.entries[index].current = next
        state.entries[index].layouts[epoch + 1] = layout
        state.entries[index].mailbox.put(next)
        return .success((layout, Self.change(from: old.armed.columns, to: armed.columns)))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// A frame of `epoch` came through: older armings are out of use.
  func retire(_ stream: UInt16, before epoch: UInt32) {
    let unused = state.withLock { state -> [Replacement] in
      let index = Int(stream)
      guard index < state.entries.count else { return [] }
      let unused = state.entries[index].outgoing.filter { $0.epoch < epoch }
      for old in unused where old.epoch > 1 { state.entries[index].layouts[old.epoch] = nil }
      state.entries[index].outgoing.removeAll { $0.epoch < epoch }
      return unused
    }
    for replacement in unused { replacement.armed.disarm() }
  }

  /// Whether a stream is read no more.
  func isOver(_ stream: UInt16) -> Bool { state.withLock { $0.entries[Int(stream)].isOver } }

  /// What stands for a collector that holds nothing of its source: never read.
  private static let nothing = ArmedCollector(columns: [])

  /// Disarms and lets go of a stream, which `thread` reads no more until it is armed anew; gives
  /// its epoch. Not while anything is sampled.
  func release(_ stream: UInt16, from thread: SamplingThread) -> UInt32 {
    thread.read(Self.nothing, inPlaceOf: stream)
    let (old, epoch) = state.withLock { state in
      let entry = state.entries[Int(stream)]
      _ = unsafe entry.mailbox.fetch()
      state.entries[Int(stream)].outgoing = []
      state.entries[Int(stream)].current = Replacement(
        armed: Self.nothing, epoch: entry.current.epoch)
      return (entry.outgoing + [entry.current], entry.current.epoch)
    }
    for replacement in old.reversed() { replacement.armed.disarm() }
    return epoch
  }

  /// Lets go of a stream for good.
  func end(_ stream: UInt16, on thread: SamplingThread) {
    state.withLock { $0.entries[Int(stream)].isOver = true }
    _ = release(stream, from: thread)
  }

  /// Disarms everything, last armed first.
  func disarmAll() {
    let entries = state.withLock { state -> [Entry] in
      let entries = state.entries
      state.entries = []
      return entries
    }
    for entry in entries.reversed() {
      for replacement in (entry.outgoing + [entry.current]).reversed() {
        replacement.armed.disarm()
      }
    }
  }

  /// Which instances came and went, in words.
  private static func change(from old: [Column], to new: [Column]) -> String {
    let before = Set(old.map(\.instance))
    let after = Set(new.map(\.instance))
    let parts =
      after.subtracting(before).sorted().map { "\($0) appeared" }
      + before.subtracting(after).sorted().map { "\($0) vanished" }
    return parts.isEmpty ? "same instances" : parts.joined(separator: ", ")
  }
}
