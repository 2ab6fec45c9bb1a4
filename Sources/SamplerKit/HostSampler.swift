import Collectors
import LinuxSystem
// Results are SampleModel's values: whoever imports the kit gets them too.
@_exported public import SampleModel
import Sampler

/// Samples this host from within a program: armed once, bracketed many times.
///
/// ```swift
/// let sampler = HostSampler(.init(collectors: ["cpu", "net"], interval: .milliseconds(10)))
/// try sampler.arm()
/// try sampler.start()
/// workload()
/// let measurement = try sampler.stop()
/// print(measurement.metrics["cpu.user[all]"] ?? 0, measurement.ledger.isExact)
/// sampler.disarm()
/// ```
/// Not for two threads at once: calls come in the order arm, start, stop, …, disarm.
public final class HostSampler {
  /// What to sample, how often, and where.
  public struct Configuration: Sendable {
    /// Names of collectors: `lbsample collectors` lists them.
    public var collectors: [String]
    /// Time between two samples, at least 10 µs.
    public var interval: Duration
    /// The CPU of the sampling thread, nil for the highest allowed one.
    public var cpu: Int?
    /// Sources of the program's own, beside the collectors.
    public var sources: [any MetricSource] = []
    /// Told every frame, beside the subscribers.
    public var receivers: [any FrameReceiver] = []
    /// Mounts of the kernel's trees.
    public var procRoot: String
    /// Mounts of the kernel's trees.
    public var sysRoot: String

    /// A configuration; an unknown collector or a bad interval is an error of `arm`.
    public init(
      collectors: [String], interval: Duration = .seconds(1), cpu: Int? = nil,
      procRoot: String = "/proc", sysRoot: String = "/sys"
    ) {
      self.collectors = collectors
      self.interval = interval
      self.cpu = cpu
      self.procRoot = procRoot
      self.sysRoot = sysRoot
    }
  }

  /// What one bracket measured.
  public struct Measurement: Sendable {
    /// Each counter's difference over the bracket and each gauge's mean by time, in base units;
    /// of those that moved, `.min` and `.max` of a gauge, `.rate.mean` and others of a counter.
    public let metrics: [String: Double]
    /// Base units of the metrics: `ns`, `bytes`, `count`.
    public let units: [String: String]
    /// From the opening sample's start to the closing one's end, in nanoseconds.
    public let nanoseconds: UInt64
    /// The exact account of ticks and frames.
    public let ledger: Ledger
    /// What lbsample itself cost.
    public let overhead: Overhead
  }

  private let configuration: Configuration
  private let deltas = BracketDeltas()
  private let frameSink = FrameSink()
  private var session: SamplerSession?

  /// A sampler that is not armed yet.
  public init(_ configuration: Configuration) { self.configuration = configuration }

  deinit {
    session?.disarm()
    frameSink.finish()
  }

  /// Opens, sizes and allocates everything, and starts the sampling thread, parked.
  /// Throws `configuration` or `collectorUnavailable`.
  public func arm() throws(LBError) {
    guard session == nil else { throw LBError(.configuration, "arm: already armed") }
    guard configuration.interval < .seconds(86_400 * 365) else {
      throw LBError(.configuration, "interval \(configuration.interval): at most a year")
    }
    // Before it is reckoned with: a length far below zero has no nanoseconds in 64 bits.
    guard configuration.interval >= .microseconds(10) else {
      throw LBError(.configuration, "interval \(configuration.interval): at least 10 µs")
    }
    let parts = configuration.interval.components
    let interval = parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000
    let requests = try SourceCollector.requests(
      configuration.collectors, in: .host(), configuration.sources)
    let roots = MountRoots(proc: configuration.procRoot, sys: configuration.sysRoot)
    let placement = configuration.cpu.map { Placement.cpus([$0]) } ?? .automatic
    let cpus = try placement.resolve(roots: roots, allowed: .allowed(), workload: nil)
    var sampling = SamplerConfiguration(
      interval: UInt64(interval), cpus: cpus, context: CollectorContext(roots: roots))
    sampling.liveWithin = Self.deliveryPeriod
    let session = SamplerSession(sampling, requests: requests, sinks: [deltas, frameSink])
    try session.arm()
    // Not before: an arming that fails may be tried again, and each frame comes once.
    frameSink.add(configuration.receivers)
    self.session = session
  }

  /// Takes the opening sample and begins to sample.
  public func start() throws(LBError) { _ = try armed().start() }

  /// Takes the closing sample and gives the bracket's measurement.
  public func stop() throws(LBError) -> Measurement {
    let account = try armed().stop(sampling: true)
    return Measurement(
      metrics: deltas.metrics(), units: deltas.units,
      nanoseconds: account.closeEnd - account.openStart, ledger: account.ledger,
      overhead: account.overhead)
  }

  /// What `body` did to the host: a bracket around it. The sampler is armed.
  public func measure<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws -> (value: Value, measurement: Measurement) {
    try start()
    let value: Value
    do throws(Failure) {
      value = try body()
    } catch {
      let failure = error
      do throws(LBError) { _ = try stop() } catch {
        // The body's own error says more than that its bracket has no measurement.
      }
      throw failure
    }
    return (value, try stop())
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

  /// Lets threads, rings and descriptors go. Harmless when not armed.
  public func disarm() {
    session?.disarm()
    session = nil
    frameSink.finish()
  }

  private func armed() throws(LBError) -> SamplerSession {
    guard let session else { throw LBError(.configuration, "the sampler is not armed") }
    return session
  }
}
