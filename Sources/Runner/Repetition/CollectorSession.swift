import LinuxSystem
package import Logging
package import SampleModel
package import Sampler

/// What one bracket gave.
package struct BracketOutcome: Sendable {
  package var account: BracketAccount
  /// Over the bracket, in base units, in layout order.
  package var values: [(name: String, value: Double)]
  /// Whether it was sampled: else the account has its times alone.
  package var isSampled = true
  /// What ended the sampling within it, where none of it was required.
  package var failure: LBError?
  /// The same by name.
  package var metrics: [String: Double] {
    Dictionary(values.map { ($0.name, $0.value) }) { _, last in last }
  }

  /// An account with the differences over it.
  package init(account: BracketAccount, values: [(name: String, value: Double)]) {
    self.account = account
    self.values = values
  }
}

/// The collectors of a run, reacting to its lifecycle: arm, start, stop, disarm.
package protocol CollectorLifecycle: AnyObject {
  /// Prepares everything; once a run.
  func arm() throws(LBError)
  /// Names the process whose tree the next bracket is about.
  func aim(at workload: Int32)
  /// The number of the bracket that the next `start` opens.
  var nextBracket: UInt32 { get }
  /// The opening sample; gives the bracket's number.
  func start() throws(LBError) -> UInt32
  /// The closing sample and the bracket's account, which has its times alone where sampling failed
  /// and nothing of it was required.
  func stop() throws(LBError) -> BracketOutcome
  /// Lets everything go. Harmless when not armed.
  func disarm()
  /// Closes what is held of the host while the run waits for something outside of it. Between
  /// brackets.
  func suspend()
  /// Arms it anew. What cannot be is named by the error, and is tried again by the next call.
  func resume() throws(LBError)
  /// The CPU that brackets are opened and closed on, nil when it does not matter.
  var bracketCPU: Int? { get }
  /// Readable when sampling has failed.
  var attentionDescriptor: Int32 { get }
  /// Why it failed.
  var failure: LBError? { get }
  /// Units of the metrics, by name.
  var units: [String: String] { get }
  /// For metrics that are counted part of their time, the metric that says for which part.
  var shares: [String: String] { get }
  /// What happened to the sampling that a reader of its numbers should know.
  var notices: [String] { get }
  /// How often the columns of each collector have changed while they were sampled.
  var columnChanges: [String: Int] { get }
  /// What was armed, after `arm`.
  var meta: StreamMeta? { get }
  /// Bytes of all rings, after `arm`.
  var ringBytes: Int { get }
  /// Gives the rings of these sampling threads more room, up to `limit` bytes in all. Between
  /// brackets.
  func growRings(of threads: [Int], limit: Int) throws(LBError) -> [RingGrowth]
  /// Reads an optional collector no more; false where it is required or not sampled. Between
  /// brackets.
  func disable(_ collector: String) -> Bool
  /// What there still is to sample with after this failure.
  func outlook(after error: LBError) -> SamplingOutlook
  /// Samples no more: brackets have their times alone from now on. Between brackets.
  func degrade()
}

extension CollectorLifecycle {
  /// Nothing is counted in part.
  package var shares: [String: String] { [:] }
  /// Nothing happened.
  package var notices: [String] { [] }
  /// None did.
  package var columnChanges: [String: Int] { [:] }
  /// No rings.
  package var ringBytes: Int { 0 }
  /// Nothing grows.
  package func growRings(of threads: [Int], limit: Int) throws(LBError) -> [RingGrowth] { [] }
  /// Nothing is sampled.
  package func disable(_ collector: String) -> Bool { false }
  /// Nothing is held.
  package func suspend() {}
  /// Nothing was.
  package func resume() throws(LBError) {}
  /// Failures pass.
  package func outlook(after error: LBError) -> SamplingOutlook { .whole }
  /// Nothing is sampled.
  package func degrade() {}
}

