import SampleModel

/// What is known of the repetitions that rules look at: medians by the names of metrics, and facts
/// that no metric is.
struct FindingFacts {
  /// Repetitions that it is of.
  let repetitions: Int
  private let values: [String: Double]
  /// Of metrics that some repetitions lack, how many have them.
  private let counts: [String: Int]

  /// The median CPU time of the workload, user and system.
  static let cpuTime = "cpu_time"
  /// From the opening to the closing sample, over which host metrics grow.
  static let bracketTime = "bracket_time"
  /// CPUs of the host that are online.
  static let hostCPUs = "host_cpus"
  /// CPUs that the workload may use.
  static let workloadCPUs = "workload_cpus"
  /// CPU time on the workload's CPUs that was neither the workload's nor lbsample's.
  static let foreignTime = "foreign_time"

  /// At most this many wall times are searched for a trend and for groups, because the cost is
  /// quadratic; of a longer series, every k-th one is taken.
  static let longestSeries = 1000

  /// Facts of attempts and the summary over them.
  init(_ run: RunResult, attempts: [AttemptResult], summary: [MetricSummary]) {
    repetitions = attempts.count
    var values: [String: Double] = [:]
    var counts: [String: Int] = [:]
    for row in summary {
      values[row.metric] = row.median
      if row.count < attempts.count { counts[row.metric] = row.count }
    }
    func add(_ name: String, _ amounts: [Double?]) {
      let known = amounts.compactMap { $0 }
      guard let median = Statistics.median(known) else { return }
      values[name] = median
      counts[name] = known.count < attempts.count ? known.count : nil
    }
    add(RunSummary.wallTime, attempts.map { $0.wallNanoseconds.map { Double($0) } })
    add(
      Self.cpuTime,
      attempts.map { attempt in
        guard let user = attempt.userNanoseconds, let system = attempt.systemNanoseconds else {
          return nil
        }
        return Double(user) + Double(system)
      })
    add(
      Self.bracketTime,
      attempts.map { $0.bracketNanoseconds > 0 ? Double($0.bracketNanoseconds) : nil })
    let own = Statistics.median(
      attempts.compactMap { attempt in attempt.overhead.map { Double($0.processNanoseconds) } })
    Self.addHost(run, own: own ?? 0, to: &values)
    Self.addSeries(attempts, to: &values)
    self.values = values
    self.counts = counts
  }

  /// CPUs, and what others used of them: the number of the gate `foreign_cpu`, of the medians.
  private static func addHost(
    _ run: RunResult, own: Double, to values: inout [String: Double]
  ) {
    let online = run.host["cpus_online"].flatMap(cpus)
    values[hostCPUs] = online.map { Double($0.count) }
    let setting = run.configuration.last { $0.key == "workload.cpus" && !$0.value.isEmpty }
    let pinned = setting.flatMap { cpus($0.value) }
    let allowed = pinned ?? run.host["cpus_allowed"].flatMap(cpus) ?? online
    values[workloadCPUs] = allowed.map { Double($0.count) }
    values["\(workloadCPUs)_root"] = allowed.map { Double($0.count).squareRoot() }
    // User time includes guest time. No process of this host used the time that a hypervisor took.
    func busy(_ instance: String) -> Double? {
      guard values["cpu.user[\(instance)]"] != nil else { return nil }
      return ["user", "nice", "system", "irq", "softirq"].compactMap {
        values["cpu.\($0)[\(instance)]"]
      }.reduce(0, +)
    }
    guard let used = values[cpuTime] else { return }
    if let pinned {
      let each = pinned.compactMap { busy("\($0)") }
      // Sampling threads run on other CPUs if there are any.
      guard each.count == pinned.count else { return }
      values[foreignTime] = max(0, each.reduce(0, +) - used)
    } else if let all = busy("all") {
      values[foreignTime] = max(0, all - used - own)
    }
  }

  /// The CPUs of a list such as `0-3,8`, as the kernel writes it; nil for anything else.
  static func cpus(_ list: String) -> [Int]? {
    var cpus: [Int] = []
    for part in list.split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2,
        first >= 0, first <= last, last < 1 << 16
      else { return nil }
      cpus += Array(first...last)
    }
    return cpus.isEmpty ? nil : cpus
  }

  /// What the wall times say in their order.
  private static func addSeries(
    _ attempts: [AttemptResult], to values: inout [String: Double]
  ) {
    let all = attempts.compactMap(\.wallNanoseconds).map { Double($0) }
    let step = (all.count + longestSeries - 1) / longestSeries
    let walls = step > 1 ? stride(from: 0, to: all.count, by: step).map { all[$0] } : all
    values["repetitions"] = Double(walls.count)
    values["trend_p"] = MannKendall(walls)?.p
    let third = walls.count / 3
    values["first_third"] = Statistics.median(Array(walls.prefix(third)))
    values["last_third"] = Statistics.median(Array(walls.suffix(third)))
    guard let dip = Dip(walls), let groups = TwoGroups(walls) else { return }
    values["dip_statistic"] = dip.statistic
    values["dip_limit"] = dip.limit
    values["lower_count"] = Double(groups.lower.count)
    values["upper_count"] = Double(groups.upper.count)
    values["lower_median"] = Statistics.median(groups.lower)
    values["upper_median"] = Statistics.median(groups.upper)
  }

  // MARK: Names in formulas

  /// The value of a name.
  enum Value: Equatable {
    case known(Double)
    /// No repetition has it.
    case absent
    /// So many have it, which are too few.
    case partial(Int)
  }

  /// A metric or a fact that `fewest` repetitions have; `[*]` is the sum over instances, `[@]` the
  /// instance.
  func value(_ name: String, instance: String?, fewest: Int) -> Value {
    let names = names(name, instance: instance)
    guard !names.isEmpty else { return .absent }
    var sum = 0.0
    for name in names {
      if let count = counts[name], count < fewest { return .partial(count) }
      sum += values[name] ?? 0
    }
    return .known(sum)
  }

  private func names(_ name: String, instance: String?) -> [String] {
    let base = String(name.prefix { $0 != "[" })
    // Patterns are tried on what begins as they do: results have thousands of metrics.
    let start = String(name.prefix { $0 != "*" })
    if name.hasSuffix("[@]"), let instance {
      guard base.contains("*") else {
        let whole = "\(base)[\(instance)]"
        return values[whole] == nil ? [] : [whole]
      }
      return values.keys.filter { key in
        key.hasPrefix(start) && key.hasSuffix("[\(instance)]")
          && Glob.matches(base, String(key.prefix { $0 != "[" }))
      }
    }
    guard name.contains("*") else { return values[name] == nil ? [] : [name] }
    return values.keys.filter { key in
      key.hasPrefix(start) && key != "\(base)[all]" && Glob.matches(name, key)
    }
  }

  /// The instances of a metric, in order of their names.
  func instances(of metric: String) -> [String] {
    values.keys.filter { $0.hasPrefix("\(metric)[") && $0.hasSuffix("]") }.map {
      String($0.dropFirst(metric.utf8.count + 1).dropLast())
    }.sorted()
  }
}
