import CLinux
import Glibc
import Synchronization

/// A small process that starts workloads, which are children of this process all the same
/// (CLONE_PARENT).
///
/// If a process with much locked memory forks the workload, the workload's exec tears down the
/// copied address space in the workload's own time, and its peak of resident memory is at least
/// that of the parent. So the starter is forked while this process is small, before arming.
///
/// It ends with its owner, with the thread that made it, and with this process.
package final class WorkloadStarter: Sendable {
  /// The starter's PID.
  package let pid: Int32
  /// This process's end of the socket, or why the starter is unusable.
  private enum State {
    case usable(Int32)
    case unusable(SystemError)
  }
  private let state: Mutex<State>
  /// A starter made in advance, until it is taken.
  private static let early = Mutex<WorkloadStarter?>(nil)

  /// Forks the starter.
  package init() throws(SystemError) {
    var descriptor: Int32 = -1
    let result = unsafe lb_starter_fork(&descriptor)
    guard result > 0 else { throw SystemError("fork", errno: -result) }
    pid = result
    state = Mutex(.usable(descriptor))
  }

  deinit { end() }

  /// Makes a starter in advance, while this process is small. On failure, `take` tries again and
  /// throws the error.
  package static func prepare() {
    do throws(SystemError) {
      let made = try WorkloadStarter()
      early.withLock { $0 = made }
    } catch {
      early.withLock { $0 = nil }
    }
  }

  /// The prepared starter, or a new one.
  package static func take() throws(SystemError) -> WorkloadStarter {
    let prepared = early.withLock { prepared -> WorkloadStarter? in
      defer { prepared = nil }
      return prepared
    }
    if let prepared { return prepared }
    return try WorkloadStarter()
  }

  /// Starts the child of a plan, which waits at its gate; nil if the starter is unusable.
  func start(_ plan: UnsafePointer<lb_spawn>) -> Int32? {
    state.withLock { state in
      guard case .usable(let socket) = state else { return nil }
      var child: Int32 = 0
      let result = unsafe lb_starter_spawn(socket, plan, &child)
      guard result != 0 else { return child }
      // A fork fails then too, with its own error.
      if ![-EAGAIN, -ENOMEM, -EMFILE, -ENFILE].contains(result) {
        close(socket)
        kill(pid, SIGKILL)
        state = .unusable(SystemError("clone", errno: -result))
      }
      return nil
    }
  }

  /// Why the starter is unusable, nil while it works.
  package var failure: SystemError? {
    state.withLock { state in
      if case .unusable(let failure) = state { failure } else { nil }
    }
  }

  /// Kills and reaps the starter.
  private func end() {
    state.withLock { state in
      if case .usable(let socket) = state { close(socket) }
      state = .unusable(SystemError("clone", errno: EPIPE))
    }
    // SIGKILL, since it may be stopped.
    kill(pid, SIGKILL)
    var status: Int32 = 0
    var result: Int32
    repeat { result = unsafe waitpid(pid, &status, 0) } while result < 0 && errno == EINTR
  }
}
