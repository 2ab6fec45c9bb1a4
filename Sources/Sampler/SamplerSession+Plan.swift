import LinuxSystem
import SampleModel

/// How often each collector is read, and what of that is said.
extension SamplerSession {
  /// Names the collectors that their cost makes slower than the session: rows without them would
  /// otherwise be a riddle.
  func slowerByDefault(_ armed: [Armed]) -> [String] {
    let slower = armed.filter { $0.cadence > 1 && $0.request.interval == nil }.map {
      let milliseconds = $0.cadence * configuration.interval / 1_000_000
      return "\($0.request.collector.description.name) every \(milliseconds) ms"
    }
    guard !slower.isEmpty else { return [] }
    return [
      "read less often, for what they cost or how slowly they move, unless told: "
        + slower.joined(separator: ", ")
    ]
  }

  /// One collector of the session as it is going to be sampled.
  struct Armed {
    let stream: Int
    let request: CollectorRequest
    var cadence: UInt64
  }

  /// Whether whoever opens and closes brackets can take the edges of these collectors itself: none
  /// can hang, and the sampling thread has no priority that the edges should have too.
  func canLendEdges(_ armed: [Armed]) -> Bool {
    configuration.priority == .other && armed.allSatisfy { $0.request.collector.cannotHang }
  }

  /// Who samples what: the collectors spread over a thread for each CPU, and those that wait each
  /// on a thread of its own behind them.
  func shared(_ armed: [Armed]) -> [[Armed]] {
    let quick = armed.filter { !$0.request.collector.waits }
    let count = min(configuration.cpus.count, quick.count)
    var shares = Array(repeating: [Armed](), count: count)
    for (place, one) in quick.enumerated() { shares[place % count].append(one) }
    return shares + armed.filter { $0.request.collector.waits }.map { [$0] }
  }

  /// The threads of those that wait take turns on the CPUs of the others.
  func cpu(ofThread index: Int) -> Int { configuration.cpus[index % configuration.cpus.count] }

  /// The cadences that keep the budget, by a few acquisitions of each collector; every change is
  /// noted.
  func fit(_ armed: [Armed], _ notes: inout [String]) -> [Armed] {
    guard let budget = configuration.budget else { return armed }
    let items = armed.map { one in
      Budget.Item(
        // Waiting costs no CPU time.
        cost: one.request.collector.waits ? 0 : table.cost(one.stream), cadence: one.cadence,
        isFixed: one.request.interval != nil)
    }
    let fitted = Budget.fit(items, interval: configuration.interval, budget: budget)
    var result = armed
    for (index, item) in fitted.enumerated() where item.cadence != armed[index].cadence {
      result[index].cadence = item.cadence
      let milliseconds = item.cadence * configuration.interval / 1_000_000
      notes.append(
        "budget: \(armed[index].request.collector.description.name) is read every "
          + "\(milliseconds) ms")
    }
    let cost = Budget.cost(fitted, interval: configuration.interval)
    if cost > budget {
      notes.append(
        "budget: cannot be kept: even so the plan costs \(Int(cost * 1e6)) ppm of a CPU, more "
          + "than \(Int(budget * 1e6))")
    }
    return result
  }

  /// Names what moves less often than it was asked for.
  func coarserThanAsked(_ armed: [Armed]) -> [String] {
    guard configuration.intervalIsWish else { return [] }
    var coarse: [String] = []
    for layout in table.layouts {
      guard let one = armed.first(where: { $0.stream == Int(layout.stream) }) else { continue }
      let period = one.cadence * configuration.interval
      let metrics = layout.columns.map(\.metric).filter { ($0.resolution ?? 0) > period }
      guard let slowest = metrics.max(by: { ($0.resolution ?? 0) < ($1.resolution ?? 0) }) else {
        continue
      }
      let count = Set(metrics.map(\.name)).count
      coarse.append(
        "\(layout.collector).\(slowest.name)\(count > 1 ? " and \(count - 1) more" : "") every "
          + "\((slowest.resolution ?? 0) / 1_000_000) ms")
    }
    guard !coarse.isEmpty else { return [] }
    return ["move less often than they are read: " + coarse.joined(separator: ", ")]
  }

  /// The time that deadlines are counted from: now, or such that they fall on multiples of the
  /// interval on the wall clock.
  func openingBase() -> UInt64 {
    let anchor = ClockWatch.read(time)
    guard configuration.aligned else { return time.monotonic() }
    return anchor.monotonic &- anchor.realtime % configuration.interval
  }

  func cadence(of request: CollectorRequest) throws(LBError) -> UInt64 {
    guard let interval = request.interval else {
      let least = request.collector.description.leastInterval
      return max(1, (least + configuration.interval - 1) / configuration.interval)
    }
    guard interval >= configuration.interval, interval % configuration.interval == 0 else {
      throw LBError(
        .configuration,
        "collector \(request.collector.description.name): its interval of \(interval) ns is not "
          + "a multiple of the session's \(configuration.interval) ns; choose a multiple")
    }
    return interval / configuration.interval
  }
}
