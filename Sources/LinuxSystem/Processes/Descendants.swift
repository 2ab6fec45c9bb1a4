import CLinux
import Glibc
import SampleModel

/// Processes that outlive the workload's group: found, killed and reaped.
package enum Descendants {
  /// Makes this process the reaper of its orphaned descendants (PR_SET_CHILD_SUBREAPER).
  package static func becomeReaper() throws(SystemError) {
    let result = lb_set_child_subreaper(1)
    guard result == 0 else { throw SystemError("prctl(PR_SET_CHILD_SUBREAPER)", errno: -result) }
  }

  /// Direct children of this process, by /proc/self/task/TID/children (Linux 3.5).
  package static func children(of process: String = "self") -> Set<Int32> {
    var found = Set<Int32>()
    for task in directoryEntries("/proc/\(process)/task") {
      guard let text = SmallFile.text("/proc/\(process)/task/\(task)/children") else { continue }
      for child in text.split(separator: " ") {
        if let pid = Int32(child) { found.insert(pid) }
      }
    }
    return found
  }

  /// The children of this process that are not in `known`, without those with the mark `spared`:
  /// they belong to a server or a load, and were reparented when their parent ended.
  package static func strays(except known: Set<Int32>, sparing spared: UInt64?) -> Set<Int32> {
    let strays = children().subtracting(known)
    guard let spared else { return strays }
    return strays.filter { ProcessMark.number(of: $0) != spared }
  }

  /// The number of living processes among these strays and their descendants.
  package static func remaining(except known: Set<Int32>, sparing spared: UInt64?) -> Int {
    var living = Set<Int32>()
    for stray in strays(except: known, sparing: spared) { add(stray, to: &living) }
    return living.count
  }

  private static func add(_ process: Int32, to living: inout Set<Int32>) {
    if !isZombie(process), !living.insert(process).inserted { return }
    for child in children(of: "\(process)") { add(child, to: &living) }
  }

  /// Kills and reaps these strays and their descendants, until none is left or `limit` passes;
  /// returns how many were killed.
  package static func killRemaining(
    except known: Set<Int32>, sparing spared: UInt64?, until limit: UInt64
  ) -> Int {
    var killed = Set<Int32>()
    while true {
      let strays = strays(except: known, sparing: spared)
      if strays.isEmpty { return killed.count }
      for stray in strays { collect(stray, into: &killed) }
      for stray in strays {
        var status: Int32 = 0
        _ = unsafe waitpid(stray, &status, WNOHANG)
      }
      if Clock.monotonic() > limit { return killed.count }
      _ = Poll.wait(readable: [], until: Clock.monotonic() + 1_000_000)
    }
  }

  /// Kills `process` and everything below it. A process that is already dead is only reaped.
  private static func collect(_ process: Int32, into killed: inout Set<Int32>) {
    let below = children(of: "\(process)")
    if !isZombie(process), kill(process, SIGKILL) == 0 { killed.insert(process) }
    for child in below { collect(child, into: &killed) }
  }

  private static func isZombie(_ process: Int32) -> Bool {
    guard let text = SmallFile.text("/proc/\(process)/stat"),
      let close = text.utf8.lastIndex(of: UInt8(ascii: ")"))
    else { return true }
    return text.utf8[close...].dropFirst(2).first == UInt8(ascii: "Z")
  }
}

/// Names in a directory without the dot entries; empty if it cannot be read.
package func directoryEntries(_ path: String) -> [String] {
  guard let directory = unsafe opendir(path.osCString) else { return [] }
  defer { unsafe closedir(directory) }
  var names: [String] = []
  while let entry = unsafe readdir(directory) {
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
      unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) {
        unsafe OSText.string(cString: $0)
      }
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}
