import CLinux
import Glibc
import Synchronization

/// A small process that starts workloads, which are children of this process all the same
/// (CLONE_PARENT).
///
/// A workload that is forked by a process with much locked memory pays for it: its exec tears the
/// copied address space down, in the workload's own time, and its peak of resident memory cannot be
/// below ours. So the starter is forked while this process is small: before anything is armed.
///
/// It lives for as long as its owner and the thread that made it, and at most as long as this
/// process.
package final class WorkloadStarter: Sendable {
  /// Its process.
  package let pid: Int32
  /// Our end of its socket, nil once it is of no use.
  private let socket: Mutex<Int32?>
  /// One that was made before anybody knew whether it will be needed, until it is taken.
  private static let early = Mutex<WorkloadStarter?>(nil)

  /// Forks it.
  package init() throws(SystemError) {
    var descriptor: Int32 = -1
    let result = unsafe lb_starter_fork(&descriptor)
    guard result > 0 else { throw SystemError("fork", errno: -result) }
    pid = result
    socket = Mutex(descriptor)
  }

  deinit { end() }

  /// Makes one while this process is as small as it will ever be. Where it cannot be made, whoever
  /// takes it makes another, and learns why not.
  package static func prepare() {
    do throws(SystemError) {
      let made = try WorkloadStarter()
      early.withLock { $0 = made }
    } catch {
      early.withLock { $0 = nil }
    }
  }

  /// The one that was prepared, for its first taker, or a new one.
  package static func take() throws(SystemError) -> WorkloadStarter {
    let prepared = early.withLock { prepared -> WorkloadStarter? in
      defer { prepared = nil }
      return prepared
    }
    return try prepared ?? WorkloadStarter()
  }

  /// The child of that plan, at its gate; nil when there is no starter any more.
  func start(_ plan: UnsafePointer<lb_spawn>) throws(SystemError) -> Int32? {
    var child: Int32 = 0
    let result = socket.withLock { descriptor -> Int32? in
      guard let open = descriptor else { return nil }
      let result = unsafe lb_starter_spawn(open, plan, &child)
      guard [-EPIPE, -ETIMEDOUT].contains(result) else { return result }
      // What it may still start finds its gate closed.
      close(open)
      descriptor = nil
      return nil
    }
    guard let result else { return nil }
    guard result == 0 else { throw SystemError("clone", errno: -result) }
    return child
  }

  /// Whether it is there to start something.
  package var isUsable: Bool { socket.withLock { $0 != nil } }

  /// Ends and reaps it.
  private func end() {
    socket.withLock { descriptor in
      if let open = descriptor { close(open) }
      descriptor = nil
    }
    // It has nothing to lose, and may be stopped.
    kill(pid, SIGKILL)
    var status: Int32 = 0
    var result: Int32
    repeat { result = unsafe waitpid(pid, &status, 0) } while result < 0 && errno == EINTR
  }
}
