package import SampleModel

/// The last reading of every collector of a session, as families of series.
///
/// A value: its reader takes a copy and formats that, while sampling continues with the original.
package struct MetricBoard: Sendable {
  /// One series of a family: a column of a stream.
  struct Series: Sendable {
    let stream: Int
    let column: Int
    /// Between the braces.
    let labels: String
  }

  /// One collector's state, for readers of the own metrics.
  struct StreamState: Sendable {
    let collector: String
    /// Nanoseconds between two readings, as configured.
    let interval: UInt64
    var totals: CounterTotals?
    /// The last acquisition; nil before the first.
    var header: FrameHeader?
    /// Unix nanoseconds of the last complete acquisition's start; nil without one.
    var readTime: UInt64?
    /// The last acquisition has values.
    var hasValues = false
    var acquisitions: UInt64 = 0
    /// Acquisitions without values, by outcome.
    var gaps: [AcquisitionOutcome: UInt64] = [:]
    /// From acquisition start to end, summed, in nanoseconds.
    var readingTime: UInt64 = 0
  }

  private(set) var streams: [StreamState] = []
  private(set) var unavailable: [UnavailableCollector] = []
  /// Events of the session, by kind.
  private(set) var events: [SampleEvent.Kind: UInt64] = [:]
  /// Unix nanoseconds of the session's arming.
  private(set) var armed: UInt64 = 0
  private var boot: UInt64 = 0
  private var anchor = ClockAnchor(monotonic: 0, realtime: 0, boottime: 0)
  private var names = FamilyNames()
  /// Families in the order in which they are written, with their series.
  private(set) var plan: [(family: MetricFamily, series: [Series])] = []
  private var isPlanned = false

  /// Nothing yet.
  package init() {}

  /// Begins with the streams of a session.
  package mutating func begin(_ meta: StreamMeta) {
    anchor = meta.anchor
    armed = meta.anchor.realtime
    boot = meta.anchor.realtime &- meta.anchor.boottime
    unavailable = meta.unavailable
    let count = meta.streams.map { Int($0.stream) + 1 }.max() ?? 0
    streams = (0..<count).map { number in
      let stream = meta.streams.first { Int($0.stream) == number }
      return StreamState(
        collector: stream?.collector ?? "",
        interval: (stream?.cadence ?? 1) &* meta.interval)
    }
  }

  /// Takes a collector's columns.
  package mutating func layout(_ layout: Layout) {
    let number = Int(layout.stream)
    guard streams.indices.contains(number) else { return }
    if streams[number].totals == nil {
      streams[number].totals = CounterTotals(layout)
    } else {
      streams[number].totals?.change(to: layout)
    }
    // Its values are those of the next frame.
    streams[number].hasValues = false
    isPlanned = false
  }

  /// Takes one acquisition.
  package mutating func frame(_ header: FrameHeader, _ values: Span<UInt64>) {
    let number = Int(header.stream)
    guard streams.indices.contains(number), header.kind == .frame else { return }
    streams[number].header = header
    streams[number].acquisitions &+= 1
    streams[number].readingTime &+= header.end &- header.start
    guard header.outcome == .complete,
      let layout = streams[number].totals?.layout, layout.epoch == header.epoch,
      layout.columns.count == values.count
    else {
      streams[number].hasValues = false
      streams[number].gaps[header.outcome, default: 0] &+= 1
      if header.outcome == .absent { streams[number].totals?.recordSourceLoss() }
      return
    }
    let time = anchor.unixTime(of: header.start)
    let beginning = beginning(of: streams[number].collector)
    streams[number].totals?.observe(header, values, at: time, beginning: beginning)
    streams[number].readTime = time
    streams[number].hasValues = true
  }

  /// Takes an event: those of clocks say how monotonic times become dates from then on.
  package mutating func event(_ event: SampleEvent) {
    if let anchor = event.anchor { self.anchor = anchor }
    if event.kind != .clockAnchor { events[event.kind, default: 0] &+= 1 }
  }

  /// Counters of these collectors count from arming on.
  private static let countsFromArming: Set<String> = ["perf", "packets"]
  /// Counters of these are sums over what comes and goes, or belong to processes and devices of
  /// their own age.
  private static let ofUnknownAge: Set<String> = [
    "tree", "top", "process", "footprint", "cgroup", "nfs", "md", "edac",
  ]

  private func beginning(of collector: String) -> CounterTotals.Beginning {
    let base = String(collector.prefix { $0 != "[" })
    if Self.countsFromArming.contains(base) { return .sampling(armed) }
    return Self.ofUnknownAge.contains(base) ? .unknown : .boot(boot)
  }

  // MARK: Series

  /// Whether the values of a stream hold at `now` (CLOCK_MONOTONIC): its last acquisition has some,
  /// and is not older than three intervals, or three minutes, since a budget makes intervals as
  /// long as one.
  package func isCurrent(_ number: Int, at now: UInt64) -> Bool {
    let stream = streams[number]
    guard stream.hasValues, let header = stream.header else { return false }
    return now <= header.start || now - header.start <= max(stream.interval &* 3, 180_000_000_000)
  }

  /// Makes the plan, unless it is of the present layouts.
  package mutating func prepare() {
    guard !isPlanned else { return }
    isPlanned = true
    var order: [String: Int] = [:]
    var series: [(family: MetricFamily, series: [Series])] = []
    var known = Set<ExactText>()
    for (number, stream) in streams.enumerated() {
      guard let layout = stream.totals?.layout else { continue }
      for (index, labels) in SeriesLabels.of(layout) {
        let column = layout.columns[index]
        let prefix = String(column.name.prefix { $0 != "." })
        guard let family = names.family(column.metric, prefix: prefix),
          // Two instances may have one text, where that has bytes that are no UTF-8.
          known.insert(ExactText("\(family.name){\(labels)")).inserted
        else { continue }
        let one = Series(stream: number, column: index, labels: labels)
        if let position = order[family.name] {
          series[position].series.append(one)
        } else {
          order[family.name] = series.count
          series.append((family, [one]))
        }
      }
    }
    plan = series
  }

  /// Writes the families whose series hold at `now`. After `prepare`.
  package func write(to writer: inout ExpositionWriter, at now: UInt64, hasTimes: Bool) {
    let current = streams.indices.map { isCurrent($0, at: now) }
    for (family, series) in plan where series.contains(where: { current[$0.stream] }) {
      writer.begin(family)
      for one in series where current[one.stream] {
        guard let totals = streams[one.stream].totals, let value = totals.value(one.column),
          let read = streams[one.stream].readTime
        else { continue }
        let created = totals.states[one.column].created
        writer.sample(
          one.labels, value,
          hasTimes ? ExpositionWriter.Times(read: read, created: created) : nil)
      }
    }
  }
}
