private import CLinux

/// The capabilities(7) of a thread. Each thread has its own.
package enum Capabilities {
  /// One capability by its number in linux/capability.h.
  package enum Name: UInt64, Sendable {
    /// CAP_NET_ADMIN: settings of network devices.
    case netAdmin = 12
    /// CAP_NET_RAW: packet sockets.
    case netRaw = 13
  }

  /// Drops all capabilities of this thread and its future children, except those in `names`.
  /// Returns 0, or the errno if the kernel (or a seccomp filter) refuses: then none were dropped.
  package static func keepInThisThread(_ names: Set<Name>) -> Int32 {
    lb_keep_capabilities(names.reduce(UInt64(0)) { $0 | 1 << $1.rawValue })
  }
}
