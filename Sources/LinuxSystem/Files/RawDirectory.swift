import CLinux
import Glibc

/// The limit of open descriptors (RLIMIT_NOFILE).
package enum DescriptorLimit {
  /// Raises the soft limit to the hard one and returns it. Workloads are started with the original
  /// limit.
  package static func raise() -> Int { Int(clamping: lb_raise_descriptor_limit()) }
}

/// Calls on directories that Swift's Glibc does not have.
package enum RawDirectory {
  /// O_PATH of open(2): gives name and size, but cannot be read.
  package static let pathOnly: Int32 = lb_open_path

  /// The size of an open directory; for /proc/PID/fd the number of entries, since Linux 6.2. Nil if
  /// unavailable.
  package static func size(_ descriptor: Int32) -> UInt64? {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { return nil }
    return UInt64(clamping: status.st_size)
  }

  /// getdents64(2) from the directory's offset on: bytes, 0 at the end, or -errno.
  package static func read(
    _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer
  ) -> Int {
    // Safe: the buffer's own count bounds the call.
    unsafe lb_read_directory(descriptor, buffer.baseAddress, buffer.count)
  }
}
