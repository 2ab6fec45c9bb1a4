/// One derived value.
package enum DerivedValue: Sendable, Equatable {
  case absent
  case integer(UInt64)
  case real(Double)

  /// The value as one type, nil when absent.
  package var number: Double? {
    switch self {
    case .absent: nil
    case .integer(let number): Double(number)
    case .real(let number): number
    }
  }
}

/// Turns raw frames into what readers see: scaled values, or rates over the measured interval.
///
/// Counters become differences by each width's wrap rule: a counter narrower than 64 bits wraps;
/// one that may step back reads as no change; any other that falls was reset, and its difference
/// is absent for that once. Columns are matched by name, so a new epoch continues what it shares
/// with the old one.
package struct Derivation: Sendable {
  /// What one frame became.
  package struct Result: Sendable {
    /// In the layout's column order, then its formulas, or of the asked places in their order;
    /// empty for a frame without values.
    package var values: [DerivedValue] = []
    /// Nanoseconds since this collector's previous complete acquisition, nil at the first.
    package var window: UInt64?

    /// All values by the names of `layout`'s columns, without those that are absent.
    package func named(_ layout: Layout) -> [String: Double] {
      var named: [String: Double] = [:]
      for (column, value) in zip(layout.shown, values) { named[column.name] = value.number }
      return named
    }
  }

  private struct Stream {
    let layout: Layout
    /// How the values of each column are read.
    let rules: [ValueRule]
    var previous: [UInt64]
    /// For each column, where the times of its count stand.
    let times: [(enabled: Int, running: Int)?]
    let formulas: FormulaSet
    /// For each column of `layout`, whether `previous` holds a value of it.
    var known: [Bool]
    var previousStart: UInt64?
    var bracket: UInt32
    /// Whether a value is put together of several columns.
    let isCombined: Bool
    /// The columns of which `previous` is kept up to date; nil for all of them.
    var kept: [Int]?

    /// Changes which columns are kept: what was passed over has nothing to be compared with.
    mutating func keep(_ places: [Int]?) {
      guard kept != places else { return }
      if let kept {
        let known = known
        self.known = Array(repeating: false, count: known.count)
        for index in kept { self.known[index] = known[index] }
      }
      kept = places
    }

    /// The values of one frame, as the derivation's `derive` says.
    mutating func derive(
      _ header: FrameHeader, _ values: Span<UInt64>, only places: [Int]?, raw: Bool
    ) -> Result {
      guard header.epoch == layout.epoch, values.count == layout.columns.count else {
        return Result()
      }
      // Of a new bracket: what came before is not comparable.
      if header.edge == .open || header.bracket != bracket {
        previousStart = nil
        for index in known.indices { known[index] = false }
      }
      // What is put together of several columns needs all of them.
      let few = isCombined ? nil : places
      keep(few)
      var result = Result()
      result.window = previousStart.map { header.start &- $0 }
      let count = few?.count ?? values.count
      result.values.reserveCapacity(count)
      // What the columns grew by, for the times of a count and for formulas; since they began where
      // levels are shown.
      var grown: [UInt64] = []
      if isCombined {
        grown = values.indices.map { raw ? values[$0] : values[$0] &- previous[$0] }
      }
      var amounts: [Double?] = []
      for step in 0..<count {
        let index = few?[step] ?? step
        let rule = rules[index]
        let value = values[index]
        let share = times[index].map {
          CountingShare(
            enabled: grown[$0.enabled], running: grown[$0.running], least: layout.leastShare)
        }
        if rule.isGauge || raw {
          result.values.append(
            share.map { $0.corrected(value, rule) } ?? Derivation.scaled(value, by: rule))
          if !formulas.isEmpty { amounts.append(rule.level(value)) }
        } else {
          let difference =
            known[index]
            ? CounterStep(from: previous[index], to: value, rule: rule).difference : nil
          let rate = Derivation.rate(difference, rule: rule, window: result.window)
          result.values.append(share.map { $0.corrected(rate) } ?? rate)
          if !formulas.isEmpty {
            amounts.append(difference.map { rule.scale.apply(Double($0)) })
          }
        }
        guard !rule.isGauge else { continue }
        previous[index] = value
        known[index] = true
      }
      if !formulas.isEmpty {
        result.values += formulas.values(
          amounts, grown: grown, least: layout.leastShare
        ).map {
          $0.map(DerivedValue.real) ?? .absent
        }
      }
      if isCombined, let places { result.values = places.map { result.values[$0] } }
      previousStart = header.start
      bracket = header.bracket
      return result
    }
  }

  /// Differences per second and scaled gauges when false; scaled cumulative values when true.
  package let raw: Bool
  /// By the streams' numbers.
  private var streams: [Stream?] = []

  /// A derivation that has seen nothing.
  package init(raw: Bool) { self.raw = raw }

  /// Takes a new layout, keeping what is known of columns that it shares with the last one.
  package mutating func layout(_ layout: Layout) {
    let times = layout.timePlaces()
    let formulas = FormulaSet(layout, times)
    var next = Stream(
      layout: layout, rules: layout.columns.map { ValueRule($0.metric) },
      previous: Array(repeating: 0, count: layout.columns.count),
      times: times, formulas: formulas,
      known: Array(repeating: false, count: layout.columns.count), previousStart: nil, bracket: 0,
      isCombined: !formulas.isEmpty || times.contains { $0 != nil })
    let number = Int(layout.stream)
    while streams.count <= number { streams.append(nil) }
    if var old = streams[number] {
      old.keep(nil)
      next.bracket = old.bracket
      next.previousStart = old.previousStart
      var places: [String: Int] = [:]
      for (place, column) in old.layout.columns.enumerated() { places[column.name] = place }
      for (place, column) in layout.columns.enumerated() {
        guard let before = places[column.name], old.known[before] else { continue }
        next.previous[place] = old.previous[before]
        // A part of a sum may have come or gone with the layout.
        next.known[place] = !column.metric.isSum
      }
    }
    streams[number] = next
  }

  /// Nothing is known any more of a stream's counters.
  package mutating func forget(_ stream: UInt16) {
    let number = Int(stream)
    guard number < streams.count, let count = streams[number]?.known.count else { return }
    streams[number]?.previousStart = nil
    streams[number]?.known = Array(repeating: false, count: count)
  }

  /// The derived values of one frame; of them those at `places` only, in that order, if given. A
  /// frame of an epoch that is no longer in force, or one without values, gives none.
  package mutating func derive(
    _ header: FrameHeader, _ values: Span<UInt64>, only places: [Int]? = nil
  ) -> Result {
    let number = Int(header.stream)
    guard number < streams.count, header.outcome == .complete else { return Result() }
    return streams[number]?.derive(header, values, only: places, raw: raw) ?? Result()
  }

  private static func scaled(_ value: UInt64, by rule: ValueRule) -> DerivedValue {
    if rule.isSigned, value >> 63 == 1 { return .real(rule.level(value)) }
    return rule.scale.exactly(value).map(DerivedValue.integer)
      ?? .real(rule.scale.apply(Double(value)))
  }

  private static func rate(
    _ difference: UInt64?, rule: ValueRule, window: UInt64?
  ) -> DerivedValue {
    guard let difference, let window, window > 0 else { return .absent }
    let base = rule.scale.apply(Double(difference))
    // Time per time is a fraction; everything else is per second.
    return .real(rule.isTime ? base / Double(window) : base * 1e9 / Double(window))
  }
}

