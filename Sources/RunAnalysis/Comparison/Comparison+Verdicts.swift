package import SampleModel

extension Comparison {
  /// Compares each of `others` with `base`; notes call the sides by letters from A on. `noise` is
  /// what is known of how much runs of the same differ on their host. Throws where sides cannot be
  /// compared at all.
  package init(
    base: ComparedSide, others: [ComparedSide], settings: Settings = Settings(),
    noise: SessionNoise = SessionNoise([])
  ) throws(LBError) {
    var works: [PairWork] = []
    for (index, other) in others.enumerated() {
      works.append(try PairWork(base, other, index: index, settings))
    }
    let known = works.reduce(into: Set<String>()) { $0.formUnion($1.names) }
    for pattern in settings.primary where !Settings.standardPrimary.contains(pattern) {
      guard !known.contains(where: { Glob.matches(pattern, $0) }) else { continue }
      throw LBError(
        .configuration,
        "--primary \(pattern): no metric of these runs matches"
          + Nearest.hint(Nearest.word(to: pattern, in: known.sorted())))
    }
    // A family is of all sides together.
    let primary = works.flatMap { $0.primary.compactMap { $0.row.test?.p } }
    var adjusted = Multiplicity.holm(primary)[...]
    for index in works.indices {
      works[index].decidePrimary(&adjusted, of: primary.count, settings)
    }
    let values = works.flatMap { $0.others.compactMap { $0.row.test?.p } }
    let rates = Multiplicity.benjaminiHochberg(values)
    let listed = settings.listedRate(ofRuns: works.contains { $0.match.design == .runs })
    let found = rates.count { $0 <= listed }
    // What one more would have needed.
    let reached = listed * min(1, Double(found + 1) / Double(max(1, values.count)))
    var left = rates[...]
    for index in works.indices {
      works[index].decideOthers(&left, listed: listed, alpha: reached, settings)
    }
    self.settings = settings
    self.base = base
    pairs = works.map { $0.pair(noise) }
  }

  /// `A`, `B`, … `Z`, then numbers: what the sides are called.
  package static func letter(_ index: Int) -> String {
    guard index < 26 else { return "\(index + 1)" }
    return String(UnicodeScalar(UInt8(ascii: "A") + UInt8(index)))
  }
}

/// A comparison of two sides under way.
private struct PairWork {
  let other: ComparedSide
  let match: ComparisonMatch
  let differences: [Comparison.Difference]
  var primary: [ComparedMetric] = []
  var others: [ComparedMetric] = []
  var notComparable: [Comparison.Row] = []
  var neverMoved: [String] = []
  var belowResolution: [String] = []
  /// All metrics that either side has.
  let names: Set<String>
  /// The lag of the other side after the base, as a share of the distance from pair to pair.
  private let lag: Double

  init(
    _ base: ComparedSide, _ other: ComparedSide, index: Int, _ settings: Comparison.Settings
  ) throws(LBError) {
    self.other = other
    let letters = (a: Comparison.letter(0), b: Comparison.letter(index + 1))
    var match = try ComparisonMatch(base, other, names: letters, settings)
    differences = ComparisonMatch.differences(base, other)
    let phases = base.phases + other.phases
    names = phases.flatMap(\.repetitions).reduce(into: []) { $0.formUnion($1.values.keys) }
    if names.contains(RunSummary.wallTime) {
      match.noteTrends(of: RunSummary.wallTime, names: letters)
    }
    self.match = match
    lag = match.lag
    let unitsA = Self.units(base)
    let unitsB = Self.units(other)
    let resolutions = phases.reduce(into: [String: Double]()) {
      $0.merge($1.resolutions) { max($0, $1) }
    }
    for name in names.sorted() {
      let isPrimary = settings.primary.contains { Glob.matches($0, name) }
      let unit = unitsA[name] ?? unitsB[name] ?? ""
      let row = Comparison.Row(name, unit, isPrimary: isPrimary)
      add(row, otherUnit: unitsB[name] ?? unit, resolutions[name] ?? 0)
    }
    // In the order in which they were asked for.
    let order = settings.primary
    func rank(_ name: String) -> Int {
      order.firstIndex { Glob.matches($0, name) } ?? order.count
    }
    primary.sort { (rank($0.row.metric), $0.row.metric) < (rank($1.row.metric), $1.row.metric) }
    test()
  }

  private static func units(_ side: ComparedSide) -> [String: String] {
    side.phases.reduce(into: [:]) { units, phase in
      units.merge(phase.units) { first, _ in first }
    }
  }

  /// Adds a metric to its family, or returns why it is in none. This filter does not depend on
  /// which value belongs to which side, so that it does not increase the error rate (Bourgon,
  /// Gentleman and Huber, PNAS 107, 2010).
  private mutating func add(_ row: Comparison.Row, otherUnit: String, _ resolution: Double) {
    var row = row
    let values = match.values(of: row.metric)
    row.a = Comparison.Level(values.a)
    row.b = Comparison.Level(values.b)
    let sample = match.sample(of: row.metric)
    if let why = Self.incomparable(row, otherUnit, sample) {
      row.verdict = .notComparable
      row.why = why
      notComparable.append(row)
      return
    }
    let all = values.a + values.b
    let spread = (all.max() ?? 0) - (all.min() ?? 0)
    if !row.isPrimary {
      if spread == 0 {
        neverMoved.append(row.metric)
        return
      }
      if spread <= 2 * resolution {
        belowResolution.append(row.metric)
        return
      }
    }
    let metric = ComparedMetric(
      row, sample, isPaired: match.design == .paired, lag: lag, resolution: resolution)
    if row.isPrimary { primary.append(metric) } else { others.append(metric) }
  }

