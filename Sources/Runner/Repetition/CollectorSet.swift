import LinuxSystem
package import Logging
package import SampleModel
package import Sampler

/// The result of a bracket.
package struct BracketOutcome: Sendable {
  package var account: BracketAccount
  /// Metrics over the bracket, in base units, in layout order.
  package var values: [(name: String, value: Double)]
  /// Whether it was sampled; otherwise the account has only its times.
  package var isSampled = true
  /// The error that ended the sampling within it, where no collector was required.
  package var failure: LBError?
  /// The values by name.
  package var metrics: [String: Double] {
    Dictionary(values.map { ($0.name, $0.value) }) { _, last in last }
  }

  /// A bracket with this account and these metrics.
  package init(account: BracketAccount, values: [(name: String, value: Double)]) {
    self.account = account
    self.values = values
  }
}

/// The collectors of a run: armed once, started and stopped for each bracket, disarmed at the end.
package protocol CollectorLifecycle: AnyObject {
  /// Opens and allocates everything that sampling needs. Called once in a run.
  func arm() throws(LBError)
  /// Sets the process whose tree the next bracket samples.
  func aim(at workload: Int32)
  /// The number of the bracket that the next `start` opens.
  var nextBracket: UInt32 { get }
  /// Takes the opening sample; returns the bracket's number.
  func start() throws(LBError) -> UInt32
  /// Takes the closing sample; returns the bracket's result, which has only its times where
  /// sampling failed and no collector was required.
  func stop() throws(LBError) -> BracketOutcome
  /// Frees everything. Without effect when not armed.
  func disarm()
  /// Closes all files and events while the run waits for something outside of it. Between brackets
  /// only.
  func suspend()
  /// Arms the collectors again after `suspend`. The error names a collector that cannot be armed;
  /// the next call tries again.
  func resume() throws(LBError)
  /// The CPU on which brackets are opened and closed; nil when it does not matter.
  var bracketCPU: Int? { get }
  /// Readable when sampling has failed.
  var attentionDescriptor: Int32 { get }
  /// The error with which sampling failed, or nil.
  var failure: LBError? { get }
  /// Units of the metrics, by name.
  var units: [String: String] { get }
  /// For metrics that are counted part of the time, the name of the metric that has the share.
  var shares: [String: String] { get }
  /// Events of the sampling that change the meaning of its numbers, as warnings.
  var notices: [String] { get }
  /// How often the columns of each collector have changed.
  var columnChanges: [String: Int] { get }
  /// What was armed; nil before `arm`.
  var meta: StreamMeta? { get }
  /// Bytes of all rings, after `arm`.
  var ringBytes: Int { get }
  /// Grows the rings of these sampling threads, as long as all rings have at most `limit` bytes.
  /// Between brackets only.
  func growRings(of threads: [Int], limit: Int) throws(LBError) -> [RingGrowth]
  /// Reads an optional collector no more; false where it is required or not sampled. Between
  /// brackets only.
  func disable(_ collector: String) -> Bool
  /// What can still be sampled after this error.
  func outlook(after error: LBError) -> SamplingOutlook
  /// Samples nothing any more: later brackets have only their times. Between brackets only.
  func degrade()
}

/// Defaults of collectors without rings, of which nothing can fail.
extension CollectorLifecycle {
  /// No metric is counted part of the time.
  package var shares: [String: String] { [:] }
  /// No notices.
  package var notices: [String] { [] }
  /// No column changes.
  package var columnChanges: [String: Int] { [:] }
  /// No rings.
  package var ringBytes: Int { 0 }
  /// No rings.
  package func growRings(of threads: [Int], limit: Int) throws(LBError) -> [RingGrowth] { [] }
  /// No collector is optional.
  package func disable(_ collector: String) -> Bool { false }
  /// Nothing to close.
  package func suspend() {}
  /// Nothing to arm.
  package func resume() throws(LBError) {}
  /// Every failure may be transient.
  package func outlook(after error: LBError) -> SamplingOutlook { .whole }
  /// Nothing to end.
  package func degrade() {}
}

