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
  /// Our end of its socket, or why it is of no use any more.
  private enum State {
    case usable(Int32)
    case unusable(SystemError)
  }
  private let state: Mutex<State>
  /// One that was made before anybody knew whether it will be needed, until it is taken.
  private static let early = Mutex<WorkloadStarter?>(nil)

  /// Forks it.
  package init() throws(SystemError) {
    var descriptor: Int32 = -1
    let result = unsafe lb_starter_fork(&descriptor)
    guard result > 0 else { throw SystemError("fork", errno: -result) }
    pid = result
    state = Mutex(.usable(descriptor))
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
    if let prepared { return prepared }
    return try WorkloadStarter()
  }

  /// The child of that plan, at its gate; nil when the starter is of no use.
  func start(_ plan: UnsafePointer<lb_spawn>) -> Int32? {
    state.withLock { state in
      guard case .usable(let socket) = state else { return nil }
      var child: Int32 = 0
      let result = unsafe lb_starter_spawn(socket, plan, &child)
      guard result != 0 else { return child }
      // A fork is refused then, too, and will say so.
      if ![-EAGAIN, -ENOMEM, -EMFILE, -ENFILE].contains(result) {
        close(socket)
        kill(pid, SIGKILL)
        state = .unusable(SystemError("clone", errno: -result))
      }
      return nil
    }
  }

  /// Why it starts nothing any more, nil while it does.
  package var failure: SystemError? {
    state.withLock { state in
      if case .unusable(let failure) = state { failure } else { nil }
    }
  }

  /// Ends and reaps it.
  private func end() {
    state.withLock { state in
      if case .usable(let socket) = state { close(socket) }
      state = .unusable(SystemError("clone", errno: EPIPE))
    }
    // It has nothing to lose, and may be stopped.
    kill(pid, SIGKILL)
    var status: Int32 = 0
    var result: Int32
    repeat { result = unsafe waitpid(pid, &status, 0) } while result < 0 && errno == EINTR
  }
}
