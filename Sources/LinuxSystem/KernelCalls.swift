import CLinux
import Glibc

/// System calls that return numbers rather than text. None of them allocates.
package enum KernelCalls {
  /// Fields of adjtimex(2), in the order of `timexFields`, then the clock's state.
  package static let timexFields = [
    "offset", "freq", "maxerror", "esterror", "status", "constant", "tick", "ppsfreq", "jitter",
    "shift", "stabil", "jitcnt", "calcnt", "errcnt", "stbcnt", "tai", "state",
  ]

  /// Calls `take` with the index and value of each field; returns 0 or the errno.
  package static func timex(_ take: (Int, Int64) -> Void) -> Int32 {
    unsafe withUnsafeTemporaryAllocation(of: Int64.self, capacity: 16) { fields in
      unsafe fields.initialize(repeating: 0)
      // Safe: LB_TIMEX_FIELDS words.
      let state = unsafe lb_read_timex(fields.baseAddress)
      guard state >= 0 else { return -state }
      for index in 0..<16 { take(index, unsafe fields[index]) }
      take(16, Int64(state))
      return 0
    }
  }

  /// The result of statvfs(3), in bytes and files.
  package struct FileSystemUse: Sendable {
    package var size: UInt64 = 0
    package var free: UInt64 = 0
    package var available: UInt64 = 0
    package var files: UInt64 = 0
    package var freeFiles: UInt64 = 0
    package var isReadOnly = false
  }

  /// The use of the file system mounted at `path`, a C string; nil on error.
  package static func fileSystem(_ path: UnsafePointer<CChar>) -> FileSystemUse? {
    unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 7) { fields in
      unsafe fields.initialize(repeating: 0)
      // Safe: seven words.
      guard unsafe lb_read_statfs(path, fields.baseAddress) == 0 else { return nil }
      let unit = unsafe fields[0]
      return unsafe FileSystemUse(
        size: fields[1] &* unit, free: fields[2] &* unit, available: fields[3] &* unit,
        files: fields[4], freeFiles: fields[5], isReadOnly: fields[6] != 0)
    }
  }

  /// The device of the file system that contains `path`, a C string; nil on error.
  package static func device(of path: UnsafePointer<CChar>) -> UInt64? {
    var device: UInt64 = 0
    return unsafe lb_device_of(path, &device) == 0 ? device : nil
  }

  /// Whether an open mountinfo has changed since it was opened or last checked.
  package static func hasChanged(_ descriptor: Int32) -> Bool { lb_has_changed(descriptor) != 0 }
}
