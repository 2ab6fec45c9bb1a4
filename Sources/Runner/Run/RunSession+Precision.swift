import RunAnalysis
import SampleModel

/// Metrics that are to become precise, though no repetition has them.
extension RunSession {
  /// The phase without the precision that was asked for of a metric that its repetitions have not:
  /// no number of them would do.
  func withoutUnknownMetric(_ phase: MeasuredPhase) -> MeasuredPhase {
    guard let until = phase.specification.until else { return phase }
    let known = RunSummary.names(in: result.phases[phase.index])
    guard !known.isEmpty, !known.contains(until.metric) else { return phase }
    missingPrecision[until.metric, default: []].append(phase.node.name)
    var phase = phase
    phase.specification.until = nil
    return phase
  }

  /// Says which metrics were to become precise that no repetition has: of the whole run an error,
  /// of some of its phases a warning, since one setting holds for all of them.
  func notePrecision() {
    let known = Set(result.phases.flatMap(RunSummary.names))
    for (metric, phases) in missingPrecision.sorted(by: { $0.key < $1.key }) {
      let names = phases.joined(separator: ", ")
      if known.contains(metric) {
        result.warnings.append(
          "\(names): --until ci(\(metric)): no repetition has the metric \(metric); no repetitions "
            + "were added")
      } else {
        let hint = Nearest.hint(Nearest.word(to: metric, in: known.sorted()))
        note(
          LBError(
            .configuration,
            "--until ci(\(metric)): no repetition has the metric \(metric); the run ended without "
              + "adding repetitions\(hint)"))
      }
    }
  }
}
