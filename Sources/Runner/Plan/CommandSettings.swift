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
    // Each is read, and so checked, whether or not it applies.
    for setting in Setting.ofRuns {
      guard let key = setting.planKey, let text = table.setting(setting), !pinned.contains(key)
      else { continue }
      setting.apply(text, to: &specification)
    }
    if let directory = table.text("directory"), !pinned.contains("directory") {
      specification.directory = directory
    }
    for (name, value) in table.texts("env") ?? [:] where !pinned.contains("env.\(name)") {
      specification.environment.removeAll { $0.begins("\(name)=") }
      specification.environment.append("\(name)=\(value)")
    }
    if let text = table.text("input"), !pinned.contains("input") {
      specification.input = text == "inherit" ? .inherit : .file(text)
    }
    for key in ["retries", "idle_retries"] where !pinned.contains(key) {
      guard case .integer(let count)? = table.value(key) else { continue }
      specification.attempts.requestedAt = count > 0 ? table.keyPath(of: key) : nil
    }
    specification.inputs += table.list("depends") ?? []
    if let text = table.text("cpus") { readCPUs(text, table, &specification, pinned) }
    specification.metrics += metrics(table)
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
    Setting.ofRuns.filter(\.isOfRepetitions).compactMap(\.planKey)
    + ["metrics", "metrics_json", "depends"]

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
