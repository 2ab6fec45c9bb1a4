import SampleModel

/// A point of a counter: its value from a time on, or that it has none.
struct TracePoint: Equatable {
  let time: UInt64
  /// `.absent`: no value.
  let value: DerivedValue
}

/// Which points of a counter are written: where it changes, and where it has a value no more or
/// again. Between them the counter is drawn as level, so nothing is lost by that.
///
/// A counter that is thinned is written in groups of points. Of each group remain the least and the
/// greatest value, each at its own time, and the first point without a value.
struct PointThinning {
  private enum State: Equatable {
    case unknown
    case absent
    case value(DerivedValue)
  }

  /// The most points that remain of a group.
  static let kept = 3

  /// Points in a group; 0 for a counter that is not thinned.
  private let size: Int
  private var state = State.unknown
  private var count = 0
  private var least: TracePoint?
  private var greatest: TracePoint?
  private var lost: TracePoint?

  /// A counter of which groups of `size` points are thinned, or none.
  init(size: Int = 0) { self.size = size }

  /// Whether it has a value.
  var isPresent: Bool { if case .value = state { true } else { false } }

  /// Takes the next value; gives what is to be written, in order of time.
  mutating func add(_ point: TracePoint) -> [TracePoint] {
    // Of what is no number there is no chart.
    let value = point.value.number.map(\.isFinite) == true ? point.value : .absent
    let next = value == .absent ? State.absent : .value(value)
    guard next != state else { return [] }
    state = next
    let point = TracePoint(time: point.time, value: value)
    guard size > 0 else { return [point] }
    count += 1
    if let number = value.number {
      if number < least?.value.number ?? .infinity { least = point }
      if number > greatest?.value.number ?? -.infinity { greatest = point }
    } else if lost == nil {
      lost = point
    }
    return count >= size ? end() : []
  }

  /// It has no value from now on, which is said elsewhere.
  mutating func lose() { if isPresent { state = .absent } }

  /// Gives what remains of the present group.
  mutating func end() -> [TracePoint] {
    var points = [least, greatest, lost].compactMap { $0 }.sorted { $0.time < $1.time }
    if least == greatest, let last = points.lastIndex(where: { $0 == least }), least != nil {
      points.remove(at: last)
    }
    (least, greatest, lost, count) = (nil, nil, nil, 0)
    return points
  }

  /// Of counters with so many points the sizes of groups, so that about `limit` points remain in
  /// all. Counters with few points are not thinned.
  static func sizes(_ counts: [Int], limit: Int) -> [Int] {
    guard counts.reduce(0, +) > limit else { return counts.map { _ in 0 } }
    // The same for all that are thinned: what those with fewer points leave is shared by the rest.
    var rest = limit
    var share = 0
    for (index, count) in counts.sorted().enumerated() {
      share = rest / (counts.count - index)
      if count > share { break }
      rest -= count
    }
    // A group may have begun at the end.
    let groups = max(1, share / kept - 1)
    return counts.map { count in
      count > share ? max(kept, (count + groups - 1) / groups) : 0
    }
  }
}
