import SampleModel

/// The order of delivery.
extension SimulationCheck {
  /// One thread's records come in the order of their acquisitions. Over all threads, nothing comes
  /// after a commit that has confirmed it; and beyond its watermark a pass delivers only records of
  /// a ring that is nearly full.
  mutating func checkOrder() {
    var starts: [Int: UInt64] = [:]
    var committed: UInt64 = 0
    var early: [(header: FrameHeader, now: UInt64)] = []
    var pass: [FrameHeader] = []
    var latest: UInt64 = 0
    var isMerged = true
    let later = earliestStarts()
    for (index, call) in calls.enumerated() {
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
        // A tick that is not complete holds the watermark down, and not what starts before the
        // rest of it.
        early += pass.filter { $0.start >= watermark && $0.start > later[index] }.map { ($0, now) }
        pass = []
      case .event(let event):
        count("events of \(event.kind)")
      case .layout: break
      }
    }
    count("frames beyond a watermark", early.count)
    count("sessions out of order", isMerged ? 0 : 1)
    checkPressure(early)
    // With rings that are nearly full, frames come early, and events after them.
    if early.isEmpty, leftAlone.isEmpty, record.silentAt == nil {
      expect(isMerged, "frames are out of order")
      checkEvents()
    }
  }

  /// The earliest start of all that comes after each call.
  private func earliestStarts() -> [UInt64] {
    var earliest = UInt64.max
    var all: [UInt64] = []
    for call in calls.reversed() {
      all.append(earliest)
      switch call {
      case .frame(let header, _), .records(let header, _): earliest = min(earliest, header.start)
      case .layout, .event, .commit: break
      }
    }
    return all.reversed()
  }

  /// Three quarters of the smallest ring.
  private static let nearlyFull = 6144

  /// What came out of one thread's ring, in order: starts and ends grow.
  private struct Outflow {
    var starts: [UInt64] = []
    var ends: [UInt64] = []
    /// Words of the ring up to each, the first 0.
    var words = [0]

    mutating func add(_ header: FrameHeader, words count: Int) {
      starts.append(header.start)
      ends.append(header.end)
      words.append(words[words.count - 1] + (6 + count + 7) / 8 * 8)
    }

    /// Words of what started at `start` or later and had ended at `now`.
    func words(from start: UInt64, endedAt now: UInt64) -> Int {
      let first = Self.count(starts) { $0 < start }
      let behind = Self.count(ends) { $0 <= now }
      return behind > first ? words[behind] - words[first] : 0
    }

    /// How many there are at the front for which `belongs` holds.
    private static func count(_ all: [UInt64], _ belongs: (UInt64) -> Bool) -> Int {
      var (low, high) = (0, all.count)
      while low < high {
        let middle = (low + high) / 2
        if belongs(all[middle]) { low = middle + 1 } else { high = middle }
      }
      return low
    }
  }

  /// The rings that frames came out of too early were nearly full: with the words after each that
  /// were there at its pass.
  private mutating func checkPressure(_ early: [(header: FrameHeader, now: UInt64)]) {
    guard !early.isEmpty else { return }
    var flows: [Int: Outflow] = [:]
    for call in calls {
      switch call {
      case .frame(let header, let values):
        guard let thread = threads[header.stream] else { continue }
        let isRaw = sources[header.stream]?.plan.isRaw ?? false
        flows[thread, default: Outflow()].add(
          header, words: isRaw ? (values.count + 2) * 3 : values.count)
      case .records(let header, let rows):
        guard let thread = threads[header.stream] else { continue }
        flows[thread, default: Outflow()].add(header, words: rows.count)
      case .layout, .event, .commit: break
      }
    }
    for (header, now) in early {
      guard let thread = threads[header.stream] else { continue }
      let words = flows[thread]?.words(from: header.start, endedAt: now) ?? 0
      expect(
        words > Self.nearlyFull,
        "thread \(thread): a frame of \(header.start) comes early out of a ring of \(words) words")
    }
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
