import SampleModel
import Sampler

/// An arming of a `SimulatedCollector` that samples values.
final class SimulatedSampler: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.
  private let collector: SimulatedCollector
  private let shape: Int
  private let use: SimulatedArming
  private var number: UInt64 = 0

  init(_ collector: SimulatedCollector, _ shape: Int) {
    self.collector = collector
    self.shape = shape
    use = SimulatedArming(collector)
    let number = MetricDescription("acquisition", .count, .gauge, meaning: "which")
    let row = MetricDescription("row", .count, .gauge, meaning: "which of it")
    let rows = collector.plan.rows
    super.init(
      columns: collector.columns[shape],
      recordFields: rows == 0 ? nil : (name: "row", fields: [number, row], rowsPerTick: rows))
  }

  override var isOnProc: Bool { collector.isNonBlocking }

  override var hasPreparation: Bool { true }

  override func prepare() -> AcquisitionOutcome {
    use.prepare()
    return collector.hasChanged(from: shape) ? .layoutChanged : .complete
  }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    use.enter()
    var step = collector.begin()
    collector.spend(step)
    let outcome = step.gap ?? (step.shape == shape ? .complete : .layoutChanged)
    if outcome == .complete {
      if values.count != collector.columns[shape].count { collector.fault("room of another size") }
      for column in values.indices {
        values[column] = SimulatedCollector.value(step.number, column)
      }
    }
    number = step.number
    step.shape = shape
    collector.end(step, edge: edge, outcome: outcome, isCut: false, words: values.count)
    use.leave()
    return outcome
  }

  override func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount {
    use.enter()
    let count = Int(number % UInt64(collector.plan.rows + 1))
    for row in 0..<count {
      rows[row * 2] = number
      rows[row * 2 + 1] = UInt64(row)
    }
    collector.count(rows: count)
    use.leave()
    return RecordCount(rows: count, lost: 0)
  }

  override func disarm() { use.close() }
}
