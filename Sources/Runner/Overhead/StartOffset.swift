import Glibc
package import LinuxSystem
import RunAnalysis
import SampleModel

/// The time of starting and ending a process, which is part of every repetition. It is measured
/// with a program that only exits, started like a workload.
///
/// It tells how much of the times of a very short workload is not the workload's own. Subtracting
/// the offset of each tool makes results of several tools comparable.
package struct StartOffset: Sendable, Equatable {
  /// Medians, in nanoseconds.
  package var wallNanoseconds: UInt64
  package var cpuNanoseconds: UInt64

  /// With 15 starts the median varies by a few microseconds.
  private static let starts = 15

  /// An offset with these medians.
  package init(wallNanoseconds: UInt64, cpuNanoseconds: UInt64) {
    self.wallNanoseconds = wallNanoseconds
    self.cpuNanoseconds = cpuNanoseconds
  }

  /// The offset as labels of a run.
  package var labels: [String: String] {
    func text(_ nanoseconds: UInt64) -> String {
      "\(nanoseconds / 1000).\(nanoseconds / 100 % 10) µs"
    }
    return [
      RunResult.startWallLabel: text(wallNanoseconds),
      RunResult.startCPULabel: text(cpuNanoseconds),
    ]
  }

  /// Measures the offset on `cpus`; nil where the program cannot be executed: memory files may not
  /// be executed, or the program does not exist for this processor.
  package static func measure(
    _ spawner: any WorkloadSpawner, on cpus: CPUSet, from bracketCPU: Int?, clock: TimeSource
  ) -> StartOffset? {
    let here = CPUSet.allowed()
    pin(bracketCPU.map { CPUSet([$0]) })
    defer { pin(here) }
    do {
      return try EmptyProgram()?.withPath { path in
        try measure(path, spawner, on: cpus, clock: clock)
      } ?? nil
    } catch {
      // If no process can be started, the workload cannot either, and its error has the reason.
      return nil
    }
  }

  private static func measure(
    _ path: String, _ spawner: any WorkloadSpawner, on cpus: CPUSet, clock: TimeSource
  ) throws -> StartOffset? {
    let null = try OwnedDescriptor(open: "/dev/null", O_RDWR)
    var plan = SpawnPlan(
      path: path, arguments: ["empty"], environment: [], input: null.number, output: null.number,
      error: null.number)
    plan.cpus = cpus
    var (walls, cpuTimes): ([Double], [Double]) = ([], [])
    for _ in 0..<starts {
      let child = try spawner.spawn(plan)
      defer { child.abandon() }
      let limit = clock.deadline(in: StopCoordinator.limit)
      let opened = clock.monotonic()
      child.openGate()
      guard clock.wait(readable: [child.exitPollDescriptor], until: limit) == [0] else {
        return nil
      }
      walls.append(Double(clock.monotonic() - opened))
      guard child.peekExit()?.code == 0, let usage = child.reap(until: limit) else { return nil }
      cpuTimes.append(Double(usage.userNanoseconds + usage.systemNanoseconds))
    }
    guard let wall = Statistics.median(walls), let cpu = Statistics.median(cpuTimes) else {
      return nil
    }
    return StartOffset(wallNanoseconds: UInt64(wall), cpuNanoseconds: UInt64(cpu))
  }

  private static func pin(_ cpus: CPUSet?) {
    guard let cpus, !cpus.isEmpty else { return }
    do throws(SystemError) { try cpus.applyToThisThread() } catch {
      // The offset is then measured from another CPU.
    }
  }
}
