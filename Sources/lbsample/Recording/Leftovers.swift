import Glibc
import LinuxSystem
import Runner
import SampleModel
import Sampler

/// What a run that was killed has left running: the processes that carry its mark, are of its users
/// and have no living lbsample above them.
enum Leftovers {
  /// What ends of itself behind a kill has so long for that.
  private static let patience: UInt64 = 2_000_000_000
  private static let period: UInt64 = 20_000_000
  /// As many are named.
  private static let namedLimit = 8

  /// Sees to it that nothing of that run runs on unknown to the user when it is gone on with: what
  /// does is ended where that `isWanted`, else the resume is refused unless by `force`. Gives what
  /// is to be noted.
  static func settle(
    _ earlier: RunRecord.Earlier, _ specification: RunSpecification, isWanted: Bool, force: Bool,
    _ services: RunServices
  ) throws(LBError) -> String? {
    var users: Set<UInt32> = [geteuid()]
    if let user = specification.user { users.insert(user.uid) }
    let boot = SmallFile.text(services.roots.proc("sys/kernel/random/boot_id"))
    let search = LeftoverSearch(
      ProcessMark(run: earlier.result.runID), users: users,
      since: boot != nil && boot == earlier.result.host["boot_id"] ? earlier.boottime : nil)
    var left = wait(search, Self.patience, services)
    guard !left.isEmpty else { return nil }
    let names = text(left)
    guard isWanted else {
      guard force else {
        throw LBError(
          .configuration,
          "the interrupted run left processes running: \(names). --end-leftovers ends them before "
            + "the run is resumed; --force resumes it beside them")
      }
      return "resumed beside processes of the previous session: \(names)"
    }
    signal(left, SIGTERM)
    left = wait(search, specification.grace, services)
    if let reason = services.stop.raised, !left.isEmpty {
      throw LBError.stopped(by: reason, " while ending \(text(left))")
    }
    signal(left, SIGKILL)
    left = wait(search, StopCoordinator.limit, services)
    guard left.isEmpty else {
      throw LBError(
        .workload,
        "lbsample could not end what the interrupted run left running: \(text(left)). It may not "
          + "signal these processes, or SIGKILL has not taken effect on them yet")
    }
    return "ended the processes that the previous session left running: \(names)"
  }

  /// Waits until nothing is found, at most so long or until a stop; gives what still is.
  private static func wait(
    _ search: LeftoverSearch, _ limit: UInt64, _ services: RunServices
  ) -> [Int32] {
    let deadline = services.clock.deadline(in: limit)
    while true {
      let left = search.found
      guard !left.isEmpty, services.clock.monotonic() < deadline else { return left }
      let next = services.clock.deadline(in: period)
      let ready = services.clock.wait(
        readable: [services.stop.pollDescriptor], until: min(next, deadline))
      if !ready.isEmpty { return left }
    }
  }

  private static func signal(_ processes: [Int32], _ number: Int32) {
    for process in processes {
      kill(process, number)
      // What is stopped takes notice only when it goes on.
      if number == SIGTERM { kill(process, SIGCONT) }
    }
  }

  /// `12 (sleep 100), 13 (./server)`.
  private static func text(_ processes: [Int32]) -> String {
    let named = processes.prefix(namedLimit).map { "\($0) (\(command(of: $0)))" }
    let more = processes.count - named.count
    return named.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
  }

  private static func command(of process: Int32) -> String {
    let text = SmallFile.text("/proc/\(process)/cmdline") ?? ""
    let words = text.utf8.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    guard !words.isEmpty else { return SmallFile.text("/proc/\(process)/comm") ?? "?" }
    let line = words.joined(separator: " ")
    return line.count > 60 ? "\(line.prefix(59))…" : line
  }
}
