import SampleModel
import Sampler

/// Holds what the sinks of a simulated session were given against what its collectors gave.
struct SimulationCheck {
  /// One frame as it was delivered.
  struct Delivered {
    let header: FrameHeader
    let values: [UInt64]
    let layout: Layout?
  }

  let plan: SimulationPlan
  let collectors: [SimulatedCollector]
  let calls: [SimulatedSink.Call]
  let record: SimulationRecord
  /// The sampling thread of each stream, and its collector.
  var threads: [UInt16: Int] = [:]
  var sources: [UInt16: SimulatedCollector] = [:]
  var frames: [Delivered] = []
  /// Batches of records, with their words.
  var batches: [(header: FrameHeader, words: Int)] = []
  /// Numbers of threads that were left alone at some time.
  private(set) var leftAlone = Set<Int>()
  private(set) var faults: [String]
  private(set) var counts: [String: Int] = [:]

  init(
    _ plan: SimulationPlan, _ collectors: [SimulatedCollector], _ calls: [SimulatedSink.Call],
    _ record: SimulationRecord
  ) {
    self.plan = plan
    self.collectors = collectors
    self.calls = calls
    self.record = record
    faults = record.faults + collectors.flatMap(\.faults)
    for stream in record.meta?.streams ?? [] {
      threads[stream.stream] = stream.thread
      sources[stream.stream] = collectors.first { $0.plan.name == stream.collector }
    }
  }

  /// Notes a fault; a session has as many of one kind as it likes, and a few are enough.
  mutating func fault(_ words: String) {
    if faults.count < 8 { faults.append(words) }
  }

  mutating func expect(_ isRight: Bool, _ words: @autoclosure () -> String) {
    if !isRight { fault(words()) }
  }

  mutating func count(_ what: String, _ number: Int = 1) {
    if number > 0 { counts[what, default: 0] += number }
  }

  /// Checks everything.
  mutating func run() {
    collectFrames()
    for (stream, collector) in sources { checkSequence(stream, collector) }
    for bracket in record.brackets { check(bracket) }
    checkOrder()
    // A thread that comes back while the session ends may be too late for it.
    if !record.stays, leftAlone.isEmpty {
      for collector in collectors {
        expect(
          collector.unclosed == 0,
          "\(collector.plan.name): \(collector.unclosed) of \(collector.armings) armings "
            + "were never closed")
      }
    }
    count("sessions")
    count("sessions that stay", record.stays ? 1 : 0)
    count("sessions with a silent thread", record.silentAt == nil ? 0 : 1)
    count("brackets", record.brackets.count)
    count("brackets without a stop", record.unclosed.count)
    count("threads left alone", leftAlone.count)
    count("rings grown", record.growths)
    count("frames", frames.count)
    count("armings", collectors.reduce(0) { $0 + $1.armings })
    count("hangs", collectors.reduce(0) { $0 + $1.hangs })
  }

  // MARK: Frames and layouts

  private mutating func collectFrames() {
    var layouts: [UInt16: Layout] = [:]
    var epochs: [UInt64: [Column]] = [:]
    for call in calls {
      switch call {
      case .layout(let layout):
        layouts[layout.stream] = layout
        let key = UInt64(layout.stream) << 32 | UInt64(layout.epoch)
        expect(
          epochs[key] == nil || epochs[key] == layout.columns,
          "\(layout.collector): epoch \(layout.epoch) has other columns than before")
        epochs[key] = layout.columns
        count("layouts")
      case .frame(let header, let values):
        let layout = layouts[header.stream]
        frames.append(Delivered(header: header, values: values, layout: layout))
        let width = header.outcome == .complete ? layout?.columns.count ?? -1 : 0
        expect(values.count == width, "a frame of \(values.count) values for \(width) columns")
        expect(layout?.epoch == header.epoch, "a frame of an epoch that is not in force")
      case .records(let header, let rows):
        count("record batches")
        batches.append((header, rows.count))
        expect(rows.count % 2 == 0 && !rows.isEmpty, "a batch of \(rows.count) words")
        for row in stride(from: 0, to: rows.count - 1, by: 2) {
          expect(rows[row] == rows[0] && rows[row + 1] == UInt64(row / 2), "wrong rows")
        }
        // Its frame came right before it.
        let last = frames.last { $0.header.stream == header.stream }
        expect(last?.values.first == rows.first, "records without their frame")
      case .event(let event):
        // "sampling thread 2 has been blocked for 20ms in collector …"
        let words = event.message.split(separator: " ")
        if event.kind == .note, words.count > 4, words[3] == "has", let thread = Int(words[2]) {
          leftAlone.insert(thread)
        }
        if event.message.contains(": preparing the next") { count("preparations that hang") }
      case .commit: break
      }
    }
  }

  /// Every acquisition of a collector is delivered once, in order, with its own numbers.
  private mutating func checkSequence(_ stream: UInt16, _ collector: SimulatedCollector) {
    let name = collector.plan.name
    let all = frames.filter { $0.header.stream == stream }
    // A raw one without room says so, or is counted as dropped: which, depends on the ring.
    let mine = collector.plan.isRaw ? all.filter { $0.header.outcome != .truncated } : all
    let made = collector.acquisitions.filter { !$0.isCut }
    count("frames without room", all.count - mine.count)
    var index = 0
    var wasUnpublished = false
    for acquisition in made {
      guard index < mine.count else {
        // Acquisitions that end after the drain has ended are not delivered, nor those that an
        // abandoned thread had read but not published: the rest of its tick hung.
        let isLate = acquisition.end >= min(record.overAt, record.silentAt ?? .max)
        let isGivenUp = record.silentAt != nil || leftAlone.contains(threads[stream] ?? -1)
        if isLate || isGivenUp && !wasUnpublished {
          wasUnpublished = true
          continue
        }
        fault("\(name): acquisition \(acquisition.number) is lost")
        return
      }
      let frame = mine[index]
      index += 1
      guard acquisition.outcome == frame.header.outcome else {
        fault(
          "\(name): acquisition \(acquisition.number) is \(acquisition.outcome.word), its frame "
            + "\(frame.header.outcome.word) of deadline \(frame.header.deadlineIndex)")
        return
      }
      expect(
        acquisition.edge == frame.header.edge,
        "\(name): acquisition \(acquisition.number) is at another edge than its frame")
      guard acquisition.outcome == .complete else {
        count("gaps")
        continue
      }
      if check(frame, acquisition, collector) { return }
    }
    expect(index == mine.count, "\(name): \(mine.count - index) frames that no collector made")
  }

  /// Compares the values of a frame; gives whether they are wrong.
  private mutating func check(
    _ frame: Delivered, _ acquisition: SimulatedAcquisition, _ collector: SimulatedCollector
  ) -> Bool {
    let name = collector.plan.name
    guard frame.layout?.columns == collector.columns[acquisition.shape] else {
      fault("\(name): acquisition \(acquisition.number) has the columns of another shape")
      return true
    }
    for (column, value) in frame.values.enumerated()
    where value != SimulatedCollector.value(acquisition.number, column) {
      fault("\(name): acquisition \(acquisition.number): column \(column) is \(value)")
      return true
    }
    return false
  }
}
