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

  private struct Stream {
    var epoch: UInt32
    var bracket: UInt32
    var instances: [Instance]
  }

  private var streams: [Stream?] = []
  /// Streams that have a metric which may lag.
  private var watched: [Bool] = []

  /// A watch that has seen nothing.
  package init() {}

  /// Looks at one complete frame; gives a message for each instance that was found to lag.
  package mutating func observe(
    _ header: FrameHeader, _ values: Span<UInt64>, _ layout: Layout
  ) -> [String] {
    let index = Int(header.stream)
    while watched.count <= index {
      watched.append(true)
      streams.append(nil)
    }
    guard watched[index] else { return [] }
    if streams[index]?.epoch != header.epoch {
      let instances = Self.instances(layout)
      guard !instances.isEmpty else {
        watched[index] = false
        return []
      }
      streams[index] = Stream(
        epoch: header.epoch, bracket: header.bracket, instances: instances)
    }
    // Taken out, so that its instances are changed in place.
    guard var stream = streams[index].take() else { return [] }
    defer { streams[index] = stream }
    let isNew = stream.bracket != header.bracket || header.edge == .open
    stream.bracket = header.bracket
    var messages: [String] = []
    for place in stream.instances.indices {
      var sum: UInt64 = 0
      for column in stream.instances[place].columns { sum &+= values[column] }
      // A counter that fell was reset: its readings begin anew too.
      if isNew || sum < stream.instances[place].last {
        stream.instances[place].gap = 0
        stream.instances[place].readings = 0
      } else if header.edge == .none,
        let gap = Self.advance(&stream.instances[place], to: sum, at: header.start)
      {
        let milliseconds =
          (header.start &- stream.instances[place].streakStart) / UInt64(Self.streakLimit)
          / 1_000_000
        messages.append(
          "\(layout.collector): the counters of \(stream.instances[place].name) moved at every "
            + "\(gap). reading only, each \(milliseconds) ms: its driver brings them up to date no "
            + "more often, or the traffic comes in bursts; choose an interval of that or more")
      }
      stream.instances[place].last = sum
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
