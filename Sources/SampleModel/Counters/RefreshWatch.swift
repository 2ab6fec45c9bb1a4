/// Notices counters that move at every k-th reading only: their source brings them up to date less
/// often than they are read, as some network drivers do each second.
///
/// A burst of traffic at a steady beat looks the same, which the message says.
package struct RefreshWatch {
  /// So many equal gaps on end are no accident.
  static let streakLimit = 16
  /// With fewer events than this a reading, a counter may well rest by chance.
  static let eventsPerReading: UInt64 = 8

  /// The lagging columns of one instance, added up.
  private struct Instance {
    let name: String
    let columns: [Int]
    var last: UInt64 = 0
    /// Readings since the sum moved, this one included.
    var readings: UInt64 = 0
    /// The gap that the streak is made of, 0 for none.
    var gap: UInt64 = 0
    var streak = 0
    var streakStart: UInt64 = 0
    var isSaid = false
  }

  private var collector = ""
  private var bracket: UInt32 = 0
  private var instances: [Instance] = []

  /// A watch that has seen nothing.
  package init() {}

  /// Takes a layout into force for the frames that follow: streaks begin anew.
  package mutating func layout(_ layout: Layout) {
    collector = layout.collector
    instances = Self.instances(layout)
  }

  /// Looks at one complete frame of the layout in force; gives a message for each instance that
  /// was found to lag.
  package mutating func observe(_ header: FrameHeader, _ values: Span<UInt64>) -> [String] {
    guard !instances.isEmpty else { return [] }
    let isNew = bracket != header.bracket || header.edge == .open
    bracket = header.bracket
    var messages: [String] = []
    for place in instances.indices {
      var sum: UInt64 = 0
      for column in instances[place].columns { sum &+= values[column] }
      // A counter that fell was reset: its readings begin anew too.
      if isNew || sum < instances[place].last {
        instances[place].gap = 0
        instances[place].readings = 0
      } else if header.edge == .none,
        let gap = Self.advance(&instances[place], to: sum, at: header.start)
      {
        let milliseconds =
          (header.start &- instances[place].streakStart) / UInt64(Self.streakLimit)
          / 1_000_000
        messages.append(
          "\(collector): the counters of \(instances[place].name) moved at every "
            + "\(gap). reading only, each \(milliseconds) ms: its driver brings them up to date no "
            + "more often, or the traffic comes in bursts; choose an interval of that or more")
      }
      instances[place].last = sum
    }
    return messages
  }

  /// Counts one reading; gives the gap when the streak is long enough for the first time.
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
    var places: [String: [Int]] = [:]
    for (column, one) in layout.columns.enumerated() where one.metric.mayLag {
      places[one.instance, default: []].append(column)
    }
    return places.sorted { $0.key < $1.key }.map { Instance(name: $0.key, columns: $0.value) }
  }
}
