import CLinux
import Glibc

/// Calls that give numbers rather than text. None of them allocates.
package enum KernelCalls {
  /// Fields of adjtimex(2), in the order of `timexFields`, and behind them the clock's state.
  package static let timexFields = [
    "offset", "freq", "maxerror", "esterror", "status", "constant", "tick", "ppsfreq", "jitter",
    "shift", "stabil", "jitcnt", "calcnt", "errcnt", "stbcnt", "tai", "state",
  ]

  /// Hands each of the fields to `take` with its place; gives 0 or the errno.
  package static func timex(_ take: (Int, Int64) -> Void) -> Int32 {
    unsafe withUnsafeTemporaryAllocation(of: Int64.self, capacity: 16) { fields in
      unsafe fields.initialize(repeating: 0)
      // Safe: LB_TIMEX_FIELDS words.
      let state = unsafe lb_read_timex(fields.baseAddress)
      guard state >= 0 else { return -state }
      for place in 0..<16 { take(place, unsafe fields[place]) }
      take(16, Int64(state))
      return 0
    }
  }

  /// What statvfs(3) says of a file system, in bytes and files.
  package struct FileSystemUse: Sendable {
    package var size: UInt64 = 0
    package var free: UInt64 = 0
    package var available: UInt64 = 0
    package var files: UInt64 = 0
    package var freeFiles: UInt64 = 0
    package var isReadOnly = false
  }

  /// The use of the file system mounted at `path`, a C string; nil when it cannot be asked.
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

  /// The device of the file system that `path`, a C string, is in; nil when it cannot be asked.
  package static func device(of path: UnsafePointer<CChar>) -> UInt64? {
    var device: UInt64 = 0
    return unsafe lb_device_of(path, &device) == 0 ? device : nil
  }

  /// Whether an open mountinfo has changed since it was opened, or asked this last.
  package static func hasChanged(_ descriptor: Int32) -> Bool { lb_has_changed(descriptor) != 0 }
}
