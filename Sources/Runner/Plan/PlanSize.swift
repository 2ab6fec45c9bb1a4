import SampleModel

/// How many phases a plan resolves to, counted from its tables alone: a short plan whose `repeat`
/// phases are within one another is refused before anything of it is expanded.
struct PlanSize {
  /// Counts beyond it are all the same.
  private let limit: Int

  /// A count that needs to be exact up to `limit`.
  init(limit: Int) { self.limit = limit }

  /// Phases below a plan's own table, those of repeats once for each combination and those that
  /// others fall back to once for each of them; `limit` + 1 of more. What `include` adds is counted
  /// when its file has been read.
  func count(_ settings: [String: PlanValue]) -> Int { count(settings, depth: 1) }

  /// The key path of the first `parameters` with more combinations than a `repeat` may have; nil
  /// if there are none.
  func excessiveParameters(
    _ settings: [String: PlanValue], keyPath: String = "", depth: Int = 1
  ) -> String? {
    guard depth <= Planner.depthLimit, case .list(let list)? = settings["phase"] else { return nil }
    for (index, value) in list.enumerated() {
      guard case .table(let phase) = value else { continue }
      let path = "\(keyPath)phase[\(index + 1)]."
      if phase["kind"]?.plain == "repeat", combinations(phase) > ParameterMatrix.limit {
        return path + "parameters"
      }
      if let found = excessiveParameters(phase, keyPath: path, depth: depth + 1) { return found }
    }
    return nil
  }

  private func count(_ settings: [String: PlanValue], depth: Int) -> Int {
    // Deeper ones are refused by the planner.
    guard depth <= Planner.depthLimit, case .list(let list)? = settings["phase"] else { return 0 }
    var tables: [(size: Int, spare: ExactText?)] = []
    var indexByName: [ExactText: Int] = [:]
    for case .table(let phase) in list {
      let combinations = phase["kind"]?.plain == "repeat" ? self.combinations(phase) : 1
      let inner = count(phase, depth: depth + 1)
      if let name = phase["name"]?.plain { indexByName[ExactText(name)] = tables.count }
      tables.append(
        (added(1, product(combinations, inner)), phase["on_failure"]?.plain.map(ExactText.init)))
    }
    let spares = Set(tables.compactMap(\.spare).compactMap { indexByName[$0] })
    var sum = 0
    for start in tables.indices where !spares.contains(start) {
      var next: Int? = start
      var chain = 0
      while let one = next, chain <= Planner.fallbackLimit {
        sum = added(sum, tables[one].size)
        next = tables[one].spare.flatMap { indexByName[$0] }
        chain += 1
      }
      if sum > limit { return sum }
    }
    return sum
  }

  /// Combinations of the parameters of a `repeat` phase; 1 where they are mistakes, which the
  /// planner names.
  private func combinations(_ phase: [String: PlanValue]) -> Int {
    guard case .table(let parameters)? = phase["parameters"] else { return 1 }
    var all = 1
    for value in parameters.values {
      switch value {
      case .list(let values): all = product(all, max(1, values.count))
      case .table(let scan):
        let count = ParameterMatrix.count(
          from: scan["from"]?.plain ?? "", to: scan["to"]?.plain ?? "",
          step: scan["step"]?.plain ?? "1")
        all = product(all, count ?? 1)
      default: break
      }
    }
    return all
  }

  private func added(_ one: Int, _ other: Int) -> Int {
    let (sum, overflow) = one.addingReportingOverflow(other)
    return overflow ? limit + 1 : min(sum, limit + 1)
  }

  private func product(_ one: Int, _ other: Int) -> Int {
    let (product, overflow) = one.multipliedReportingOverflow(by: other)
    return overflow ? limit + 1 : min(product, limit + 1)
  }
}
