import RunAnalysis
package import RunStore
package import SampleModel

/// A run whose writer was killed has its attempts, and no summary of them until it is resumed.
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
    for place in result.phases.indices where result.phases[place].lacksSummary(in: result) {
      var own = units
      let tool = result.phases[place].command.first
      for adapter in PhaseRegistry.adapters where adapter.tool == tool {
        for metric in adapter.metrics { own.add(metric.name, metric.unit) }
      }
      result.phases[place].summarise(own)
    }
    result.promoteOnlySummary()
    return result
  }
}

extension PhaseResult {
  /// Whether completed attempts are in no summary: there is none, or it is from before the run was
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

  /// Summarises it as at a run's end, with the units that the file has of its metrics.
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
