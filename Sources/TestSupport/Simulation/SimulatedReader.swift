import Glibc
import SampleModel
import Sampler

/// An arming of a `SimulatedCollector` whose acquisitions are raw: the number, the shape, and a
/// number for each column.
final class SimulatedReader: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.
  private let collector: SimulatedCollector
  private let shape: Int
  private let use: SimulatedArming

  /// The bit of a shape that says that sources came or went.
  static let rearmBit: UInt64 = 1 << 32

  init(_ collector: SimulatedCollector, _ shape: Int) {
    self.collector = collector
    self.shape = shape
    use = SimulatedArming(collector)
    super.init(
      decoder: SimulatedDecoder(collector, shape),
      readingWords: (collector.columns[shape].count + 2) * 3)
  }

  override var isOnProc: Bool { collector.isNonBlocking }

  override var hasPreparation: Bool { true }

  override func prepare() -> AcquisitionOutcome {
    use.prepare()
    return .complete
  }

  override func read(into body: inout RawBody) {
    use.enter()
    let step = collector.begin()
    collector.spend(step)
    body.number(step.number)
    switch step.gap {
    case .absent: body.number(0, failure: ENOENT)
    case .denied: body.number(0, failure: EACCES)
    case .some: body.number(0, failure: EIO)
    case nil:
      body.number(UInt64(step.shape) | (step.wantsRearm ? Self.rearmBit : 0))
      for column in collector.columns[step.shape].indices {
        body.number(SimulatedCollector.value(step.number, column))
      }
    }
    collector.end(
      step, edge: edge, outcome: step.gap ?? .complete, isCut: body.isCut, words: body.count)
    use.leave()
  }

  override func disarm() { use.close() }
}
