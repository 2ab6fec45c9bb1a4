package import LinuxSystem
import Synchronization

/// What opens something of a process while that stands at its gate, and holds it while it lives.
package protocol ProcessFollower: AnyObject, Sendable {
  /// `process` stands at its gate.
  func open(_ process: Int32)
  /// It is about to go.
  func close()
}

/// The process whose tree is sampled: fixed, the workload of the next bracket, or a process that
/// runs beside workloads.
///
/// The controller aims it while the sampling threads are parked; a sampling thread sees at its
/// next acquisition that the number of aims has changed.
package final class WorkloadTarget: Sendable {
  private let process: Atomic<Int32>
  private let count: Atomic<UInt32>
  private let descriptor = Atomic<Int32>(-1)
  private let follower = Mutex<(any ProcessFollower)?>(nil)
  private let clock = Mutex<Result<TaskClock, SystemError>?>(nil)
  /// Whether it is a process of the run's own that is yet to come, rather than one that runs
  /// already.
  package let isWorkload: Bool
  /// The name of a process beside the workload: the instance of its metrics. Nil for the workload
  /// and for a process that runs already.
  package let name: String?

  /// The tree of a process that runs, or with nil that of the workload.
  package init(process: Int32? = nil) {
    isWorkload = process == nil
    name = nil
    self.process = Atomic(process ?? 0)
    count = Atomic(process == nil ? 0 : 1)
  }

  /// The tree of a process called `name` that is going to live beside workloads.
  package init(beside name: String) {
    isWorkload = true
    self.name = name
    process = Atomic(0)
    count = Atomic(0)
  }

  /// Tells `follower` of each process that it is aimed at from now on.
  package func follow(by follower: any ProcessFollower) {
    self.follower.withLock { $0 = follower }
  }

  /// Aims at a child that stands at its gate.
  package func aim(at child: Int32) {
    let fresh: Result<TaskClock, SystemError>
    do throws(SystemError) { fresh = .success(try TaskClock(of: child)) } catch {
      fresh = .failure(error)
    }
    clock.withLock { $0 = fresh }
    let number: Int32 = if case .success(let clock) = fresh { clock.descriptor } else { -1 }
    descriptor.store(number, ordering: .relaxed)
    follower.withLock { $0 }?.open(child)
    process.store(child, ordering: .relaxed)
    // Release: partner of `aims`.
    count.add(1, ordering: .releasing)
  }

  /// The process is about to go: its number is nobody's any more.
  package func release() {
    process.store(0, ordering: .releasing)
    descriptor.store(-1, ordering: .relaxed)
    clock.withLock { $0 = nil }
    follower.withLock { $0 }?.close()
  }

  /// How often it was aimed; 0 while there is no process.
  package var aims: UInt32 { count.load(ordering: .acquiring) }
  /// The process; 0 while there is none.
  package var pid: Int32 { process.load(ordering: .relaxed) }
  /// Why the workload that it aims at has no task clock, nil where it has one or none is aimed at.
  package var clockFailure: SystemError? {
    clock.withLock {
      if case .failure(let error) = $0 { error } else { nil }
    }
  }
  /// Nanoseconds of the inherited task clock, nil where there is none. Allocates nothing.
  package var taskClock: UInt64? { TaskClock.read(descriptor.load(ordering: .relaxed)) }
}