  private static func incomparable(
    _ row: Comparison.Row, _ otherUnit: String, _ sample: (a: [Double], b: [Double])
  ) -> String? {
    if row.a == nil, row.b == nil { return "only repetitions that are left out have it" }
    if row.b == nil { return "measured only in A" }
    if row.a == nil { return "not measured in A" }
    if row.unit != otherUnit { return "its unit is \(row.unit) of A and \(otherUnit) here" }
    if sample.a.isEmpty || sample.b.isEmpty { return "no pair of repetitions has it on both sides" }
    return nil
  }

  // MARK: Tests

  private mutating func test() {
    let design = match.design
    for index in primary.indices {
      if design == .runs {
        primary[index].estimate = primary[index].mean()
        Self.take("t of run medians", floor: 0, &primary[index])
      } else {
        Self.testRanks(design, &primary[index])
      }
    }
    for index in others.indices {
      others[index].estimate = others[index].mean()
      guard design == .runs, let estimate = others[index].estimate else { continue }
      // A few medians of small counts are often nearly the same by chance.
      others[index].isRounded = estimate.variance < others[index].rounding
      others[index].estimate = estimate.bounded(below: others[index].rounding)
    }
    for group in groups().values {
      let moderated = TEstimate.moderate(group.compactMap { others[$0].estimate })
      for (index, estimate) in zip(group, moderated) { others[index].estimate = estimate }
    }
    let name = design == .runs ? "moderated t of run medians" : "moderated t"
    for index in others.indices {
      Self.take(name, floor: design == .runs ? 0 : others[index].floor, &others[index])
    }
  }

  /// Metrics whose variances are of a kind: those of a collector, on one scale; where these are
  /// few, the few of all collectors.
  private func groups() -> [String: [Int]] {
    let fewest = 10
    var groups: [String: [Int]] = [:]
    for index in others.indices where others[index].estimate != nil {
      let collector = others[index].row.metric.prefix { $0 != "." }
      groups["\(collector) \(others[index].isRatio)", default: []].append(index)
    }
    for (name, indices) in groups.sorted(by: { $0.key < $1.key }) where indices.count < fewest {
      groups[name] = nil
      let isRatio = indices.first.map { others[$0].isRatio } ?? true
      groups[" \(isRatio)", default: []] += indices
    }
    return groups
  }

  private static func testRanks(_ design: Comparison.Design, _ metric: inout ComparedMetric) {
    guard let shift = metric.ranked() else { return }
    metric.shift = shift
    metric.row.effect = metric.effect(
      shift.shift, shift.interval(confidence: 0.95), shift.interval(confidence: 0.9))
    let name = design == .paired ? "Wilcoxon signed rank" : "Mann-Whitney"
    metric.row.test = Comparison.Test(
      name: name, p: shift.p, floor: shift.floor, adjusted: shift.p)
  }

  /// Tests by the estimate, if there is one. `floor` is the smallest p of the rank test that may
  /// veto the finding: a hypothesis that it always vetoes is not tested.
  private static func take(_ name: String, floor: Double, _ metric: inout ComparedMetric) {
    guard let estimate = metric.estimate else { return }
    metric.row.effect = metric.effect(
      estimate.estimate, estimate.interval(confidence: 0.95), estimate.interval(confidence: 0.9))
    guard floor <= Comparison.vetoAlpha else { return }
    // Without any variation t is infinite: the smallest p of the rank test is used instead.
    let isBounded = estimate.standardError > 0 || estimate.estimate == 0
    let least = metric.floor
    guard isBounded, !metric.isRounded || estimate.p >= least else {
      let why = metric.isRounded ? "no more varies than rounding does" : "nothing varies"
      metric.row.test = Comparison.Test(
        name: "least p of a rank test, since \(why) (\(name))", p: least, floor: least,
        adjusted: least)
      return
    }
    metric.row.test = Comparison.Test(
      name: name, p: estimate.p, floor: nil, adjusted: estimate.p)
  }

  // MARK: Verdicts

  mutating func decidePrimary(
    _ adjusted: inout ArraySlice<Double>, of count: Int, _ settings: Comparison.Settings
  ) {
    let alpha = settings.alpha / Double(max(1, count))
    for index in primary.indices {
      guard primary[index].row.test != nil, let value = adjusted.popFirst() else {
        primary[index].row.why = "too few repetitions"
        continue
      }
      primary[index].row.test?.adjusted = value
      Self.decide(&primary[index], isChanged: value <= settings.alpha, settings)
      if let shift = primary[index].shift {
        Self.tellPower(&primary[index], shift, alpha, settings)
      } else if let estimate = primary[index].estimate {
        Self.tellPower(&primary[index], estimate, alpha, settings)
      }
    }
  }

