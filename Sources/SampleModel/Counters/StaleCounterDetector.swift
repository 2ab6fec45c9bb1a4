/// Detects counters that change only at every k-th reading: their source updates them less often
/// than they are read, as some network drivers do once a second.
///
/// Periodic bursts of traffic look the same; the message says so.
package struct StaleCounterDetector {
  /// Equal gaps in succession that are not due to chance.
  static let streakLimit = 16
  /// With fewer events per reading, a counter may stand still by chance.
  static let eventsPerReading: UInt64 = 8

  /// The sum of one instance's columns that may lag.
  private struct Instance {
    let name: String
    let columns: [Int]
    var last: UInt64 = 0
    /// Readings since the sum changed, including the present one.
    var readings: UInt64 = 0
    /// The gap that repeats, 0 for none.
    var gap: UInt64 = 0
    var streak = 0
    var streakStart: UInt64 = 0
    var isSaid = false
  }

  private var collector = ""
  private var bracket: UInt32 = 0
  private var instances: [Instance] = []

  /// An empty tracker.
  package init() {}

  /// Uses a layout for the following frames: streaks restart.
  package mutating func layout(_ layout: Layout) {
    collector = layout.collector
    instances = Self.instances(layout)
  }

  /// Observes one complete frame of the present layout; returns a message for each instance that
  /// was found to lag.
  package mutating func observe(_ header: FrameHeader, _ values: Span<UInt64>) -> [String] {
    guard !instances.isEmpty else { return [] }
    let isNew = bracket != header.bracket || header.edge == .open
    bracket = header.bracket
    var messages: [String] = []
    for index in instances.indices {
      var sum: UInt64 = 0
      for column in instances[index].columns { sum &+= values[column] }
      // A counter that fell was reset: its streak restarts.
      if isNew || sum < instances[index].last {
        instances[index].gap = 0
        instances[index].readings = 0
      } else if header.edge == .none,
        let gap = Self.advance(&instances[index], to: sum, at: header.start)
      {
        let milliseconds =
          (header.start &- instances[index].streakStart) / UInt64(Self.streakLimit)
          / 1_000_000
        messages.append(
          "\(collector): the counters of \(instances[index].name) moved at every "
            + "\(gap). reading only, each \(milliseconds) ms: its driver brings them up to date no "
            + "more often, or the traffic comes in bursts; choose an interval of that or more")
      }
      instances[index].last = sum
    }
    return messages
  }

  /// Counts one reading; returns the gap when the streak first reaches the limit.
  private static func advance(
    _ instance: inout Instance, to sum: UInt64, at time: UInt64
  ) -> UInt64? {
    instance.readings += 1
    let events = sum - instance.last
    guard events > 0 else { return nil }
    let gap = instance.readings
    instance.readings = 0
    let isSame = gap <= instance.gap + 1 && gap + 1 >= instance.gap
    guard gap >= 2, isSame, events >= eventsPerReading * gap else {
      instance.gap = gap
      instance.streak = 0
      instance.streakStart = time
      return nil
    }
    instance.streak += 1
    guard instance.streak >= streakLimit, !instance.isSaid else { return nil }
    instance.isSaid = true
    return instance.gap
  }

  private static func instances(_ layout: Layout) -> [Instance] {
    var columns: [String: [Int]] = [:]
    for (column, one) in layout.columns.enumerated() where one.metric.mayLag {
      columns[one.instance, default: []].append(column)
    }
    return columns.sorted { $0.key < $1.key }.map { Instance(name: $0.key, columns: $0.value) }
  }
}
