import SampleModel

/// The values of one stream's columns as a scrape has them: counters that never fall but at their
/// reset, each with the time at which it began, and levels.
///
/// `CounterAccount` decides what a fall was. A wrap and a step back are therefore none here: the
/// value continues from the kernel's first one by what the counter grew.
struct CounterTotals {
  /// A counter's state; of a level only `value`.
  struct State {
    /// The raw value, continued over wraps.
    var value: UInt64 = 0
    /// The value in base units of an event that is counted for a share of the time only: the sum
    /// of its growth, each part scaled to the whole time.
    var scaled = 0.0
    /// Growth that was counted for too small a share so far.
    var pending = Share()
    /// Unix nanoseconds at which it began; nil if that is unknown.
    var created: UInt64?
    /// A value is there.
    var isKnown = false
  }

  /// Growth of a count and of its times.
  struct Share {
    var count: UInt64 = 0
    var enabled: UInt64 = 0
    var running: UInt64 = 0
  }

  /// What is known of the beginning of a counter that is there from the first reading on.
  enum Beginning {
    case unknown
    /// With the host: its boot, in Unix nanoseconds.
    case boot(UInt64)
    /// With sampling.
    case sampling(UInt64)
  }

  private(set) var layout: Layout
  private(set) var states: [State]
  private var rules: [ValueRule]
  private var times: [(enabled: Int, running: Int)?]
  private(set) var account = CounterAccount()
  private var bracket: UInt32 = 0
  /// Unix nanoseconds of the last complete reading's end, nil before the first of a bracket.
  private var lastEnd: UInt64?

  init(_ layout: Layout) {
    self.layout = layout
    states = Array(repeating: State(), count: layout.columns.count)
    rules = layout.columns.map { ValueRule($0) }
    times = layout.timeColumns()
    account.layout(layout)
  }

  /// Continues with another layout the columns that both have.
  mutating func change(to next: Layout) {
    var known: [String: State] = [:]
    for (column, state) in zip(layout.columns, states) where column.metric.kind != .gauge {
      known[column.name] = state
    }
    layout = next
    states = next.columns.map { known[$0.name] ?? State() }
    rules = next.columns.map { ValueRule($0) }
    times = next.timeColumns()
    account.layout(next)
  }

  /// The source was there no more: counters that end with it begin again when it returns.
  mutating func recordSourceLoss() { account.recordSourceLoss() }

  /// Takes a complete frame of the layout, read from `unix` (Unix nanoseconds) on.
  mutating func observe(
    _ header: FrameHeader, _ values: Span<UInt64>, at unix: UInt64, beginning: Beginning
  ) {
    if header.edge == .open || header.bracket != bracket {
      account.invalidate()
      bracket = header.bracket
      lastEnd = nil
    }
    account.observe(values, at: header.start)
    let resets = Set(account.resetColumns)
    let suspects = Set(account.suspectColumns)
    for index in states.indices {
      if rules[index].isGauge {
        states[index].value = values[index]
        states[index].isKnown = true
      } else if suspects.contains(index) {
        // Perhaps a misreading: the next frame decides, until then the last value holds.
        continue
      } else if let step = account.step(index), states[index].isKnown, !resets.contains(index) {
        states[index].value &+= step
      } else {
        begin(index, values[index], at: unix, isReset: resets.contains(index), beginning)
      }
      if times[index] != nil { scale(index) }
    }
    lastEnd = unix &+ (header.end &- header.start)
  }

  /// A counter's first value, or the first after a reset.
  private mutating func begin(
    _ index: Int, _ value: UInt64, at unix: UInt64, isReset: Bool, _ beginning: Beginning
  ) {
    let wasKnown = states[index].isKnown
    var state = State()
    state.value = value
    state.isKnown = true
    if times[index] != nil {
      state.created = unix
    } else if isReset || wasKnown || layout.columns[index].startsAtZero {
      // At some time since the reading before: the earliest that is possible.
      state.created = lastEnd
    } else {
      switch beginning {
      case .boot(let time) where layout.columns[index].metric.life == .kept: state.created = time
      case .sampling(let time): state.created = time
      case .boot, .unknown: state.created = nil
      }
    }
    states[index] = state
  }

  /// Adds the growth of a count, scaled by the share of time for which it was counted.
  private mutating func scale(_ index: Int) {
    guard let times = times[index], let count = account.step(index),
      let enabled = account.step(times.enabled), let running = account.step(times.running)
    else { return }
    states[index].pending.count &+= count
    states[index].pending.enabled &+= enabled
    states[index].pending.running &+= running
    let all = states[index].pending
    guard all.enabled > 0 else { return }
    let share = CountingShare(
      enabled: all.enabled, running: all.running, least: layout.minimumRunningRatio)
    let base = rules[index].scale.apply(Double(all.count))
    guard let whole = share.corrected(base) else { return }
    states[index].scaled += whole
    states[index].pending = Share()
  }

  /// A column's value in Prometheus' base unit; nil if there is none.
  func value(_ index: Int) -> ExposedValue? {
    let state = states[index]
    guard state.isKnown else { return nil }
    let unit = layout.columns[index].metric.unit
    if times[index] != nil { return ExposedValue(.real(state.scaled), unit) }
    return ExposedValue(Derivation.scaled(state.value, by: rules[index]), unit)
  }
}
