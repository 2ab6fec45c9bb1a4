import SampleModel

/// The order of delivery.
extension SimulationCheck {
  /// One thread's records come in the order of their acquisitions. Over all threads, nothing comes
  /// behind a commit that says that it has come; and beyond its watermark a pass delivers only
  /// what it takes out of a ring that is nearly full.
  mutating func checkOrder() {
    var starts: [Int: UInt64] = [:]
    var committed: UInt64 = 0
    var early: [(header: FrameHeader, bound: UInt64)] = []
    var pass: [FrameHeader] = []
    var latest: UInt64 = 0
    var isMerged = true
    for call in calls {
      switch call {
      case .frame(let header, _), .records(let header, _):
        guard let thread = threads[header.stream] else {
          fault("a frame of stream \(header.stream)")
          continue
        }
        expect(
          header.start >= starts[thread] ?? 0, "thread \(thread): a frame before its predecessor")
        starts[thread] = header.start
        if leftAlone.contains(thread) { continue }
        expect(
          header.start >= committed,
          "a frame of \(header.start) behind a commit of \(committed)")
        if header.start < latest { isMerged = false }
        latest = max(latest, header.start)
        pass.append(header)
      case .commit(let watermark, let now):
        committed = max(committed, min(watermark, now))
        early += pass.filter { $0.start >= watermark }.map { ($0, now) }
        pass = []
      case .event(let event):
        count("events of \(event.kind)")
      case .layout: break
      }
    }
    count("frames beyond a watermark", early.count)
    count("sessions out of order", isMerged ? 0 : 1)
    for (header, now) in early { checkPressure(header, now) }
    // With rings that are nearly full, frames come early, and events behind them.
    if early.isEmpty, leftAlone.isEmpty, record.silentAt == nil {
      expect(isMerged, "frames are out of order")
      checkEvents()
    }
  }

  /// Three quarters of the smallest ring.
  private static let nearlyFull = 6144

  /// The ring that a frame came out of too early was nearly full: with the words behind it that
  /// were there at `now`.
  private mutating func checkPressure(_ header: FrameHeader, _ now: UInt64) {
    guard let thread = threads[header.stream] else { return }
    var words = 0
    for case .frame(let other, let values) in calls
    where threads[other.stream] == thread && other.start >= header.start && other.end <= now {
      let isRaw = sources[other.stream]?.plan.isRaw ?? false
      words += (6 + (isRaw ? (values.count + 2) * 2 : values.count) + 7) / 8 * 8
    }
    for case .records(let other, let rows) in calls
    where threads[other.stream] == thread && other.start >= header.start && other.end <= now {
      words += (6 + rows.count + 7) / 8 * 8
    }
    expect(
      words > Self.nearlyFull,
      "thread \(thread): a frame of \(header.start) comes early out of a ring of \(words) words")
  }

  /// Events stand among the frames where a replay puts them: before those that start later.
  private mutating func checkEvents() {
    var before: UInt64 = 0
    var last: UInt64 = 0
    var events: [UInt64] = []
    for call in calls {
      switch call {
      case .frame(let header, _), .records(let header, _):
        expect(
          events.allSatisfy { $0 <= header.start },
          "an event of \(events.max() ?? 0) comes before a frame of \(header.start)")
        events = []
        before = max(before, header.start)
      case .event(let event):
        expect(event.time >= last, "an event of \(event.time) behind one of \(last)")
        last = event.time
        expect(
          event.time >= before, "an event of \(event.time) comes behind a frame of \(before)")
        events.append(event.time)
      case .layout, .commit: break
      }
    }
  }
}