/// For how much of the time a count was kept: less than all of it where there are more events than
/// the processor has counters.
package struct CountingShare: Sendable {
  /// Nanoseconds for which it was to be counted, and was.
  package let enabled: UInt64
  package let running: UInt64
  /// The least share of the time that a count is scaled from.
  package let least: Double

  /// A share of two times.
  package init(enabled: UInt64, running: UInt64, least: Double) {
    self.enabled = enabled
    self.running = running
    self.least = least
  }

  /// What the count stands for, as perf scales it: nothing is known of what never ran, and too
  /// little of what ran too seldom.
  package func corrected(_ value: Double) -> Double? {
    if running == enabled { return value }
    let share = Double(running) / Double(enabled)
    return running == 0 || share < least ? nil : value / share
  }

  fileprivate func corrected(_ value: UInt64, _ rule: ValueRule) -> DerivedValue {
    if running == enabled, let exact = rule.scale.exactly(value) { return .integer(exact) }
    return corrected(rule.scale.apply(Double(value))).map(DerivedValue.real) ?? .absent
  }

  fileprivate func corrected(_ value: DerivedValue) -> DerivedValue {
    guard case .real(let number) = value else { return value }
    return corrected(number).map(DerivedValue.real) ?? .absent
  }
}

/// How a counter moved between two readings.
package enum CounterStep: Equatable {
  case forward(UInt64)
  /// It fell a little, as the kernel is known to let it.
  case back
  /// It fell otherwise: what it counts was made anew.
  case reset

  /// What it grew by: nothing when it stepped back, nil when it was reset.
  package var difference: UInt64? {
    switch self {
    case .forward(let difference): difference
    case .back: 0
    case .reset: nil
    }
  }

  /// The step from `old` to `new` by the metric's width and its licence to step back.
  package init(from old: UInt64, to new: UInt64, metric: MetricDescription) {
    self.init(from: old, to: new, rule: ValueRule(metric))
  }

  /// The same by the metric's rule.
  package init(from old: UInt64, to new: UInt64, rule: ValueRule) {
    if new >= old {
      self = .forward(new - old)
    } else if rule.mayStepBack {
      self = .back
    } else if rule.width < 64 {
      let difference = (new &- old) & ((1 << UInt64(rule.width)) - 1)
      // A part of a sum that wrapped leaves a small step; one that vanished took all it had.
      let isLoss = rule.isSum && difference >> UInt64(rule.width - 1) != 0
      self = isLoss ? .reset : .forward(difference)
    } else {
      self = .reset
    }
  }
}
