/// Turns raw frames into displayed values: scaled levels, or rates over the measured interval.
///
/// A `CounterAccount` decides by how much each counter grew: its rules for wraps, steps back and
/// resets are those of brackets and the ledger too. Columns are matched by name, so a new epoch
/// continues the columns that it shares with earlier layouts.
package struct Derivation: Sendable {
  /// The derived values of one frame.
  package struct Result: Sendable {
    /// In the order of the layout's columns, then of its formulas; or in the order of the requested
    /// indices. Empty for a frame without values.
    package var values: [DerivedValue] = []
    /// Nanoseconds since this collector's previous complete acquisition, nil at the first.
    package var window: UInt64?
    /// The window of rates over another time than `window`, by index in `values`: the counter was
    /// not read, or misread, at the previous acquisition. Usually empty.
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
    /// The rule of each column.
    let rules: [ValueRule]
    /// For each column, the indices of its times.
    let times: [(enabled: Int, running: Int)?]
    let formulas: FormulaSet
    /// Whether any value depends on several columns.
    let isCombined: Bool
    var account: CounterAccount
    var bracket: UInt32

    /// A stream that continues `old`.
    init(_ layout: Layout, after old: Stream?) {
      self.layout = layout
      rules = layout.columns.map { ValueRule($0) }
      times = layout.timeColumns()
      formulas = FormulaSet(layout, times)
      isCombined = !formulas.isEmpty || times.contains { $0 != nil }
      account = old?.account ?? CounterAccount()
      account.layout(layout)
      bracket = old?.bracket ?? 0
    }

    /// The derived values of one frame; see `Derivation.derive`.
    mutating func derive(
      _ header: FrameHeader, _ values: Span<UInt64>, only indices: [Int]?, raw: Bool
    ) -> Result {
      guard header.epoch == layout.epoch, values.count == layout.columns.count else {
        return Result()
      }
      // Frames of different brackets are not comparable.
      if header.edge == .open || header.bracket != bracket { account.invalidate() }
      bracket = header.bracket
      // Values that depend on several columns need all of them.
      let few = isCombined ? nil : indices
      var result = Result()
      result.window = account.lastTime.map { header.start &- $0 }
      if raw {
        account.pass(at: header.start)
      } else {
        account.observe(values, at: header.start, only: few)
      }
      // The growth of the columns, for the times of counts and for formulas; their values if `raw`.
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
      if isCombined, let indices {
        let all = result
        result.values = indices.map { all.values[$0] }
        result.windows = [:]
        for (step, index) in indices.enumerated() { result.windows[step] = all.windows[index] }
      }
      return result
    }

    private func level(_ value: UInt64, _ index: Int, _ grown: [UInt64?]) -> DerivedValue {
      guard isCombined, let indices = times[index] else {
        return Derivation.scaled(value, by: rules[index])
      }
      return CountingShare(grown, indices, least: layout.minimumRunningRatio)?
        .corrected(value, rules[index]) ?? .absent
    }

    private func rate(_ index: Int, _ window: UInt64?, _ grown: [UInt64?]) -> DerivedValue {
      let own = account.hasOwnWindows ? account.window(index) ?? window : window
      let rate = Derivation.rate(account.step(index), rule: rules[index], window: own)
      guard isCombined, let indices = times[index] else { return rate }
      return CountingShare(grown, indices, least: layout.minimumRunningRatio)?.corrected(rate)
        ?? .absent
    }

    /// The formulas' values. Amounts over another window than the frame's give none.
    private func formulaValues(
      _ values: Span<UInt64>, _ grown: [UInt64?], raw: Bool, window: UInt64?
    ) -> [DerivedValue] {
      let amounts = values.indices.map { index -> Double? in
        if raw || rules[index].isGauge { return rules[index].level(values[index]) }
        guard account.window(index) == nil else { return nil }
        return account.step(index).map { rules[index].scale.apply(Double($0)) }
      }
      let all = formulas.values(amounts, grown: grown, least: layout.minimumRunningRatio)
      return zip(layout.formulas, all).map { formula, value in
        guard let value else { return .absent }
        // An amount has a rate, like a counter; a ratio is shown as it is.
        guard !raw, formula.column.metric.kind == .counter else { return .real(value) }
        guard let window, window > 0 else { return .absent }
        return .real(value * 1e9 / Double(window))
      }
    }
  }

  /// Differences per second and scaled gauges when false; scaled cumulative values when true.
  package let raw: Bool
  /// By stream number.
  private var streams: [Stream?] = []

  /// An empty derivation.
  package init(raw: Bool) { self.raw = raw }

  /// Changes a stream's layout, continuing the columns that it shares with earlier ones.
  package mutating func layout(_ layout: Layout) {
    let number = Int(layout.stream)
    while streams.count <= number { streams.append(nil) }
    streams[number] = Stream(layout, after: streams[number])
  }

  /// Discards the state of a stream's counters.
  package mutating func invalidate(_ stream: UInt16) {
    let number = Int(stream)
    guard number < streams.count else { return }
    streams[number]?.account.invalidate()
  }

  /// The derived values of one frame; with `only`, those at the given indices, in that order. Empty
  /// for a frame without values, or of another epoch than the present one.
  package mutating func derive(
    _ header: FrameHeader, _ values: Span<UInt64>, only indices: [Int]? = nil
  ) -> Result {
    let number = Int(header.stream)
    guard number < streams.count else { return Result() }
    guard header.outcome == .complete else {
      if header.outcome == .absent { streams[number]?.account.recordSourceLoss() }
      return Result()
    }
    return streams[number]?.derive(header, values, only: indices, raw: raw) ?? Result()
  }

  /// A level, or a cumulative value, in base units: whole where it is.
  package static func scaled(_ value: UInt64, by rule: ValueRule) -> DerivedValue {
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
