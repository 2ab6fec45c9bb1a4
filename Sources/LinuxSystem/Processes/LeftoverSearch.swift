import Glibc
import SampleModel

/// Finds processes that an ended run left running. The mark alone is not sufficient: any process
/// can set it, and runs resumed from copies of one file share it.
package struct LeftoverSearch: Sendable {
  /// Nanoseconds of tolerance: the start of a process is known to a tick, that of the run by
  /// another clock.
  private static let slack: UInt64 = 1_000_000_000
  private static let ownName = "lbsample"
  /// Attempts to find a process's ancestors, while some of them start and end.
  private static let tries = 4

  private let mark: ProcessMark
  private let users: Set<UInt32>
  private let earliest: UInt64
  private let program: String

  /// Searches for processes with the mark `mark`, whose real user is in `users`, and that started
  /// at `start` (CLOCK_BOOTTIME, nanoseconds; nil if the run was before this boot) or later. A
  /// process that executes `program` is an lbsample.
  package init(
    _ mark: ProcessMark, users: Set<UInt32>, since start: UInt64?,
    program: String = "/proc/self/exe"
  ) {
    self.program = program
    self.mark = mark
    self.users = users
    let since = start ?? 0
    let tick = max(1, 1_000_000_000 / HostFacts.ticksPerSecond)
    earliest = (since > Self.slack ? since - Self.slack : 0) / tick
  }

  /// The processes found that have no living lbsample as an ancestor, ordered by PID.
  package var found: [Int32] {
    mark.carriers.filter { process in
      guard let state = ProcessState(of: process), state.start >= earliest,
        let user = Self.user(of: process), users.contains(user)
      else { return false }
      return !hasSampler(above: process)
    }
  }

  /// The real user of a process; nil if it has ended.
  private static func user(of process: Int32) -> UInt32? {
    guard let text = SmallFile.text("/proc/\(process)/status") else { return nil }
    let name = "Uid:"
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.dropFirst(name.count).split { $0 == "\t" || $0 == " " }.first
        .flatMap { UInt32($0) }
    }
    return nil
  }

  /// Whether an lbsample is an ancestor of a process: it is the reaper of all processes of its run.
  /// True if the ancestors cannot be determined.
  private func hasSampler(above process: Int32) -> Bool {
    for _ in 0..<Self.tries {
      if let answer = searchOnce(above: process) { return answer }
    }
    return true
  }

  /// Nil if an ancestor has ended or is hidden.
  private func searchOnce(above process: Int32) -> Bool? {
    var current = process
    var seen: Set<Int32> = []
    while seen.insert(current).inserted {
      if current != process, isSampler(current) { return true }
      guard let state = ProcessState(of: current) else {
        // PID 1 has no parent, and may be hidden.
        return current == 1 ? false : nil
      }
      // Zero: the parent is outside this PID namespace.
      guard state.parent > 0 else { return false }
      current = state.parent
    }
    return nil
  }

  /// By the executed file, or by the name, since another build is lbsample too.
  private func isSampler(_ process: Int32) -> Bool {
    var own = stat()
    var other = stat()
    if unsafe stat("/proc/\(process)/exe".osCString, &other) == 0 {
      if unsafe stat(program.osCString, &own) == 0, own.st_dev == other.st_dev,
        own.st_ino == other.st_ino
      {
        return true
      }
    } else if errno == ENOENT {
      // It is ending or has ended, and has no program any more.
      return false
    }
    return SmallFile.text("/proc/\(process)/comm") == Self.ownName
  }
}
