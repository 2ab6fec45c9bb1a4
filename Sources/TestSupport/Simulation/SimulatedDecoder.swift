import Glibc
import SampleModel
import Sampler

/// Decodes what a `SimulatedReader` has read.
final class SimulatedDecoder: RawDecoder {
  private let collector: SimulatedCollector
  private var shape: Int
  /// The failure that was reported last.
  private var failure: Int32 = 0

  init(_ collector: SimulatedCollector, _ shape: Int) {
    self.collector = collector
    self.shape = shape
    super.init(columns: collector.columns[shape])
  }

  override func decode(_ body: Span<UInt64>) -> Outcome {
    wantsRearm = false
    var parts = RawParts()
    guard parts.next(of: body) != nil, let front = parts.next(of: body) else {
      collector.fault("a body of \(body.count) words")
      return .gap(.malformed)
    }
    if front.failure != failure, front.failure != 0 {
      messages.append("\(collector.plan.name): the cause is \(front.failure)")
    }
    failure = front.failure
    switch front.failure {
    case 0: break
    case ENOENT: return .gap(.absent)
    case EACCES: return .gap(.denied)
    default: return .gap(.malformed)
    }
    wantsRearm = body[front.start] & SimulatedReader.rearmBit != 0
    let next = Int(body[front.start] & ~SimulatedReader.rearmBit)
    let isOther = next != shape
    if isOther {
      shape = next
      change(columns: collector.columns[next])
    }
    var count = 0
    while let part = parts.next(of: body), count < values.count {
      values[count] = body[part.start]
      count += 1
    }
    if count != values.count || body.count != (count + 2) * 3 {
      collector.fault("\(body.count) words for \(values.count) columns")
    }
    return isOther ? .valuesOfNewColumns : .values
  }
}
