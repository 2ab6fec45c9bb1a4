import RunAnalysis
import SampleModel

/// Metrics of `--until` that no repetition has.
extension RunSession {
  /// The phase without its `until`, if its repetitions do not have the metric: more repetitions
  /// would not help.
  func withoutUnknownMetric(_ phase: MeasuredPhase) -> MeasuredPhase {
    guard let until = phase.specification.until else { return phase }
    let known = RunSummary.names(in: result.phases[phase.index])
    guard !known.isEmpty, !known.contains(until.metric) else { return phase }
    missingPrecision[until.metric, default: []].append(phase.node.name)
    var phase = phase
    phase.specification.until = nil
    return phase
  }

  /// Reports metrics of `until` that repetitions do not have: an error where no phase has them, a
  /// warning where some phases have them, since one setting may be for all phases.
  func reportMissingPrecision() {
    let known = Set(result.phases.flatMap(RunSummary.names))
    for (metric, phases) in missingPrecision.sorted(by: { $0.key < $1.key }) {
      let names = phases.joined(separator: ", ")
      if known.contains(metric) {
        result.warnings.append(
          "\(names): --until ci(\(metric)): no repetition has the metric \(metric); no repetitions "
            + "were added")
      } else {
        let hint = Nearest.hint(Nearest.word(to: metric, in: known.sorted()))
        record(
          LBError(
            .configuration,
            "--until ci(\(metric)): no repetition has the metric \(metric); the run ended without "
              + "adding repetitions\(hint)"))
      }
    }
  }
}