  mutating func decideOthers(
    _ rates: inout ArraySlice<Double>, listed: Double, alpha: Double,
    _ settings: Comparison.Settings
  ) {
    for index in others.indices {
      var isChanged = false
      if others[index].row.test != nil, let rate = rates.popFirst() {
        others[index].row.test?.adjusted = rate
        isChanged = rate <= listed
        if isChanged, let why = Self.veto(others[index]) {
          isChanged = false
          others[index].row.why = why
        }
      }
      Self.decide(&others[index], isChanged: isChanged, settings)
      if let estimate = others[index].estimate {
        Self.tellPower(&others[index], estimate, alpha, settings)
      }
      let row = others[index].row
      if row.test == nil, row.verdict == .undecided {
        let fewest = ComparedMetric.fewest(Comparison.vetoAlpha, isPaired: match.design == .paired)
        others[index].row.why = "too few repetitions"
        others[index].row.needs = max(
          row.needs ?? 1, fewest - others[index].count)
      }
    }
  }

  /// Why a finding of the moderated t is rejected; nil where the rank test agrees.
  private static func veto(_ metric: ComparedMetric) -> String? {
    guard let rank = metric.rankTest(), let effect = metric.row.effect else {
      return "there is no rank test of it"
    }
    let difference = rank.statistic - rank.expected
    if difference * effect.value < 0 { return "the rank test has the opposite sign" }
    // So few runs that no p is that small have to be apart altogether. Powers are not exact.
    guard rank.p <= max(Comparison.vetoAlpha, metric.floor * (1 + 1e-9)) else {
      return "the rank test does not find it"
    }
    return nil
  }

  private static func decide(
    _ metric: inout ComparedMetric, isChanged: Bool, _ settings: Comparison.Settings
  ) {
    if isChanged, !metric.exceedsResolution {
      metric.row.why = "its source counts in steps, and the difference is no more than one"
    } else if isChanged, metric.isDrift(metric.shift?.shift ?? metric.estimate?.estimate ?? 0) {
      metric.row.why = "it drifts from repetition to repetition by as much as the sides differ"
    } else if isChanged {
      metric.row.verdict = .changed
    } else if let narrow = metric.row.effect?.narrow, metric.row.why == nil,
      metric.isSame(narrow, margin: settings.margin)
    {
      metric.row.verdict = .same
    } else {
      metric.row.verdict = .undecided
    }
  }

  private static func tellPower(
    _ metric: inout ComparedMetric, _ shift: HodgesLehmann, _ alpha: Double,
    _ settings: Comparison.Settings
  ) {
    let freedom = Double(metric.isPaired ? metric.count - 1 : metric.a.count + metric.b.count - 2)
    if let interval = shift.interval(confidence: 0.95), freedom > 0 {
      // The half width of the interval in standard errors, larger for few values.
      let wide = 2 * StudentT.upperQuantile(0.025, freedom: freedom)
      metric.tellPower(
        standardError: (interval.high - interval.low) / wide, freedom: freedom, alpha: alpha,
        margin: settings.margin, estimate: shift.shift)
    }
    guard metric.row.verdict == .undecided, shift.floor > alpha else { return }
    let fewest = ComparedMetric.fewest(alpha, isPaired: metric.isPaired)
    metric.row.why = "so few repetitions cannot prove a change"
    metric.row.needs = max(metric.row.needs ?? 1, fewest - metric.count)
  }

  private static func tellPower(
    _ metric: inout ComparedMetric, _ estimate: TEstimate, _ alpha: Double,
    _ settings: Comparison.Settings
  ) {
    metric.tellPower(
      standardError: estimate.standardError, freedom: estimate.freedom, alpha: alpha,
      margin: settings.margin, estimate: estimate.estimate)
  }

  /// What has been found, where runs of the same differ by `noise`.
  func pair(_ noise: SessionNoise) -> Comparison.Pair {
    let isOfSessions = match.design == .separate
    func completed(_ row: Comparison.Row) -> Comparison.Row {
      var row = row
      if isOfSessions { row.betweenSessions = noise.bound(of: row.metric) }
      return row
    }
    let isPossible = others.isEmpty || others.contains { $0.row.test != nil }
    let lone = notComparable.sorted { $0.metric < $1.metric }
    return Comparison.Pair(
      other: other, design: match.design, counts: match.counts, differences: differences,
      notes: match.notes,
      rows: primary.map { completed($0.row) } + lone.filter(\.isPrimary)
        + others.map { completed($0.row) }
        + lone.filter { !$0.isPrimary },
      neverMoved: neverMoved, belowResolution: belowResolution,
      fewestForFindings: isPossible
        ? nil
        : ComparedMetric.fewest(Comparison.vetoAlpha, isPaired: match.design == .paired),
      sessionPairs: isOfSessions ? noise.pairs(of: RunSummary.wallTime) : nil)
  }
}

extension Comparison {
  /// A rank test with a p above this vetoes a change that the moderated t has found.
  static let vetoAlpha = 0.05
}
