import Glibc
import LinuxSystem
import SampleModel

/// Calls `body` and turns a system error into an `LBError`. A resource limit is no internal error:
/// the user can raise it.
func ownErrors<T>(_ body: () throws(SystemError) -> T) throws(LBError) -> T {
  do throws(SystemError) {
    return try body()
  } catch {
    let context = ErrorContext(errno: error.errno)
    let advice: String? =
      switch error.errno {
      case EMFILE: "raise the limit of open files (ulimit -n)"
      case ENFILE: "the host has no file descriptor left: raise fs.file-max"
      case EAGAIN: "raise the limit of processes and threads (ulimit -u, or pids.max of the cgroup)"
      case ENOMEM: "free some memory, or raise its limit (ulimit -v)"
      default: nil
      }
    guard let advice else { throw LBError(.internal, "\(error)", context: context) }
    throw LBError(.configuration, "\(error); \(advice)", context: context)
  }
}
