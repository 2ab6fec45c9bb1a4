import SampleModel

/// The repetitions of two sides that are compared, as their design puts them together.
struct ComparisonMatch {
  let design: Comparison.Design
  /// Paired: as many of `a` as of `b`, and those at one index are a pair. Several runs: one list a
  /// run. Else one list.
  let a: [[ComparedRepetition]]
  let b: [[ComparedRepetition]]
  private(set) var notes: [Comparison.Note] = []

  /// Puts two sides together. `names` are what notes call them.
  init(
    _ base: ComparedSide, _ other: ComparedSide, names: (a: String, b: String),
    _ settings: Comparison.Settings
  ) throws(LBError) {
    try Self.check(base, other)
    var notes: [Comparison.Note] = []
    func usable(_ side: ComparedSide, _ name: String) -> [[ComparedRepetition]] {
      let failed = side.phases.reduce(0) { $0 + $1.failed }
      if failed > 0 { notes.append(.failed(side: name, count: failed)) }
      let disturbed = side.phases.flatMap(\.repetitions).filter { !$0.contamination.isEmpty }
      guard !disturbed.isEmpty else { return side.phases.map(\.repetitions) }
      if settings.includesContaminated {
        notes.append(.contaminated(side: name, count: disturbed.count))
        return side.phases.map(\.repetitions)
      }
      var reasons: [String] = []
      for reason in disturbed.flatMap(\.contamination) where !reasons.contains(reason) {
        reasons.append(reason)
      }
      notes.append(.leftOut(side: name, count: disturbed.count, reasons: reasons))
      return side.phases.map { $0.repetitions.filter(\.contamination.isEmpty) }
    }
    var a = usable(base, names.a)
    var b = usable(other, names.b)
    for (side, lists) in [(base, a), (other, b)] where lists.allSatisfy(\.isEmpty) {
      guard side.phases.contains(where: { !$0.repetitions.isEmpty }) else {
        throw LBError(
          .configuration, "\(side.name): no repetition completed, so there is nothing to compare")
      }
      throw LBError(
        .gate,
        "\(side.name): all repetitions are contaminated, so none is left to compare; "
          + "compare --contaminated compares them anyway")
    }
    design = Self.design(base, other)
    switch design {
    case .paired:
      let before = a.flatMap(\.self).sorted { $0.number < $1.number }
      let after = b.flatMap(\.self).sorted { $0.number < $1.number }
      let common = Set(before.map(\.number)).intersection(after.map(\.number))
      a = [before.filter { common.contains($0.number) }]
      b = [after.filter { common.contains($0.number) }]
      for (name, left) in [
        (names.a, before.count - common.count), (names.b, after.count - common.count),
      ] where left > 0 {
        notes.append(.withoutPair(side: name, count: left))
      }
    case .runs:
      a = a.filter { !$0.isEmpty }
      b = b.filter { !$0.isEmpty }
    case .mixed, .sequential, .separate: break
    }
    if design == .paired, a.allSatisfy(\.isEmpty) {
      throw LBError(
        .gate,
        "\(base.name) and \(other.name): each pair has a contaminated repetition, so none is left "
          + "to compare; compare --contaminated compares them anyway")
    }
    if design == .runs, a.count < 2 || b.count < 2 {
      throw LBError(
        .configuration,
        "several runs a side are compared by their own spread: give at least two with repetitions "
          + "on both sides, as in A1,A2 B1,B2")
    }
    self.a = a
    self.b = b
    self.notes = notes
  }

  private static func check(_ base: ComparedSide, _ other: ComparedSide) throws(LBError) {
    for side in [base, other] {
      var seen = Set<String>()
      for one in side.phases where !seen.insert("\(one.origin)\0\(one.phase)").inserted {
        throw LBError(
          .configuration, "\(side.name): phase \(one.phase) of run \(one.run) is named twice")
      }
      let count = side.phases.map(\.repetitions.count).max() ?? 0
      guard count <= HodgesLehmann.greatestCount else {
        throw LBError(
          .configuration,
          "\(side.name) has \(count) repetitions; compare takes at most "
            + "\(HodgesLehmann.greatestCount) of a phase")
      }
    }
    for one in base.phases {
      guard other.phases.contains(where: { $0.origin == one.origin && $0.phase == one.phase })
      else { continue }
      throw LBError(
        .configuration,
        "phase \(one.phase) of run \(one.origin) is on both sides: a comparison needs two sets of "
          + "repetitions")
    }
  }

