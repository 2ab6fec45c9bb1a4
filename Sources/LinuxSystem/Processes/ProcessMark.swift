import Glibc

/// Marks the processes of one run. All their descendants inherit it, even if they leave the
/// session, are orphaned or overwrite their arguments.
///
/// It is the soft limit of file locks (RLIMIT_LOCKS), which children inherit, which Linux has
/// ignored since version 2.4, and which /proc/PID/limits shows.
package struct ProcessMark: Sendable, Hashable {
  /// The mark of measured processes.
  package let measured: UInt64
  /// The mark of processes beside them: hooks, servers, loads.
  package var beside: UInt64 { measured | 1 }

  /// The mark of the run with that id.
  package init(run: String) {
    let sum = run.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    // Even, and neither 0 nor RLIM_INFINITY.
    measured = sum & 0x3fff_ffff_ffff_fffe | 1 << 62
  }

  /// The processes with the mark, ordered by PID, without this one and its ancestors.
  package var carriers: [Int32] {
    let all = directoryEntries("/proc").compactMap { Int32($0) }
    let carriers = all.filter { process in
      let number = Self.number(of: process)
      return number == measured || number == beside
    }
    guard !carriers.isEmpty else { return [] }
    let own = ProcessState.ancestry
    return carriers.filter { process in
      !own.contains(process) && ProcessState(of: process)?.isZombie == false
    }.sorted()
  }

  /// The mark of a process; nil without one, and if it has ended.
  package static func number(of process: Int32) -> UInt64? {
    guard let text = SmallFile.text("/proc/\(process)/limits") else { return nil }
    let name = "Max file locks"
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.dropFirst(name.count).split(separator: " ").first.flatMap { UInt64($0) }
    }
    return nil
  }
}

/// Parent, group, session and start of a process from /proc/PID/stat.
package struct ProcessState: Sendable, Hashable {
  package let isZombie: Bool
  package let parent: Int32
  package let group: Int32
  /// When it started: CLOCK_BOOTTIME, in ticks (`HostFacts.ticksPerSecond`).
  package let start: UInt64

  /// The state of a process; nil if there is none.
  package init?(of process: Int32) {
    // The name in parentheses may contain any character.
    guard let text = SmallFile.text("/proc/\(process)/stat"),
      let close = text.utf8.lastIndex(of: UInt8(ascii: ")"))
    else { return nil }
    let fields = text.utf8[close...].dropFirst(2).split(separator: UInt8(ascii: " "))
    guard fields.count > 19, let parent = Int32(String(decoding: fields[1], as: UTF8.self)),
      let group = Int32(String(decoding: fields[2], as: UTF8.self)),
      let start = UInt64(String(decoding: fields[19], as: UTF8.self))
    else { return nil }
    isZombie = fields[0].elementsEqual("Z".utf8) || fields[0].elementsEqual("X".utf8)
    self.parent = parent
    self.group = group
    self.start = start
  }

  /// This process and its ancestors.
  static var ancestry: Set<Int32> {
    var found: Set<Int32> = []
    var process = getpid()
    while process > 0, found.insert(process).inserted {
      process = ProcessState(of: process)?.parent ?? 0
    }
    return found
  }

  /// Whether the group has a process that is not a zombie.
  package static func isAlive(group: Int32) -> Bool {
    directoryEntries("/proc").lazy.compactMap { Int32($0) }.contains { process in
      guard let state = ProcessState(of: process) else { return false }
      return state.group == group && !state.isZombie
    }
  }
}
