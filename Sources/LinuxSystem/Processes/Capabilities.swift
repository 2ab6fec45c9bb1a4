private import CLinux

/// What a thread may do beyond others, capabilities(7). Each thread has its own.
package enum Capabilities {
  /// One capability by its number in linux/capability.h.
  package enum Name: UInt64, Sendable {
    /// CAP_NET_ADMIN: settings of network devices.
    case netAdmin = 12
    /// CAP_NET_RAW: packet sockets.
    case netRaw = 13
  }

  /// Gives up all capabilities of this thread, and of what it starts, but those of `names` that it
  /// has. Gives 0, or errno where the kernel (or a seccomp filter) refuses: then it has them all.
  package static func keepInThisThread(_ names: Set<Name>) -> Int32 {
    lb_keep_capabilities(names.reduce(UInt64(0)) { $0 | 1 << $1.rawValue })
  }
}