  /// The design of the repetitions, from their order in the run.
  private static func design(
    _ base: ComparedSide, _ other: ComparedSide
  ) -> Comparison.Design {
    guard base.phases.count == 1, other.phases.count == 1, let a = base.phases.first,
      let b = other.phases.first
    else { return .runs }
    guard a.origin == b.origin else { return .separate }
    func orders(_ phase: ComparedPhase) -> [Int: UInt64] {
      Dictionary(
        phase.repetitions.compactMap { one in one.order.map { (one.number, $0) } }
      ) { first, _ in first }
    }
    let (before, after) = (orders(a), orders(b))
    var blocks: [(first: UInt64, last: UInt64)] = []
    for (number, order) in before {
      guard let twin = after[number] else { continue }
      blocks.append((min(order, twin), max(order, twin)))
    }
    let byNumber = before.keys.sorted().filter { after[$0] != nil }
    blocks.sort { $0.first < $1.first }
    let inOrder = byNumber.compactMap { number in
      before[number].flatMap { order in after[number].map { min(order, $0) } }
    }
    let isInTurns =
      blocks.count > 1 && inOrder == inOrder.sorted()
      && zip(blocks, blocks.dropFirst()).allSatisfy { $0.last < $1.first }
    if isInTurns { return .paired }
    guard let firstA = before.values.min(), let lastA = before.values.max(),
      let firstB = after.values.min(), let lastB = after.values.max()
    else { return .sequential }
    return lastA < firstB || lastB < firstA ? .sequential : .mixed
  }

  /// The mean lag of `b` after `a`, as a share of the distance from one pair to the next: 0.5 where
  /// two sides take turns, 0 where they are balanced (ABBA) or not paired.
  var lag: Double {
    guard design == .paired, let before = a.first, let after = b.first, before.count > 1,
      let first = before.first?.order, let last = before.last?.order, last > first
    else { return 0 }
    let distances = zip(before, after).map { one, other in
      Double(other.order ?? 0) - Double(one.order ?? 0)
    }
    let step = Double(last - first) / Double(before.count - 1)
    return distances.reduce(0, +) / Double(distances.count) / step
  }

  /// How many repetitions, pairs or runs count on both sides.
  var counts: (a: Int, b: Int) {
    guard design != .runs else { return (a.count, b.count) }
    return (a.reduce(0) { $0 + $1.count }, b.reduce(0) { $0 + $1.count })
  }

  /// The values of a metric in all repetitions that have it.
  func values(of metric: String) -> (a: [Double], b: [Double]) {
    (
      a.flatMap { $0.compactMap { $0.value(of: metric) } },
      b.flatMap { $0.compactMap { $0.value(of: metric) } }
    )
  }

  /// What its test is of: pairs that both have it, medians of runs, or all values.
  func sample(of metric: String) -> (a: [Double], b: [Double]) {
    switch design {
    case .paired:
      var pairs: (a: [Double], b: [Double]) = ([], [])
      for (before, after) in zip(a.flatMap(\.self), b.flatMap(\.self)) {
        guard let one = before.value(of: metric), let other = after.value(of: metric) else {
          continue
        }
        pairs.a.append(one)
        pairs.b.append(other)
      }
      return pairs
    case .runs:
      func medians(_ runs: [[ComparedRepetition]]) -> [Double] {
        runs.compactMap { Statistics.median($0.compactMap { $0.value(of: metric) }) }
      }
      return (medians(a), medians(b))
    case .mixed, .sequential, .separate: return values(of: metric)
    }
  }

  /// Adds that a side's wall time, or what its first metric is, drifts or steps within a phase.
  mutating func noteTrends(of metric: String, names: (a: String, b: String)) {
    for (name, lists) in [(names.a, a), (names.b, b)] {
      for list in lists where list.count >= 10 {
        let having = list.filter { $0.value(of: metric) != nil }
        let values = having.compactMap { $0.value(of: metric) }
        // Its time grows with the square of their number.
        let steps = values.count <= 300 ? ChangePoints.find(values, alpha: 0.01) : []
        if let index = steps.first {
          notes.append(.steps(side: name, metric: metric, repetition: having[index].number))
        } else if let trend = MannKendall(values), trend.p <= 0.01 {
          notes.append(
            .drifts(side: name, metric: metric, rises: trend.statistic > 0, p: trend.p))
        }
      }
    }
  }

  /// Facts that differ between the sides, in the order of the base.
  static func differences(_ base: ComparedSide, _ other: ComparedSide) -> [Comparison.Difference] {
    var order: [String] = []
    func facts(_ side: ComparedSide) -> [String: [String]] {
      var facts: [String: [String]] = [:]
      for fact in side.phases.flatMap(\.facts) {
        if !order.contains(fact.name) { order.append(fact.name) }
        if facts[fact.name]?.contains(fact.value) != true {
          facts[fact.name, default: []].append(fact.value)
        }
      }
      return facts
    }
    let (before, after) = (facts(base), facts(other))
    // A file from before contents were recorded does not say that it had others.
    let areRecorded = (base.phases + other.phases).allSatisfy { phase in
      phase.facts.contains { ComparedFact.isOfContents($0.name) }
    }
    return order.compactMap { name in
      guard before[name] != after[name] else { return nil }
      let values = (before[name] ?? []) + (after[name] ?? [])
      if ComparedFact.isOfContents(name),
        !areRecorded || values.contains(PhaseProvenance.hidden)
      {
        return nil
      }
      return Comparison.Difference(
        name: name, a: before[name]?.joined(separator: " / "),
        b: after[name]?.joined(separator: " / "))
    }
  }
}
