import Glibc
import SampleModel

/// What a run that is over has left running. The mark alone does not tell: anyone can give it to a
/// process, and the runs that are resumed from copies of one file have it in common.
package struct LeftoverSearch: Sendable {
  /// The start of a process is known to a tick, that of the run by another clock.
  private static let slack: UInt64 = 1_000_000_000
  private static let ownName = "lbsample"
  /// So often the way up from a process is looked for, while processes on it come and go.
  private static let tries = 4

  private let mark: ProcessMark
  private let users: Set<UInt32>
  private let earliest: UInt64
  private let program: String

  /// Looks for processes that carry `mark`, whose real user is one of `users`, and that started at
  /// `start` (CLOCK_BOOTTIME, nanoseconds) or later; nil where that is not known of this boot. An
  /// lbsample is what executes `program`.
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

  /// Those that are there now and have no living lbsample above them, in order of their numbers.
  package var found: [Int32] {
    mark.carriers.filter { process in
      guard let state = ProcessState(of: process), state.start >= earliest,
        let user = Self.user(of: process), users.contains(user)
      else { return false }
      return !hasSampler(above: process)
    }
  }

  /// The real user of a process; nil where it is gone.
  private static func user(of process: Int32) -> UInt32? {
    guard let text = SmallFile.text("/proc/\(process)/status") else { return nil }
    let name = "Uid:"
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.dropFirst(name.count).split { $0 == "\t" || $0 == " " }.first
        .flatMap { UInt32($0) }
    }
    return nil
  }

  /// Whether an lbsample lives above a process: it is the reaper of all that its run has started.
  /// Where the way up cannot be seen, one may be there.
  private func hasSampler(above process: Int32) -> Bool {
    for _ in 0..<Self.tries {
      if let answer = look(above: process) { return answer }
    }
    return true
  }

  /// nil where a process on the way up is gone, or hidden.
  private func look(above process: Int32) -> Bool? {
    var current = process
    var seen: Set<Int32> = []
    while seen.insert(current).inserted {
      if current != process, isSampler(current) { return true }
      guard let state = ProcessState(of: current) else {
        // The first process of all has none above it, and may be hidden.
        return current == 1 ? false : nil
      }
      // Zero: the parent is outside this PID namespace.
      guard state.parent > 0 else { return false }
      current = state.parent
    }
    return nil
  }

  /// By the program, which may have another name, or by the name: another build is lbsample too.
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
      // It is ending, or has ended: it has no program any more.
      return false
    }
    return SmallFile.text("/proc/\(process)/comm") == Self.ownName
  }
}
