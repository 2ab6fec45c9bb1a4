import LinuxSystem
// Results are SampleModel's values: importing the kit imports them.
@_exported public import SampleModel
import Sampler
import Synchronization

/// Samples this host from within a program: armed by its initialiser, bracketed many times.
///
/// ```swift
/// let sampler = try HostSampler(.cpu, .net, interval: .milliseconds(10))
/// let (answer, measurement) = try sampler.measure { work() }
/// print(answer, measurement[.cpu.user.all] ?? 0, measurement.duration)
/// ```
/// Between brackets the sampling threads wait and nothing is sampled. It may be used from any
/// thread or task, and measures one body at a time. It is disarmed when nothing refers to it any
/// more, or by `disarm()`.
public final class HostSampler: Sendable {
  private struct State {
    var session: SamplerSession?
    let deltas: BracketDeltas
    /// Whether a bracket is open.
    var isOpen = false
  }

  private let state: Mutex<State>
  private let frameSink = FrameSink()

  /// Opens, sizes and allocates everything that sampling needs, and starts the sampling threads,
  /// which wait. Throws `configuration`, `collectorUnavailable` or `metricCollection`.
  public init(_ sampling: Sampling) throws(LBSampleError) {
    let deltas = BracketDeltas()
    let configuration = try sampling.configuration(
      workload: nil, maximumDeliveryLatency: Self.deliveryPeriod)
    let session = SamplerSession(
      configuration, requests: try sampling.requests().requests, sinks: [deltas, frameSink])
    try session.arm()
    state = Mutex(State(session: session, deltas: deltas))
    frameSink.add(sampling.receivers)
  }

  /// The same with these collectors, every `interval` (10 µs to a year).
  public convenience init(
    _ collectors: CollectorName..., interval: Duration = .seconds(1)
  ) throws(LBSampleError) {
    try self.init(Sampling(collectors, interval: interval))
  }

  deinit { disarm() }

  /// What `body` did to the host: a bracket around it. A body that throws leaves no bracket open.
  ///
  /// Throws `.body` with what the body threw, or `.sampling` where the bracket could not be opened
  /// or closed.
  public func measure<Value, BodyError: Error>(
    _ body: () throws(BodyError) -> Value
  ) throws(MeasurementError<BodyError>) -> (value: Value, measurement: Measurement) {
    let bracket = try opened(for: BodyError.self)
    let value: Value
    do throws(BodyError) { value = try body() } catch { throw .body(error) }
    do throws(LBSampleError) { return (value, try bracket.end()) } catch {
      throw .sampling(error)
    }
  }

  /// The same around an asynchronous body, which runs where the caller does. The thread of the
  /// caller waits while the opening and the closing sample are taken: microseconds, as a rule.
  public func measure<Value, BodyError: Error>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: () async throws(BodyError) -> Value
  ) async throws(MeasurementError<BodyError>) -> (value: Value, measurement: Measurement) {
    let bracket = try opened(for: BodyError.self)
    let value: Value
    do throws(BodyError) { value = try await body() } catch { throw .body(error) }
    do throws(LBSampleError) { return (value, try bracket.end()) } catch {
      throw .sampling(error)
    }
  }

  private func opened<BodyError: Error>(
    for body: BodyError.Type
  ) throws(MeasurementError<BodyError>) -> Bracket {
    do throws(LBSampleError) { return try begin() } catch { throw .sampling(error) }
  }

  /// Opens a bracket, for what is no closure. Throws `configuration` where one is open or the
  /// sampler is disarmed, and `metricCollection` where sampling fails.
  public func begin() throws(LBSampleError) -> Bracket {
    try state.withLock { state throws(LBError) in
      guard let session = state.session else {
        throw LBError(.configuration, "the sampler is disarmed: make a new one")
      }
      guard !state.isOpen else {
        throw LBError(
          .configuration,
          "the sampler has an open bracket already: end that first, or make a "
            + "sampler for each task that measures")
      }
      _ = try session.start()
      state.isOpen = true
    }
    return Bracket(self)
  }

  /// Takes the closing sample of the open bracket.
  func end() throws(LBSampleError) -> Measurement {
    try state.withLock { state throws(LBError) in
      guard let session = state.session else {
        throw LBError(.configuration, "the sampler was disarmed while it measured")
      }
      state.isOpen = false
      return Measurement(try session.stop(sampling: true), state.deltas)
    }
  }

  /// Nanoseconds within which frames are handed to subscribers and receivers.
  package static let deliveryPeriod: UInt64 = 100_000_000

  /// The frames from now on, as they are drained: ten times a second, or with each sample where
  /// samples are further apart. A subscriber that is slower than that loses what does not fit into
  /// `capacity`, and `lost` counts it; the drain never waits. The default holds two seconds of two
  /// collectors at 1 kHz.
  public func frames(capacity: Int = 4096) -> Subscription<FrameSnapshot> {
    frameSink.subscribe(capacity: capacity)
  }

  /// Gives up threads, rings and descriptors, and ends all subscriptions. Harmless when repeated.
  public func disarm() {
    state.withLock { state in
      state.session?.disarm()
      state.session = nil
    }
    frameSink.finish()
  }
}
