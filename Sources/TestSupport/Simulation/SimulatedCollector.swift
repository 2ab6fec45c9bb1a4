import LinuxSystem
package import SampleModel
package import Sampler
import Synchronization

/// A collector of a simulated session: it decides by its plan's seed what each acquisition and each
/// arming results in, works in virtual time, and records all acquisitions.
///
/// The values of acquisition number n are `value(n, column)`, so that a check can tell from a frame
/// which acquisition it is, and what every value must be.
package final class SimulatedCollector: Collector {
  private struct State {
    var random: SeededGenerator
    /// The shape that the source has now.
    var shape = 0
    /// Acquisitions that still give `gapOutcome`.
    var gapsLeft = 0
    var gapOutcome = AcquisitionOutcome.absent
    var begun: UInt64 = 0
    var acquisitions: [SimulatedAcquisition] = []
    var rows: UInt64 = 0
    var armings = 0
    var disarmings = 0
    /// Threads that hang in an acquisition, in an arming, and in a preparation.
    var hangingReads = 0
    var hangingArmings = 0
    var hangingPreparations = 0
    var hangs = 0
    /// Sampling has begun: acquisitions before that, made to measure their cost, do not count.
    var isSampled = false
    /// Nothing hangs any more.
    var isCalm = false
    var faults: [String] = []
  }

  /// What one acquisition is going to be.
  struct Step {
    var number: UInt64
    var shape: Int
    var gap: AcquisitionOutcome?
    var work: UInt64
    var hangs: Bool
    var wantsRearm: Bool
  }

  package let description: CollectorDescription
  let plan: SimulationPlan.Collector
  let scheduler: VirtualScheduler
  private let state: Mutex<State>
  private let gate = FutexWord()
  /// The columns of each shape.
  let columns: [[Column]]

  /// The collector of `plan`, in the time of `scheduler`.
  init(_ plan: SimulationPlan.Collector, _ scheduler: VirtualScheduler) {
    self.plan = plan
    self.scheduler = scheduler
    state = Mutex(State(random: SeededGenerator(plan.seed)))
    let metric = MetricDescription("value", .count, .gauge, meaning: "of an acquisition")
    description = CollectorDescription(
      name: plan.name, summary: "simulated", source: "none", minimumKernel: "0",
      privilege: "none", cost: .cheap, systemCallsPerSample: 0, metrics: [metric])
    columns = plan.widths.map { width in
      (0..<width).map { Column(collector: plan.name, metric: metric, instance: "\($0)") }
    }
  }

  package var waits: Bool { plan.waits }
  package var isNonBlocking: Bool { plan.isNonBlocking && plan.hang == 0 }

  /// What column number `column` of acquisition `number` is.
  static func value(_ number: UInt64, _ column: Int) -> UInt64 {
    column == 0 ? number : number &* 1_000_003 ^ UInt64(column) &* 0x9e37_79b9
  }

  /// It is always there.
  package func probe(_ context: CollectorContext) -> Availability { .available }

  /// Works, fails or hangs, as chance has it.
  package func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let (number, refuses, hangs, work) = state.withLock { state in
      state.armings += 1
      // One draw each, whatever the others say.
      let refuses = state.random.chance(plan.refusal)
      let hangs = state.random.chance(plan.armingHang)
      let work = UInt64(state.random.below(2_000_000))
      return (state.armings, refuses, hangs, work)
    }
    scheduler.work(work)
    if hangs { hold(\.hangingArmings) }
    if refuses {
      state.withLock { $0.disarmings += 1 }
      throw LBError(.collectorUnavailable, "\(plan.name): arming \(number) is refused")
    }
    let shape = state.withLock { $0.shape }
    return plan.isRaw ? SimulatedReader(self, shape) : SimulatedSampler(self, shape)
  }

  // MARK: Acquisitions

  /// Decides the next acquisition of an arming.
  func begin() -> Step {
    state.withLock { state in
      state.begun += 1
      let changes = state.random.chance(plan.change)
      let shape = state.random.below(plan.widths.count)
      if changes { state.shape = shape }
      let vanishes = state.random.chance(plan.gap)
      let length = 1 + state.random.below(4)
      let outcome = state.random.pick([AcquisitionOutcome.absent, .denied, .malformed])
      if vanishes, state.gapsLeft == 0 { (state.gapsLeft, state.gapOutcome) = (length, outcome) }
      var gap: AcquisitionOutcome?
      if state.gapsLeft > 0 {
        state.gapsLeft -= 1
        gap = state.gapOutcome
      }
      let work = state.random.pick(plan.works)
      return Step(
        number: state.begun, shape: state.shape, gap: gap, work: work,
        hangs: state.random.chance(plan.hang), wantsRearm: state.random.chance(plan.change / 4))
    }
  }

  /// Sampling begins: acquisitions so far do not count, and those to come may hang.
  func beginSampling() {
    state.withLock {
      $0.isSampled = true
      $0.acquisitions = []
      $0.rows = 0
    }
  }

  /// Spends the time that an acquisition takes.
  func spend(_ step: Step) {
    scheduler.work(step.work)
    if step.hangs, state.withLock({ $0.isSampled }) { hold(\.hangingReads) }
  }

  /// Remembers an acquisition.
  func end(
    _ step: Step, edge: BracketEdge, outcome: AcquisitionOutcome, isCut: Bool, words: Int
  ) {
    let now = scheduler.monotonic()
    state.withLock {
      $0.acquisitions.append(
        SimulatedAcquisition(
          number: step.number, shape: step.shape, edge: edge, outcome: outcome, isCut: isCut,
          words: words, end: now))
    }
  }

  /// Counts rows of records.
  func count(rows: Int) { state.withLock { $0.rows += UInt64(rows) } }

  /// Counts a disarming.
  func countDisarming() { state.withLock { $0.disarmings += 1 } }

  /// Notes a violation of the collector protocol by the session.
  func fault(_ words: String) { state.withLock { $0.faults.append("\(plan.name): \(words)") } }

  /// Whether the source has another shape than `shape`.
  func hasChanged(from shape: Int) -> Bool { state.withLock { $0.shape != shape } }

  // MARK: Hanging

  /// Prepares for a bracket, or hangs there.
  func prepare() {
    guard plan.preparationHang > 0 else { return }
    if state.withLock({ $0.random.chance(plan.preparationHang) }) { hold(\.hangingPreparations) }
  }

  private func hold(_ counter: WritableKeyPath<State, Int>) {
    let seen = state.withLock { state -> UInt32? in
      guard !state.isCalm else { return nil }
      state.hangs += 1
      state[keyPath: counter] += 1
      return gate.load()
    }
    guard let seen else { return }
    while gate.load() == seen {
      scheduler.wait(gate, whileEqualTo: seen, until: Futex.forever)
    }
    state.withLock { $0[keyPath: counter] -= 1 }
  }

  /// Lets everything go on that hangs; with `forGood`, nothing hangs again.
  func release(forGood: Bool) {
    state.withLock { if forGood { $0.isCalm = true } }
    gate.increment()
    scheduler.wakeAll(gate)
  }

  /// Whether an acquisition hangs.
  var isHanging: Bool { state.withLock { $0.hangingReads > 0 } }

  /// Whether a preparation hangs.
  var isHangingPrepared: Bool { state.withLock { $0.hangingPreparations > 0 } }

  // MARK: Its knowledge

  /// All acquisitions so far.
  var acquisitions: [SimulatedAcquisition] { state.withLock { $0.acquisitions } }
  /// Rows of records so far.
  var rows: UInt64 { state.withLock { $0.rows } }
  /// Armings that were not closed again.
  var unclosed: Int { state.withLock { $0.armings - $0.disarmings } }
  /// Armings so far.
  var armings: Int { state.withLock { $0.armings } }
  /// How often something hung.
  var hangs: Int { state.withLock { $0.hangs } }
  /// What the session must not have done.
  var faults: [String] { state.withLock { $0.faults } }
}
