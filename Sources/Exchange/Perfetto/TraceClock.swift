import SampleModel

/// The clocks of a trace: its times are those of CLOCK_BOOTTIME, which counts time in suspend.
///
/// A run's time line is CLOCK_MONOTONIC of its first session. A session of a later boot continues
/// it, and so it continues the first boot's CLOCK_BOOTTIME here.
struct TraceClock {
  /// Clocks read together, on the run's time line.
  struct Reading: Equatable {
    let monotonic: UInt64
    let boottime: UInt64
    let realtime: UInt64
  }

  /// The least time in suspend that counts: smaller differences are those between reading one clock
  /// and the next.
  static let leastSuspend: Int64 = 1_000_000

  /// In order of time.
  let readings: [Reading]

  /// The clocks of a run's anchors.
  init(_ anchors: [ClockAnchor]) {
    var readings: [Reading] = []
    var ahead: Int64?
    for anchor in anchors.sorted(by: { $0.monotonic < $1.monotonic }) {
      let read = Int64(bitPattern: anchor.boottime &- anchor.monotonic)
      let known = ahead ?? read
      // Less: of another boot.
      let (growth, overflow) = read.subtractingReportingOverflow(known)
      let now = !overflow && growth >= Self.leastSuspend ? read : known
      ahead = now
      readings.append(
        Reading(
          monotonic: Self.limited(anchor.monotonic), boottime: Self.sum(anchor.monotonic, now),
          realtime: Self.limited(anchor.realtime)))
    }
    self.readings = readings
  }

  /// Times are numbers with a sign for the trace's reader.
  private static func limited(_ time: UInt64) -> UInt64 { min(time, UInt64(Int64.max)) }

  private static func sum(_ time: UInt64, _ ahead: Int64) -> UInt64 {
    let (sum, overflow) = Int64(clamping: time).addingReportingOverflow(ahead)
    return overflow ? UInt64(Int64.max) : UInt64(max(0, sum))
  }

  /// CLOCK_BOOTTIME at a time of the run's time line, by the last reading before.
  func boottime(_ time: UInt64) -> UInt64 {
    var (low, high) = (0, readings.count)
    while low < high {
      let middle = (low + high) / 2
      if readings[middle].monotonic <= time { low = middle + 1 } else { high = middle }
    }
    guard let reading = low > 0 ? readings[low - 1] : readings.first else {
      return Self.limited(time)
    }
    return Self.sum(time, Int64(bitPattern: reading.boottime &- reading.monotonic))
  }
}

/// Finds the times of journal entries, which have dates, on the run's time line.
struct JournalClock {
  private let anchors: [ClockAnchor]
  private var present = 0

  /// The clocks of a run.
  init(_ anchors: [ClockAnchor]) {
    self.anchors = anchors.sorted { $0.monotonic < $1.monotonic }
  }

  /// The time of the next entry of a journal. Entries come in order: after a step of the wall clock
  /// some dates exist twice.
  mutating func time(of entry: JournalEntry) -> UInt64 {
    let date = entry.unixNanoseconds
    if SampleEvent.Kind(rawValue: entry.kind)?.concernsClocks == true,
      let step = anchors.indices.dropFirst(present).first(where: { anchors[$0].realtime == date })
    {
      present = step
    }
    return time(of: date)
  }

  /// Whether the wall clock was set back between two readings. Adjusting it slows it by at most
  /// half a thousandth.
  private static func isStepBack(_ one: ClockAnchor, _ next: ClockAnchor) -> Bool {
    let elapsed = next.monotonic - one.monotonic
    guard next.realtime >= one.realtime else { return true }
    let shown = next.realtime - one.realtime
    return elapsed > shown && elapsed - shown > elapsed / 1000
  }

  /// The time at a date, not before the anchor of the last entry.
  mutating func time(of date: UInt64) -> UInt64 {
    guard !anchors.isEmpty else { return date }
    while present + 1 < anchors.count, anchors[present + 1].realtime <= date,
      !Self.isStepBack(anchors[present], anchors[present + 1])
    {
      present += 1
    }
    let anchor = anchors[present]
    guard date < anchor.realtime else {
      let (time, overflow) = anchor.monotonic.addingReportingOverflow(date - anchor.realtime)
      return overflow ? .max : time
    }
    let before = anchor.realtime - date
    return anchor.monotonic > before ? anchor.monotonic - before : 0
  }
}
