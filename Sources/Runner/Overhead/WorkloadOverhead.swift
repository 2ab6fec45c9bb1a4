import Glibc
package import LinuxSystem
import RunAnalysis
package import SampleModel
package import Sampler

/// Measures the cost of sampling for a workload: runs it without sampling and under each condition,
/// in turn, on the same CPUs.
package struct WorkloadOverhead {
  /// A condition: a set of collectors at an interval.
  package struct Condition {
    /// The collectors, as the user named them.
    package let name: String
    package let interval: UInt64
    /// An armed sampler, which samples only in this condition's runs.
    package let sampler: SamplerSession

    /// A condition with an armed sampler.
    package init(name: String, interval: UInt64, sampler: SamplerSession) {
      self.name = name
      self.interval = interval
      self.sampler = sampler
    }
  }

  /// The result of one condition. Times are medians in nanoseconds; shares are of 1.
  package struct Result: Sendable, Hashable, Codable {
    package var collectors: String
    package var intervalNanoseconds: UInt64
    package var rounds: Int
    package var wallWithout: Double
    package var wallWith: Double
    /// The slowdown of the wall time: median, its 95 % interval, and the smallest slowdown that
    /// would be found.
    package var wallSlowdown: Double
    package var wallLow: Double
    package var wallHigh: Double
    package var wallDetectable: Double
    /// The slowdown of the CPU time, user and system; nil for a workload without CPU time.
    package var cpuSlowdown: Double?
    package var cpuLow: Double?
    package var cpuHigh: Double?
    package var cpuDetectable: Double?
    /// CPU time of the sampling threads and the drain, as a share of the elapsed time.
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

  /// A measurement that `stop` ends. Throws `configuration` for a command that cannot be started.
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

  /// The order of the `count` variants in a round: each variant has each position equally often,
  /// and the order of neighbours alternates, so that drift is not mistaken for a cost.
  package static func order(ofRound round: Int, count: Int) -> [Int] {
    let rotated = (0..<count).map { ($0 + round) % count }
    return round / count % 2 == 0 ? rotated : rotated.reversed()
  }

  /// Runs the specification's warm-ups, then its repetitions as rounds of all conditions, and calls
  /// `progress` with the number of completed rounds. Throws `workload` or `stopRequested`.
  package func measure(_ progress: (Int) -> Void) throws(LBError) -> [Result] {
    var without = Times()
    var with = Array(repeating: Times(), count: conditions.count)
    var own = Array(repeating: Overhead(), count: conditions.count)
    for _ in 0..<specification.warmUps { _ = try once(nil) }
    for round in 0..<specification.repetitions {
      // The last variant is the one without sampling.
      for variant in Self.order(ofRound: round, count: conditions.count + 1) {
        let condition = variant < conditions.count ? conditions[variant] : nil
        let (wall, cpu, overhead) = try once(condition?.sampler)
        if condition != nil {
          with[variant].wall.append(wall)
          with[variant].cpu.append(cpu)
          own[variant] = Overhead.merged([own[variant], overhead].compactMap(\.self))
        } else {
          without.wall.append(wall)
          without.cpu.append(cpu)
        }
      }
      progress(round + 1)
    }
    return try conditions.indices.map { index throws(LBError) in
      try result(conditions[index], without, with[index], own[index])
    }
  }

  private func result(
    _ condition: Condition, _ without: Times, _ with: Times, _ own: Overhead
  ) throws(LBError) -> Result {
    guard let wall = Slowdown(off: without.wall, on: with.wall) else {
      throw LBError(
        .configuration,
        "--repetitions: at least six rounds are needed: fewer give no 95 % interval")
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

  /// Runs the workload once, sampled by `sampler` or not sampled. Returns its wall and CPU time in
  /// nanoseconds, and the overhead of sampling.
  private func once(
    _ sampler: SamplerSession?
  ) throws(LBError) -> (wall: Double, cpu: Double, Overhead?) {
    let allowed = CPUSet.allowed()
    let cpus = specification.workloadCPUs ?? allowed
    let (workload, capture): (any Workload, OutputCapture)
    do throws(SystemError) {
      (workload, capture) = try WorkloadLauncher.launch(
        path, specification.command, specification, cpus: cpus,
        captureCPUs: specification.workloadCPUs.map { allowed.subtracting($0) }, spawner,
        stop: stop,
        clock: clock)
    } catch {
      throw LBError(
        .workload, "\(specification.command[0]): \(error)",
        context: ErrorContext(path: path, errno: error.errno))
    }
    defer {
      workload.abandon()
      _ = capture.finish(until: clock.deadline(in: StopCoordinator.limit))
    }
    sampler?.prepare()
    if let sampler { _ = try sampler.start() }
    let begin = clock.monotonic()
    workload.openGate()
    let ready = clock.wait(
      readable: [workload.exitPollDescriptor, stop.pollDescriptor], until: nil)
    let end = clock.monotonic()
    // Also after its end: processes that it left running would disturb the next run.
    workload.signalGroup(SIGKILL)
    let overhead = try sampler?.stop(sampling: ready.contains(0)).overhead
    if let failure = sampler?.failure { throw failure }
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
        .workload, "\(specification.command[0]) ended \(how): only successful runs are measured",
        context: ErrorContext(path: path))
    }
    return (
      Double(end - begin), Double(usage.userNanoseconds + usage.systemNanoseconds), overhead
    )
  }
}