/// The real collectors.
package final class CollectorSession: CollectorLifecycle {
  private let sampler: SamplerSession
  private let clock: TimeSource
  private let deltas: BracketDeltas
  private let noticed: EventNotices
  private let workload: WorkloadTarget?
  /// The last bracket, and CLOCK_MONOTONIC when it was opened.
  private var bracket: (number: UInt32, opened: UInt64) = (0, 0)
  private var isDegraded = false

  /// Collectors that feed `sinks` beside the bracket's differences; those of the workload's tree
  /// look at `workload`. `remarks` are notices from the start; what happens beside the samples goes
  /// to `logger`.
  package init(
    _ configuration: SamplerConfiguration, requests: [CollectorRequest],
    workload: WorkloadTarget? = nil, remarks: [String] = [], sinks: [any SampleSink],
    logger: Logger? = nil
  ) {
    noticed = EventNotices(logger)
    for remark in remarks { noticed.add(remark) }
    self.workload = workload
    clock = configuration.time
    let isOfWorkload = workload?.isWorkload ?? false
    // The workload's tree and its control group: nothing of it is there at a bracket's edges. The
    // trees beside it, which have instances, are there.
    deltas = BracketDeltas { column in
      guard isOfWorkload else { return false }
      return column.name.hasPrefix("tree.")
        ? column.instance.isEmpty : ["tree", "scope"].contains(column.instance)
    }
    sampler = SamplerSession(configuration, requests: requests, sinks: sinks + [deltas, noticed])
  }

  /// Arms the sampler.
  package func arm() throws(LBError) { try sampler.arm() }
  /// Aims the collectors of the workload's tree, and lets them open what is its.
  package func aim(at workload: Int32) {
    self.workload?.aim(at: workload)
    // Where perf is not permitted at all the collector has said so when it was armed.
    if let failure = self.workload?.clockFailure, failure.isLackOfRoom || TaskClock.isPermitted,
      meta?.streams.contains(where: { $0.collector == "tree" }) == true
    {
      noticed.add("tree: task_clock of a workload is left out: \(failure)")
    }
    if !isDegraded { sampler.prepare() }
  }
  /// One more than the last one.
  package var nextBracket: UInt32 { (isDegraded ? bracket.number : sampler.bracketNumber) + 1 }
  /// Opens a bracket.
  package func start() throws(LBError) -> UInt32 {
    let number = isDegraded ? nextBracket : try sampler.start()
    bracket = (number, clock.monotonic())
    return number
  }
  /// Closes it.
  package func stop() throws(LBError) -> BracketOutcome {
    let called = clock.monotonic()
    guard !isDegraded else { return timesAlone(until: called) }
    do throws(LBError) {
      let account = try sampler.stop(sampling: true)
      return BracketOutcome(account: account, values: deltas.values())
    } catch {
      guard outlook(after: error) == .dispensable else { throw error }
      return timesAlone(until: called, because: error)
    }
  }

  private func timesAlone(
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
  /// Grows rings of the sampler.
  package func growRings(of threads: [Int], limit: Int) throws(LBError) -> [RingGrowth] {
    try sampler.growRings(of: threads, limit: limit)
  }
  /// Disables a collector of the sampler.
  package func disable(_ collector: String) -> Bool { sampler.disable(collector) }
  /// Suspends the sampler.
  package func suspend() { sampler.suspend() }
  /// Resumes it.
  package func resume() throws(LBError) { if !isDegraded { try sampler.resume() } }
  /// By whether the sampling threads still answer, and by whose failure it is.
  package func outlook(after error: LBError) -> SamplingOutlook {
    let streams = meta?.streams ?? []
    if sampler.isSilent { return streams.contains(where: \.required) ? .lost : .dispensable }
    guard let name = error.context.collector,
      streams.contains(where: { $0.collector == name && !$0.required })
    else { return .whole }
    return .without(name)
  }
  /// Ends the sampler's work; its brackets' numbers are gone on with.
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
  package var notices: [String] { noticed.messages }
  package var columnChanges: [String: Int] { noticed.columnChanges }
  package var meta: StreamMeta? { sampler.meta }
  package var ringBytes: Int { sampler.ringBytes }
}
