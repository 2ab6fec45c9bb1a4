import RunAnalysis
package import RunStore
package import SampleModel

/// Summaries of a run whose writer was killed: its file has attempts, but no summary of them until
/// it is resumed.
extension RunReader {
  /// The run's result, with the summaries that its writer did not come to write made of the
  /// attempts. The file stays as it is. Of the attempts' metrics those that `passes`, if given,
  /// unless a summary is made of all.
  package func summarised(
    _ parts: Parts = .all, metrics passes: ((String) -> Bool)? = nil
  ) throws(LBError) -> RunResult {
    var result = try result(parts, metrics: passes)
    guard result.kind == "run", result.phases.contains(where: { $0.lacksSummary(in: result) })
    else { return result }
    // A summary is of the values.
    if !parts.contains(.metrics) || passes != nil {
      result = try self.result(parts.union(.metrics))
    }
    var units = try metricUnits()
    for entry in result.configuration where entry.key == WorkloadMetric.configurationKey {
      for metric in WorkloadMetric.named(in: entry.value) { units.add(metric.name, metric.unit) }
    }
    for index in result.phases.indices where result.phases[index].lacksSummary(in: result) {
      var phaseUnits = units
      let tool = result.phases[index].command.first
      for adapter in PhaseRegistry.adapters where adapter.tool == tool {
        for metric in adapter.metrics { phaseUnits.add(metric.name, metric.unit) }
      }
      result.phases[index].summarise(phaseUnits)
    }
    result.promoteOnlySummary()
    return result
  }
}

extension PhaseResult {
  /// Whether completed attempts are in no summary: there is none, or it was made before the run was
  /// resumed.
  fileprivate func lacksSummary(in run: RunResult) -> Bool {
    guard !metrics.isEmpty else { return hasCompleted }
    let walls = RunSummary.values(of: RunSummary.wallTime, in: self).count
    let known = metrics.first { $0.metric == RunSummary.wallTime }?.count ?? 0
    return known < walls && [.running, .waiting, .interrupted].contains(run.status)
  }

  private var hasCompleted: Bool {
    repetitions.contains { repetition in
      !repetition.warmUp && repetition.attempts.contains { $0.status == .completed }
    }
  }

  /// Summarises it as at the end of a run, with the units in the file.
  fileprivate mutating func summarise(_ units: MetricUnits) {
    metrics = RunSummary.rows(
      of: self, unit: { units.unit(of: $0) ?? "" }, running: { units.share(of: $0) })
    let attempts = repetitions.filter { !$0.warmUp }.flatMap(\.attempts)
    cleanMetrics =
      attempts.contains { !$0.contamination.isEmpty }
      ? RunSummary.rows(
        of: self, clean: true, unit: { units.unit(of: $0) ?? "" },
        running: { units.share(of: $0) }) : []
  }
}
