package import Glibc
package import SampleModel
package import Sampler
import Synchronization

/// A collector whose every acquisition follows a script.
package final class ScriptedCollector: Collector {
  /// One acquisition.
  package enum Step: Sendable {
    /// Each column has this value.
    case value(UInt64)
    case gap(AcquisitionOutcome)
  }

  /// What the script has been through, shared by all armings.
  private struct Progress {
    var step = 0
    var armings = 0
    var probes = 0
    var disarmings = 0
    var preparations = 0
    var edgeThreads: Set<pthread_t> = []
    var tickThreads: Set<pthread_t> = []
  }

  package let description: CollectorDescription
  package let isNonBlocking: Bool
  package let longestWait: UInt64
  private let progress = Mutex(Progress())
  private let script: [Step]
  private let instances: [[String]]
  private let records: Int
  private let recordName: String
  private let availability: Availability
  private let scheduler: VirtualScheduler?
  private let duration: UInt64
  private let refusals: Set<Int>
  private let hangingArmings: Set<Int>
  private let preparation: AcquisitionOutcome
  private let hangingPreparation: Bool
  private let idlePreparations: Set<Int>
  private let isReleased = Atomic<Bool>(false)

  /// A collector that follows `script` and then counts up. Arming number n has the instances
  /// `instances[n]`, or the last ones; those in `refusals`, counted from 0, fail.
  /// With `records`, each acquisition gives that many rows of (acquisition, row), called
  /// `recordName`. An acquisition
  /// works for `duration` nanoseconds in the time of `scheduler`. Armings in `hangingArmings` come
  /// back after `release`, and look for it each millisecond; with `hangingPreparation`, so does the
  /// first arming's `prepare`, which gives `preparation`. Behind those of `idlePreparations`,
  /// counted from 0, it is idle. Its samples wait up to `longestWait`, as it says.
  package init(
    name: String = "scripted", script: [Step] = [], instances: [[String]] = [["a", "b"]],
    records: Int = 0, recordName: String = "row", availability: Availability = .available,
    resolution: UInt64? = nil,
    mayLag: Bool = false, isNonBlocking: Bool = false, scheduler: VirtualScheduler? = nil,
    duration: UInt64 = 0, refusals: Set<Int> = [], hangingArmings: Set<Int> = [],
    preparation: AcquisitionOutcome = .complete, hangingPreparation: Bool = false,
    idlePreparations: Set<Int> = [], longestWait: UInt64 = 0
  ) {
    self.longestWait = longestWait
    self.idlePreparations = idlePreparations
    self.preparation = preparation
    self.hangingPreparation = hangingPreparation
    precondition(
      duration == 0 && hangingArmings.isEmpty && !hangingPreparation || scheduler != nil,
      "these take virtual time")
    self.hangingArmings = hangingArmings
    self.isNonBlocking = isNonBlocking
    self.scheduler = scheduler
    self.duration = duration
    self.refusals = refusals
    self.script = script
    self.instances = instances
    self.records = records
    self.recordName = recordName
    self.availability = availability
    description = CollectorDescription(
      name: name, summary: "a script", source: "none", minimumKernel: "0", privilege: "none",
      cost: .cheap, systemCallsPerSample: 0,
      metrics: [
        MetricDescription(
          "value", .count, .counter, resolution: resolution, mayLag: mayLag,
          meaning: "the script's number")
      ])
  }

  /// How often it was asked whether it is there.
  package var probes: Int { progress.withLock { $0.probes } }
  package var armings: Int { progress.withLock { $0.armings } }
  package var disarmings: Int { progress.withLock { $0.disarmings } }
  /// Who took samples at edges, and who the others.
  package var edgeThreads: Set<pthread_t> { progress.withLock { $0.edgeThreads } }
  package var tickThreads: Set<pthread_t> { progress.withLock { $0.tickThreads } }

  /// Lets armings that hang come back.
  package func release() { isReleased.store(true, ordering: .releasing) }

  /// As scripted.
  package func probe(_ context: CollectorContext) -> Availability {
    progress.withLock { $0.probes += 1 }
    return availability
  }

  /// The next set of instances.
  package func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let arming = progress.withLock { progress in
      progress.armings += 1
      return progress.armings - 1
    }
    if hangingArmings.contains(arming) { hang() }
    if refusals.contains(arming) {
      throw LBError(.collectorUnavailable, "arming \(arming) is refused")
    }
    let columns = instances[min(arming, instances.count - 1)].map {
      Column(collector: description.name, metric: description.metrics[0], instance: $0)
    }
    return Armed(self, columns: columns, isFirst: arming == 0)
  }

  private func hang() {
    while !isReleased.load(ordering: .acquiring) { scheduler?.sleep(1_000_000) }
  }

  private final class Armed: ArmedCollector, @unchecked Sendable {
    // Sendable: as the base class says.
    private let script: ScriptedCollector
    private let isFirst: Bool

    init(_ script: ScriptedCollector, columns: [Column], isFirst: Bool) {
      self.script = script
      self.isFirst = isFirst
      let number = MetricDescription("acquisition", .count, .gauge, meaning: "which")
      let row = MetricDescription("row", .count, .gauge, meaning: "which of it")
      super.init(
        columns: columns,
        recordFields: script.records == 0
          ? nil
          : (name: script.recordName, fields: [number, row], rowsPerTick: script.records))
    }

    override var isOnProc: Bool { script.isNonBlocking }

    override var hasPreparation: Bool { true }

    override func prepare() -> AcquisitionOutcome {
      if isFirst, script.hangingPreparation { script.hang() }
      let number = script.progress.withLock { progress in
        progress.preparations += 1
        return progress.preparations - 1
      }
      isIdle = script.idlePreparations.contains(number)
      return isFirst ? script.preparation : .complete
    }

    override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
      let (step, number) = script.next(isAtEdge: isAtEdge)
      script.scheduler?.work(script.duration)
      switch step {
      case .gap(let outcome): return outcome
      case .value(let value):
        for index in values.indices { values[index] = value }
        return .complete
      case nil:
        for index in values.indices { values[index] = UInt64(number) }
        return .complete
      }
    }

    override func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount {
      for row in 0..<script.records {
        rows[row * 2] = UInt64(script.progress.withLock { $0.step })
        rows[row * 2 + 1] = UInt64(row)
      }
      return RecordCount(rows: script.records, lost: 1)
    }

    override func disarm() { script.progress.withLock { $0.disarmings += 1 } }
  }

  private func next(isAtEdge: Bool) -> (Step?, number: Int) {
    progress.withLock { progress in
      defer { progress.step += 1 }
      if isAtEdge {
        progress.edgeThreads.insert(pthread_self())
      } else {
        progress.tickThreads.insert(pthread_self())
      }
      return (progress.step < script.count ? script[progress.step] : nil, progress.step + 1)
    }
  }
}