/// The collectors of a real sampler.
package final class CollectorSet: CollectorLifecycle {
  private let sampler: SamplerSession
  private let clock: TimeSource
  private let deltas: BracketDeltas
  private let eventNotices: EventNotices
  private let workload: WorkloadTarget?
  /// The last bracket, and CLOCK_MONOTONIC when it was opened.
  private var bracket: (number: UInt32, opened: UInt64) = (0, 0)
  private var isDegraded = false

  /// A sampler that feeds `sinks` and the differences over brackets; the collectors of the
  /// workload's tree follow `workload`. `notices` are added to those of the sampling, and all of
  /// them are logged by `logger`.
  package init(
    _ configuration: SamplerConfiguration, requests: [CollectorRequest],
    workload: WorkloadTarget? = nil, notices: [String] = [], sinks: [any SampleSink],
    logger: Logger? = nil
  ) {
    eventNotices = EventNotices(logger)
    for notice in notices { eventNotices.add(notice) }
    self.workload = workload
    clock = configuration.time
    let isOfWorkload = workload?.isWorkload ?? false
    // The workload's tree and control group are empty at both edges of a bracket; those of
    // background processes, which have instances, are not.
    deltas = BracketDeltas { column in
      guard isOfWorkload else { return false }
      return column.name.hasPrefix("tree.")
        ? column.instance.isEmpty : ["tree", "scope"].contains(column.instance)
    }
    sampler = SamplerSession(
      configuration, requests: requests, sinks: sinks + [deltas, eventNotices])
  }

  /// Arms the sampler.
  package func arm() throws(LBError) { try sampler.arm() }
  /// Aims the collectors of the workload's tree, which then open their files and events.
  package func aim(at workload: Int32) {
    self.workload?.retarget(to: workload)
    // Where perf is not permitted at all, a notice was given when the collector was armed.
    if let failure = self.workload?.clockFailure, failure.isLackOfRoom || TaskClock.isPermitted,
      meta?.streams.contains(where: { $0.collector == "tree" }) == true
    {
      eventNotices.add("tree: task_clock of a workload is left out: \(failure)")
    }
    if !isDegraded { sampler.prepare() }
  }
  /// The number of the last bracket plus one.
  package var nextBracket: UInt32 { (isDegraded ? bracket.number : sampler.bracketNumber) + 1 }
  /// Opens a bracket.
  package func start() throws(LBError) -> UInt32 {
    let number = isDegraded ? nextBracket : try sampler.start()
    bracket = (number, clock.monotonic())
    return number
  }
  /// Closes the bracket.
  package func stop() throws(LBError) -> BracketOutcome {
    let called = clock.monotonic()
    guard !isDegraded else { return timesOnly(until: called) }
    do throws(LBError) {
      let account = try sampler.stop(sampling: true)
      return BracketOutcome(account: account, values: deltas.values())
    } catch {
      guard outlook(after: error) == .dispensable else { throw error }
      return timesOnly(until: called, because: error)
    }
  }

  private func timesOnly(
    until closed: UInt64, because failure: LBError? = nil
  ) -> BracketOutcome {
    var outcome = BracketOutcome(
      account: BracketAccount(
        number: bracket.number, openStart: bracket.opened, closeEnd: closed, ledger: Ledger(),
        overhead: Overhead()),
      values: [])
    outcome.isSampled = false
    outcome.failure = failure
    return outcome
  }
  /// Grows the sampler's rings.
  package func growRings(of threads: [Int], limit: Int) throws(LBError) -> [RingGrowth] {
    try sampler.growRings(of: threads, limit: limit)
  }
  /// Disables a collector of the sampler.
  package func disable(_ collector: String) -> Bool { sampler.disable(collector) }
  /// Suspends the sampler.
  package func suspend() { sampler.suspend() }
  /// Resumes the sampler, unless sampling has ended.
  package func resume() throws(LBError) { if !isDegraded { try sampler.resume() } }
  /// Depends on whether the sampling threads answer, and on the collector that the error names.
  package func outlook(after error: LBError) -> SamplingOutlook {
    let streams = meta?.streams ?? []
    if sampler.isUnresponsive { return streams.contains(where: \.required) ? .lost : .dispensable }
    guard let name = error.context.collector,
      streams.contains(where: { $0.collector == name && !$0.required })
    else { return .whole }
    return .without(name)
  }
  /// Ends the sampler. Later brackets continue its numbers.
  package func degrade() {
    isDegraded = true
    sampler.abandon()
    bracket.number = sampler.bracketNumber
  }
  /// Disarms the sampler.
  package func disarm() { sampler.disarm() }

  package var bracketCPU: Int? { isDegraded ? nil : sampler.bracketCPU }
  package var attentionDescriptor: Int32 { isDegraded ? -1 : sampler.attentionDescriptor }
  package var failure: LBError? { isDegraded ? sampler.sinkFailure : sampler.failure }
  package var units: [String: String] { deltas.units }
  package var shares: [String: String] { deltas.shares }
  package var notices: [String] { eventNotices.messages }
  package var columnChanges: [String: Int] { eventNotices.columnChanges }
  package var meta: StreamMeta? { sampler.meta }
  package var ringBytes: Int { sampler.ringBytes }
}
