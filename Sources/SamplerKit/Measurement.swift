public import SampleModel
import Sampler

extension HostSampler {
  /// What one bracket measured.
  public struct Measurement: Sendable {
    /// From the opening sample's start to the closing one's end.
    public let duration: Duration
    /// The exact account of deadlines and frames.
    public let ledger: Ledger
    /// What lbsample itself cost.
    public let overhead: Overhead
    /// Every value by its key, in base units: see the subscript.
    public let values: [MetricKey: Double]
    private let units: [String: String]

    init(_ account: BracketAccount, _ deltas: BracketDeltas) {
      duration = Duration(unsigned: account.closeEnd - account.openStart)
      ledger = account.ledger
      overhead = account.overhead
      values = Dictionary(
        deltas.values().map { (MetricKey($0.name), $0.value) }, uniquingKeysWith: { $1 })
      units = deltas.units
    }

    /// A counter's difference over the bracket, or a gauge's mean by time, in its base unit; nil
    /// where there is none. Of what moved in between, `.min` and `.max` of a gauge, and
    /// `.rate.mean` and others of a counter, have keys of their own.
    public subscript(_ key: MetricKey) -> Double? { values[key] }

    /// The base unit of a metric: `ns`, `bytes`, `count`; nil of one that was not sampled.
    public func unit(of key: MetricKey) -> String? { units[key.rawValue] }
  }

  /// An open bracket. It ends by `end()`; one that is dropped ends without a measurement.
  public struct Bracket: ~Copyable {
    private var sampler: HostSampler?

    init(_ sampler: HostSampler) { self.sampler = sampler }

    /// Takes the closing sample and gives what was measured. Throws `metricCollection` where that
    /// fails, and `configuration` where the sampler was disarmed meanwhile.
    public consuming func end() throws(LBSampleError) -> Measurement {
      guard let open = sampler else {
        throw LBError(.internal, "a bracket was ended twice")
      }
      sampler = nil
      return try open.end()
    }

    deinit {
      guard let sampler else { return }
      do throws(LBSampleError) { _ = try sampler.end() } catch {
        // No caller waits for the measurement: the next bracket throws what is wrong.
      }
    }
  }
}

/// Why there is no measurement of a body.
public enum MeasurementError<BodyError: Error>: Error {
  /// The bracket around it could not be opened or closed.
  case sampling(LBSampleError)
  /// The body threw this.
  case body(BodyError)

  /// The error itself, whichever it is.
  public var underlying: any Error {
    switch self {
    case .sampling(let error): error
    case .body(let error): error
    }
  }
}

extension MeasurementError: CustomStringConvertible {
  /// The words of the error itself.
  public var description: String { "\(underlying)" }
}
