import LinuxSystem
import SampleModel

/// Reads the settings of a command from a plan, a phase or a member.
package enum CommandSettings {
  /// Gives a background process no terminal, which belongs to the measured command, unless the
  /// table itself has an `input`.
  static func leaveTerminal(_ specification: inout RunSpecification, _ table: PlanTable) {
    if specification.input == .inherit, table.value("input") == nil {
      specification.input = .null
    }
  }

  /// Reads all settings except the command itself into `specification`, without those that the
  /// command line has set (`pinned`).
  package static func apply(
    _ table: PlanTable, _ specification: inout RunSpecification, pinned: Set<String>
  ) {
    func take<Value>(
      _ key: String, _ value: Value?, _ field: WritableKeyPath<RunSpecification, Value>
    ) {
      if let value, !pinned.contains(key) { specification[keyPath: field] = value }
    }
    take("repetitions", table.integer("repetitions", 1...1_000_000), \.repetitions)
    take("warmup", table.integer("warmup", 0...1_000_000), \.warmUps)
    take("cooldown", table.duration("cooldown"), \.cooldown)
    take("timeout", table.duration("timeout").map { $0 == 0 ? nil : $0 }, \.timeout)
    let idle = table.duration("idle_timeout")
    if let idle, idle > 0, idle < ActivityWatch.shortestLimit {
      table.problems.add(
        table.keyPath(of: "idle_timeout"),
        "at least 100ms: the kernel's CPU times move in steps of 10 ms")
    }
    take("idle_timeout", idle.map { $0 == 0 ? nil : $0 }, \.idleTimeout)
    take("cooldown_until_idle", table.duration("cooldown_until_idle"), \.quietLimit)
    take("settle", table.duration("settle"), \.settle)
    take("grace", table.duration("grace"), \.grace)
    take("directory", table.text("directory").map(Optional.some), \.directory)
    for (name, value) in table.texts("env") ?? [:] where !pinned.contains("env.\(name)") {
      specification.environment.removeAll { $0.begins("\(name)=") }
      specification.environment.append("\(name)=\(value)")
    }
    if let text = table.text("input") {
      take("input", text == "inherit" ? .inherit : .file(text), \.input)
    }
    if let text = table.text("workload_output") {
      let output = WorkloadOutput(text)
      if output == nil {
        table.problems.add(table.keyPath(of: "workload_output"), "expected keep, null or a file")
      }
      take("workload_output", output, \.output)
    }
    take("retries", table.integer("retries", 0...1000), \.attempts.retries)
    take(
      "idle_retries", table.integer("idle_retries", 0...1000).map(Optional.some),
      \.attempts.idleRetries)
    take("idempotent", table.boolean("idempotent"), \.attempts.isIdempotent)
    for key in ["retries", "idle_retries"] where !pinned.contains(key) {
      guard case .integer(let count)? = table.value(key) else { continue }
      specification.attempts.requestedAt = count > 0 ? table.keyPath(of: key) : nil
    }
    take(
      "max_repetitions", table.integer("max_repetitions", 1...1_000_000), \.maximumRepetitions)
    if let text = table.text("until") {
      let precision = Precision(text)
      if precision == nil {
        table.problems.add(
          table.keyPath(of: "until"), "until is \(text): expected \"ci<=1%\" or \"ci(METRIC)<=1%\"")
      }
      take("until", precision.map(Optional.some), \.until)
    }
    if let text = table.text("workspace") {
      take("workspace", WorkspacePlan(text), \.workspace)
    }
    if let keep = table.choice("keep", WorkspacePlan.Keep.allCases.map(\.rawValue)) {
      take("keep", WorkspacePlan.Keep(rawValue: keep), \.keep)
    }
    take(
      "keep_limit", table.integer("keep_limit", 0...(.max)).map { UInt64($0) }, \.keepLimit)
    specification.inputs += table.list("depends") ?? []
    if let text = table.text("reuse") {
      let age = ReuseAge.read(text)
      if age == nil {
        table.problems.add(
          table.keyPath(of: "reuse"), "reuse is \(text): expected \(ReuseAge.expectation)")
      }
      take("reuse", age, \.reuse)
    }
    if let text = table.text("cpus") { readCPUs(text, table, &specification, pinned) }
    if let text = table.text("ignore_failure") {
      let ignored = IgnoredFailures(text)
      if ignored == nil {
        table.problems.add(
          table.keyPath(of: "ignore_failure"),
          "ignore_failure is \(text): expected all, or exit codes such as \"1,2\"")
      }
      take("ignore_failure", ignored, \.ignoredFailures)
    }
    for hook in Hook.allCases {
      if let command = table.text(hook.rawValue), !pinned.contains(hook.rawValue) {
        specification.hooks[hook] = command
      }
    }
    specification.metrics += metrics(table)
    if let missing = table.choice("metric_missing", ["fail", "note"]) {
      take("metric_missing", missing == "fail", \.requiresMetrics)
    }
  }

  /// Checks the settings of a measured command against one another.
  static func checkMeasured(_ specification: RunSpecification, _ table: PlanTable) {
    if let keyPath = specification.attempts.requestedAt, !specification.attempts.isIdempotent {
      table.problems.add(
        keyPath,
        "retries need idempotent = true: add it if the workload can safely be executed more than "
          + "once")
    }
    if case .integer(1...)? = table.value("idle_retries"), specification.idleTimeout == nil {
      table.problems.add(
        table.keyPath(of: "idle_retries"),
        "idle_retries has no effect without idle_timeout: add that")
    }
    guard specification.until != nil else { return }
    if let problem = Precision.problem(
      repetitions: specification.repetitions, most: specification.maximumRepetitions)
    {
      table.problems.add(table.keyPath(of: "until"), "until needs \(problem)")
    }
  }

  /// Settings of repetitions, which have no effect on a background process.
  private static let ofRepetitions =
    [
      "repetitions", "warmup", "cooldown", "cooldown_until_idle", "settle", "timeout",
      "idle_timeout", "retries", "idle_retries", "idempotent", "until", "max_repetitions",
      "metrics", "metrics_json", "metric_missing", "depends", "reuse",
    ] + Hook.allCases.map(\.rawValue)

  /// Reports settings that have no effect on a background process.
  static func refuseRepetitions(of table: PlanTable) {
    for key in ofRepetitions where table.value(key) != nil {
      table.problems.add(
        table.keyPath(of: key),
        "\(key) has no effect on a process that runs beside what is measured")
    }
  }

  private static func readCPUs(
    _ text: String, _ table: PlanTable, _ specification: inout RunSpecification,
    _ pinned: Set<String>
  ) {
    guard let cpus = CPUSet(list: text), !cpus.isEmpty,
      cpus.subtracting(CPUSet.allowed()).isEmpty
    else {
      table.problems.add(
        table.keyPath(of: "cpus"),
        "cpus is \(text): expected a list of CPUs out of \(CPUSet.allowed())")
      return
    }
    if !pinned.contains("cpus") { specification.workloadCPUs = cpus }
  }

  private static func metrics(_ table: PlanTable) -> [WorkloadMetric] {
    func read(_ key: String, _ source: (String) -> WorkloadMetric.Source) -> [WorkloadMetric] {
      (table.list(key) ?? []).compactMap { text in
        do throws(WorkloadMetricError) {
          return try WorkloadMetric(text, source)
        } catch {
          table.problems.add(table.keyPath(of: key), "\(text): \(error.reason)")
          return nil
        }
      }
    }
    return read("metrics") { .pattern($0) } + read("metrics_json") { .json($0) }
  }
}
