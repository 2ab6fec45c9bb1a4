package import LinuxSystem
package import Runner
import Synchronization

/// A spawner whose processes live in virtual time and behave as a test decides for each of them.
///
/// For use within `VirtualScheduler.run`: a process is a thread of it.
package final class SimulatedSpawner: WorkloadSpawner {
  private let time: TimeSource
  private let behaviour: @Sendable (SpawnPlan, Int) throws(SpawnFailure) -> SimulatedBehaviour
  private let all = Mutex<[SimulatedProcess]>([])

  /// `behaviour` says what the process of a plan does, with how many there were before it; it
  /// throws for one that cannot be started.
  package init(
    _ time: TimeSource,
    _ behaviour: @escaping @Sendable (SpawnPlan, Int) throws(SpawnFailure) -> SimulatedBehaviour
  ) {
    self.time = time
    self.behaviour = behaviour
  }

  /// All that were started, in order.
  package var processes: [SimulatedProcess] { all.withLock { $0 } }

  /// Starts a process at its gate.
  package func spawn(_ plan: SpawnPlan) throws(SpawnFailure) -> any Workload {
    let behaviour = try behaviour(plan, processes.count)
    do throws(SystemError) {
      let process = try SimulatedProcess(plan, behaviour, time)
      all.withLock { $0.append(process) }
      return process
    } catch {
      throw SpawnFailure(step: error.call, errno: error.errno)
    }
  }

  /// Nothing outlives its group.
  package func killRemaining(
    except known: Set<Int32>, sparingBackground: Bool, until limit: UInt64
  ) -> Int { 0 }
  /// No real process.
  package func children() -> Set<Int32> { [] }
}
