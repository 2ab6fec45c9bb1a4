package import LinuxSystem
import Synchronization

/// Opens resources of a process while the process waits at its start gate, and holds them while it
/// lives.
package protocol ProcessFollower: AnyObject, Sendable {
  /// `process` waits at its start gate.
  func open(_ process: Int32)
  /// The process is about to be reaped.
  func close()
}

/// The process whose tree is sampled: fixed, the workload of the next bracket, or a process that
/// runs beside workloads.
///
/// The controller changes the process while the sampling threads are parked; a sampling thread sees
/// at its next acquisition that `generation` changed.
package final class WorkloadTarget: Sendable {
  private let process: Atomic<Int32>
  private let number: Atomic<UInt32>
  private let descriptor = Atomic<Int32>(-1)
  private let follower = Mutex<(any ProcessFollower)?>(nil)
  private let clock = Mutex<Result<TaskClock, SystemError>?>(nil)
  /// Whether the process is started by the run, rather than running already.
  package let isWorkload: Bool
  /// The name of a process beside the workload: the instance of its metrics. Nil for the workload
  /// and for a process that runs already.
  package let name: String?

  /// The tree of a running process, or with nil that of the workload.
  package init(process: Int32? = nil) {
    isWorkload = process == nil
    name = nil
    self.process = Atomic(process ?? 0)
    number = Atomic(process == nil ? 0 : 1)
  }

  /// The tree of a process called `name` that will run beside workloads.
  package init(beside name: String) {
    isWorkload = true
    self.name = name
    process = Atomic(0)
    number = Atomic(0)
  }

  /// Notifies `follower` of each following process.
  package func follow(by follower: any ProcessFollower) {
    self.follower.withLock { $0 = follower }
  }

  /// Changes the target to a child that waits at its start gate.
  package func retarget(to child: Int32) {
    let fresh: Result<TaskClock, SystemError>
    do throws(SystemError) { fresh = .success(try TaskClock(of: child)) } catch {
      fresh = .failure(error)
    }
    clock.withLock { $0 = fresh }
    let clockDescriptor: Int32 =
      if case .success(let clock) = fresh { clock.descriptor } else { -1 }
    descriptor.store(clockDescriptor, ordering: .relaxed)
    follower.withLock { $0 }?.open(child)
    process.store(child, ordering: .relaxed)
    // Release: pairs with `generation`.
    number.add(1, ordering: .releasing)
  }

  /// Ends the target: its process is about to be reaped, and its PID becomes invalid.
  package func release() {
    process.store(0, ordering: .releasing)
    descriptor.store(-1, ordering: .relaxed)
    clock.withLock { $0 = nil }
    follower.withLock { $0 }?.close()
  }

  /// How often the process has changed; 0 before the first one.
  package var generation: UInt32 { number.load(ordering: .acquiring) }
  /// The process; 0 while there is none.
  package var pid: Int32 { process.load(ordering: .relaxed) }
  /// Why the present process has no task clock; nil if it has one, or there is no process.
  package var clockFailure: SystemError? {
    clock.withLock {
      if case .failure(let error) = $0 { error } else { nil }
    }
  }
  /// Nanoseconds of the inherited task clock, nil without one. Allocates nothing.
  package var taskClock: UInt64? { TaskClock.read(descriptor.load(ordering: .relaxed)) }
}
