import SampleModel

/// The tree of a trace's tracks: below the host what happened, then the repetitions side by side,
/// then rates, then each collector with its metrics and their instances.
struct TraceTracks {
  private enum Group: Hashable {
    case family(String)
    case collector(String, isRate: Bool)
    case metric(ExactText, in: UInt64)
    case absences(UInt64)
  }

  /// The root.
  let host: UInt64
  private let labels: [UInt32: AttemptID]
  private var groups: [Group: UInt64] = [:]
  /// The number of children of each track so far, which is the rank of the next.
  private var children: [UInt64: Int32] = [:]

  /// The tree below `name`; `labels` names the brackets.
  init(
    _ name: String, description: String, labels: [UInt32: AttemptID], on writer: TraceWriter
  ) throws(LBError) {
    self.labels = labels
    host = try writer.add(
      TraceTrack(name: name, description: description, childOrder: .byRank))
  }

  /// A new track below `parent`, behind those that it has.
  mutating func add(_ track: TraceTrack, below parent: UInt64, on writer: TraceWriter)
    throws(LBError) -> UInt64
  {
    var track = track
    track.parent = parent
    track.rank = children[parent, default: 0]
    children[parent, default: 0] += 1
    return try writer.add(track)
  }

  private mutating func group(
    _ group: Group, _ name: String, _ description: String, below parent: UInt64,
    on writer: TraceWriter
  ) throws(LBError) -> UInt64 {
    if let known = groups[group] { return known }
    let number = try add(
      TraceTrack(name: name, description: description, childOrder: .byRank), below: parent,
      on: writer)
    groups[group] = number
    return number
  }

  /// Declares a counter's track and the groups above it.
  mutating func declare(_ counter: inout TraceCounter, on writer: TraceWriter) throws(LBError) {
    let owner = try owner(of: counter, on: writer)
    var parent = owner
    if counter.isBelowMetric {
      parent = try group(
        .metric(ExactText(counter.groupName), in: owner), counter.groupName, counter.description,
        below: owner, on: writer)
    }
    let track = TraceTrack(
      name: name(counter), description: counter.description,
      counter: TraceTrack.Counter(unit: counter.unit, scaleKey: counter.groupName))
    counter.track = try add(track, below: parent, on: writer)
    counter.absences = try group(
      .absences(owner), "no value", "where a counter above has no value from then on",
      below: owner, on: writer)
  }

  private func name(_ counter: TraceCounter) -> String {
    guard case .repetition(let bracket) = counter.family else { return counter.title }
    return labels[bracket]?.shortName ?? "bracket \(bracket)"
  }

  /// The group that a counter's metrics are in.
  private mutating func owner(
    of counter: TraceCounter, on writer: TraceWriter
  ) throws(LBError) -> UInt64 {
    switch counter.family {
    case .raw:
      return try group(
        .collector(counter.collector, isRate: false), counter.collector,
        "\(counter.collector): cumulative values and levels, as export --raw has them",
        below: host, on: writer)
    case .rate:
      let rates = try group(
        .family("rates"), "rates",
        "growth of counters per second, over each window; times by times are fractions",
        below: host, on: writer)
      return try group(
        .collector(counter.collector, isRate: true), counter.collector,
        "\(counter.collector): rates, as export has them, each from its window's beginning on",
        below: rates, on: writer)
    case .repetition(let bracket):
      let all = try group(
        .family("repetitions"), "repetitions",
        "the repetitions of each phase above one another: their times are not those of the clock, "
          + "but count from each repetition's first sample, as if all had begun with the trace",
        below: host, on: writer)
      let phase = labels[bracket]?.phase ?? ""
      return try group(
        .metric(ExactText(phase), in: all), phase,
        "repetitions of \(phase) from their beginning on", below: all, on: writer)
    }
  }
}

extension TraceCounter {
  /// Whether a track of its metric, or of its column, stands above it.
  fileprivate var isBelowMetric: Bool {
    if case .repetition = family { return true }
    return !column.instance.isEmpty
  }

  /// The name of that track: a repetition's counters are compared by column.
  fileprivate var groupName: String {
    if case .repetition = family { return title }
    return metric
  }
}

extension AttemptID {
  /// `repetition 3`, `warm-up 1, attempt 2`.
  var shortName: String {
    "\(warmUp ? "warm-up" : "repetition") \(repetition)"
      + (attempt > 1 ? ", attempt \(attempt)" : "")
  }
}
