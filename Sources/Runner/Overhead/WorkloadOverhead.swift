import Glibc
package import LinuxSystem
import RunAnalysis
package import SampleModel
package import Sampler

/// What sampling costs a workload: it is run without sampling and under each condition, in turn,
/// with the same placement.
package struct WorkloadOverhead {
  /// Collectors at an interval.
  package struct Condition {
    /// The collectors, as they were asked for.
    package let name: String
    package let interval: UInt64
    /// Armed; sampling only while it is this condition's turn.
    package let session: SamplerSession

    /// A condition.
    package init(name: String, interval: UInt64, session: SamplerSession) {
      self.name = name
      self.interval = interval
      self.session = session
    }
  }

  /// What came of one condition. Times are medians, in nanoseconds; shares are of 1.
  package struct Result: Sendable, Hashable, Codable {
    package var collectors: String
    package var intervalNanoseconds: UInt64
    package var rounds: Int
    package var wallWithout: Double
    package var wallWith: Double
    /// How much longer it took: median, its 95 % interval, and the least that would be found.
    package var wallSlowdown: Double
    package var wallLow: Double
    package var wallHigh: Double
    package var wallDetectable: Double
    /// The same of its CPU time, user and system; nil for a workload that used none.
    package var cpuSlowdown: Double?
    package var cpuLow: Double?
    package var cpuHigh: Double?
    package var cpuDetectable: Double?
    /// CPU time of sampling and drain, as a share of the time.
    package var ownShare: Double
  }

  private struct Times {
    var wall: [Double] = []
    var cpu: [Double] = []
  }

  private let specification: RunSpecification
  private let path: String
  private let conditions: [Condition]
  private let stop: StopFlag
  private let spawner: any WorkloadSpawner
  private let clock: TimeSource

  /// Throws `configuration` for a command that cannot be started. `stop` ends everything.
  package init(
    _ specification: RunSpecification, _ conditions: [Condition], stop: StopFlag,
    spawner: any WorkloadSpawner = SystemSpawner(), clock: TimeSource = .system
  ) throws(LBError) {
    path = try WorkloadCommand.resolve(specification)
    self.specification = specification
    self.conditions = conditions
    self.stop = stop
    self.spawner = spawner
    self.clock = clock
  }

  /// The order of a round: each place is everybody's equally often, and neighbours change sides, so
  /// that nothing that drifts is taken for a cost.
  package static func order(ofRound round: Int, places: Int) -> [Int] {
    let turned = (0..<places).map { ($0 + round) % places }
    return round / places % 2 == 0 ? turned : turned.reversed()
  }

  /// Runs the specification's warm-ups, then its repetitions as rounds of everything, and tells
  /// `progress` how many rounds are done. Throws `workload` where it fails, `stopRequested`.
  package func measure(_ progress: (Int) -> Void) throws(LBError) -> [Result] {
    var without = Times()
    var with = Array(repeating: Times(), count: conditions.count)
    var own = Array(repeating: Overhead(), count: conditions.count)
    for _ in 0..<specification.warmUps { _ = try once(nil) }
    for round in 0..<specification.repetitions {
      // The last place is that of no sampling.
      for place in Self.order(ofRound: round, places: conditions.count + 1) {
        let condition = place < conditions.count ? conditions[place] : nil
        let (wall, cpu, overhead) = try once(condition?.session)
        if condition != nil {
          with[place].wall.append(wall)
          with[place].cpu.append(cpu)
          own[place] = Overhead.merged([own[place], overhead].compactMap(\.self))
        } else {
          without.wall.append(wall)
          without.cpu.append(cpu)
        }
      }
      progress(round + 1)
    }
    return try conditions.indices.map { place throws(LBError) in
      try result(conditions[place], without, with[place], own[place])
    }
  }

  private func result(
    _ condition: Condition, _ without: Times, _ with: Times, _ own: Overhead
  ) throws(LBError) -> Result {
    guard let wall = Slowdown(off: without.wall, on: with.wall) else {
      throw LBError(.configuration, "at least six rounds are needed: fewer have no interval")
    }
    let cpu = Slowdown(off: without.cpu, on: with.cpu)
    let sampling = own.samplingThreadNanoseconds.reduce(own.drainNanoseconds, +)
    return Result(
      collectors: condition.name, intervalNanoseconds: condition.interval,
      rounds: with.wall.count, wallWithout: Statistics.median(without.wall) ?? 0,
      wallWith: Statistics.median(with.wall) ?? 0, wallSlowdown: wall.median,
      wallLow: wall.interval.low, wallHigh: wall.interval.high, wallDetectable: wall.detectable,
      cpuSlowdown: cpu?.median, cpuLow: cpu?.interval.low, cpuHigh: cpu?.interval.high,
      cpuDetectable: cpu?.detectable,
      ownShare: Double(sampling) / Double(max(1, own.elapsedNanoseconds)))
  }

  /// Runs the workload once, sampled by `session` or not; gives its wall and its CPU time, and what
  /// sampling took.
  private func once(
    _ session: SamplerSession?
  ) throws(LBError) -> (wall: Double, cpu: Double, Overhead?) {
    let allowed = CPUSet.allowed()
    let cpus = specification.workloadCPUs ?? allowed
    let (workload, pump): (any Workload, OutputPump)
    do throws(SystemError) {
      (workload, pump) = try WorkloadLauncher.launch(
        path, specification.command, specification, cpus: cpus,
        drainCPUs: specification.workloadCPUs.map { allowed.subtracting($0) }, spawner, stop: stop,
        clock: clock)
    } catch {
      throw LBError(
        .workload, "\(specification.command[0]): \(error)",
        context: ErrorContext(path: path, errno: error.errno))
    }
    defer {
      workload.abandon()
      _ = pump.finish(until: clock.deadline(in: StopCoordinator.limit))
    }
    session?.prepare()
    if let session { _ = try session.start() }
    let begin = clock.monotonic()
    workload.openGate()
    let ready = clock.wait(
      readable: [workload.exitPollDescriptor, stop.pollDescriptor], until: nil)
    let end = clock.monotonic()
    // At its end too: what it left behind would disturb the next run.
    workload.signalGroup(SIGKILL)
    let overhead = try session?.stop(sampling: ready.contains(0)).overhead
    if let failure = session?.failure { throw failure }
    guard ready.contains(0) else {
      throw LBError.stopped(by: stop.raised ?? .requested)
    }
    let status = workload.peekExit()
    if let failure = workload.execFailure() {
      throw LBError(.workload, "\(specification.command[0]): \(failure)")
    }
    let usage = workload.reap(until: clock.deadline(in: StopCoordinator.limit))
    guard let usage, let status, status.code == 0 else {
      let how =
        status?.signal.map { "by signal \($0)" } ?? "with exit code \(status?.code ?? -1)"
      throw LBError(
        .workload, "\(specification.command[0]) ended \(how): its time says nothing",
        context: ErrorContext(path: path))
    }
    return (
      Double(end - begin), Double(usage.userNanoseconds + usage.systemNanoseconds), overhead
    )
  }
}
