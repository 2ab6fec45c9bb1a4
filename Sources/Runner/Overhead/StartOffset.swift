import Glibc
package import LinuxSystem
import RunAnalysis
import SampleModel

/// What starting and ending a process takes of itself: the part of every repetition that is no
/// workload's. Measured with a program that does nothing but exit, started as workloads are.
///
/// It says what the wall time and the CPU time of a very short workload have beside its own, and
/// makes numbers of several tools comparable: each one's own offset is taken off.
package struct StartOffset: Sendable, Equatable {
  /// Medians, in nanoseconds.
  package var wallNanoseconds: UInt64
  package var cpuNanoseconds: UInt64

  /// So many starts have a median that moves by a few microseconds.
  private static let starts = 15

  /// An offset.
  package init(wallNanoseconds: UInt64, cpuNanoseconds: UInt64) {
    self.wallNanoseconds = wallNanoseconds
    self.cpuNanoseconds = cpuNanoseconds
  }

  /// As labels of a run.
  package var labels: [String: String] {
    func text(_ nanoseconds: UInt64) -> String {
      "\(nanoseconds / 1000).\(nanoseconds / 100 % 10) µs"
    }
    return [
      RunResult.startWallLabel: text(wallNanoseconds),
      RunResult.startCPULabel: text(cpuNanoseconds),
    ]
  }

  /// Measures it on `cpus`; nil where the program cannot be executed: no memory file may be, or
  /// this is a processor that nobody wrote it for.
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
      // What keeps it from being started keeps the workload too, which has the words for it.
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
      // The offset is the one from another CPU then.
    }
  }
}
