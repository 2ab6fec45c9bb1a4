/// Turns raw frames into what readers see: scaled values, or rates over the measured interval.
///
/// A `CounterAccount` decides by how much each counter grew: its rules for wraps, steps back and
/// resets are those of brackets and the ledger too. Columns are matched by name, so a new epoch
/// continues what it shares with the layouts before it.
package struct Derivation: Sendable {
  /// What one frame became.
  package struct Result: Sendable {
    /// In the layout's column order, then its formulas, or of the asked places in their order;
    /// empty for a frame without values.
    package var values: [DerivedValue] = []
    /// Nanoseconds since this collector's previous complete acquisition, nil at the first.
    package var window: UInt64?
    /// For rates over another time than `window`, by their place in `values`, that time: the
    /// counter was not read, or misread, at the acquisition before. Empty as a rule.
    package var windows: [Int: UInt64] = [:]

    /// All values by the names of `layout`'s columns, without those that are absent.
    package func named(_ layout: Layout) -> [String: Double] {
      var named: [String: Double] = [:]
      for (column, value) in zip(layout.shown, values) { named[column.name] = value.number }
      return named
    }

    /// The same by the keys of the columns.
    package func keyed(_ layout: Layout) -> [MetricKey: Double] {
      var keyed: [MetricKey: Double] = [:]
      for (column, value) in zip(layout.shown, values) {
        keyed[MetricKey(column.name)] = value.number
      }
      return keyed
    }
  }

  private struct Stream {
    let layout: Layout
    /// How the values of each column are read.
    let rules: [ValueRule]
    /// For each column, where the times of its count stand.
    let times: [(enabled: Int, running: Int)?]
    let formulas: FormulaSet
    /// Whether a value is put together of several columns.
    let isCombined: Bool
    var account: CounterAccount
    var bracket: UInt32

    /// A stream that continues what `old` knows.
    init(_ layout: Layout, after old: Stream?) {
      self.layout = layout
      rules = layout.columns.map { ValueRule($0) }
      times = layout.timePlaces()
      formulas = FormulaSet(layout, times)
      isCombined = !formulas.isEmpty || times.contains { $0 != nil }
      account = old?.account ?? CounterAccount()
      account.layout(layout)
      bracket = old?.bracket ?? 0
    }

    /// The values of one frame, as the derivation's `derive` says.
    mutating func derive(
      _ header: FrameHeader, _ values: Span<UInt64>, only places: [Int]?, raw: Bool
    ) -> Result {
      guard header.epoch == layout.epoch, values.count == layout.columns.count else {
        return Result()
      }
      // Of a new bracket: what came before is not comparable.
      if header.edge == .open || header.bracket != bracket { account.forget() }
      bracket = header.bracket
      // What is put together of several columns needs all of them.
      let few = isCombined ? nil : places
      var result = Result()
      result.window = account.lastTime.map { header.start &- $0 }
      if raw {
        account.pass(at: header.start)
      } else {
        account.observe(values, at: header.start, only: few)
      }
      // What the columns grew by, for the times of a count and for formulas; since they began where
      // levels are shown.
      var grown: [UInt64?] = []
      if isCombined {
        grown = values.indices.map { raw ? values[$0] : account.step($0) }
      }
      let count = few?.count ?? values.count
      result.values.reserveCapacity(count)
      for step in 0..<count {
        let index = few?[step] ?? step
        let derived =
          raw || rules[index].isGauge
          ? level(values[index], index, grown) : rate(index, result.window, grown)
        result.values.append(derived)
        if account.hasOwnWindows { result.windows[step] = account.window(index) }
      }
      if !formulas.isEmpty {
        result.values += formulaValues(values, grown, raw: raw, window: result.window)
      }
      if isCombined, let places {
        let all = result
        result.values = places.map { all.values[$0] }
        result.windows = [:]
        for (step, place) in places.enumerated() { result.windows[step] = all.windows[place] }
      }
      return result
    }

    private func level(_ value: UInt64, _ index: Int, _ grown: [UInt64?]) -> DerivedValue {
      guard isCombined, let places = times[index] else {
        return Derivation.scaled(value, by: rules[index])
      }
      return CountingShare(grown, places, least: layout.leastShare)?
        .corrected(value, rules[index]) ?? .absent
    }

    private func rate(_ index: Int, _ window: UInt64?, _ grown: [UInt64?]) -> DerivedValue {
      let own = account.hasOwnWindows ? account.window(index) ?? window : window
      let rate = Derivation.rate(account.step(index), rule: rules[index], window: own)
      guard isCombined, let places = times[index] else { return rate }
      return CountingShare(grown, places, least: layout.leastShare)?.corrected(rate) ?? .absent
    }

    /// The formulas' values. Amounts of another time than the frame's make none.
    private func formulaValues(
      _ values: Span<UInt64>, _ grown: [UInt64?], raw: Bool, window: UInt64?
    ) -> [DerivedValue] {
      let amounts = values.indices.map { index -> Double? in
        if raw || rules[index].isGauge { return rules[index].level(values[index]) }
        guard account.window(index) == nil else { return nil }
        return account.step(index).map { rules[index].scale.apply(Double($0)) }
      }
      let all = formulas.values(amounts, grown: grown, least: layout.leastShare)
      return zip(layout.formulas, all).map { formula, value in
        guard let value else { return .absent }
        // An amount, as counters are, has a rate; a ratio of amounts is one.
        guard !raw, formula.column.metric.kind == .counter else { return .real(value) }
        guard let window, window > 0 else { return .absent }
        return .real(value * 1e9 / Double(window))
      }
    }
  }

  /// Differences per second and scaled gauges when false; scaled cumulative values when true.
  package let raw: Bool
  /// By the streams' numbers.
  private var streams: [Stream?] = []

  /// A derivation that has seen nothing.
  package init(raw: Bool) { self.raw = raw }

  /// Takes a new layout, keeping what is known of columns that it shares with those before it.
  package mutating func layout(_ layout: Layout) {
    let number = Int(layout.stream)
    while streams.count <= number { streams.append(nil) }
    streams[number] = Stream(layout, after: streams[number])
  }

  /// Nothing is known any more of a stream's counters.
  package mutating func forget(_ stream: UInt16) {
    let number = Int(stream)
    guard number < streams.count else { return }
    streams[number]?.account.forget()
  }

  /// The derived values of one frame; of them those at `places` only, in that order, if given. A
  /// frame of an epoch that is not in force, or one without values, gives none.
  package mutating func derive(
    _ header: FrameHeader, _ values: Span<UInt64>, only places: [Int]? = nil
  ) -> Result {
    let number = Int(header.stream)
    guard number < streams.count else { return Result() }
    guard header.outcome == .complete else {
      if header.outcome == .absent { streams[number]?.account.lose() }
      return Result()
    }
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
