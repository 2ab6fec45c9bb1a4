import Glibc
import LinuxSystem
import RunStore
import Runner
import SampleModel
import Sampler

/// Processes that a killed run has left running: they carry its mark, belong to its users and have
/// no living lbsample as an ancestor.
enum Leftovers {
  /// What ends of itself behind a kill has so long for that.
  private static let timeout: UInt64 = 2_000_000_000
  private static let period: UInt64 = 20_000_000
  /// As many are named.
  private static let namedLimit = 8

  /// The run that left them, and their possible users.
  struct Origin {
    let runID: String
    /// The boot in which the run began, and CLOCK_BOOTTIME of its beginning; nil where its file
    /// does not have them.
    let boot: String?
    let start: UInt64?
    let users: Set<UInt32>
    /// Nanoseconds between SIGTERM and SIGKILL.
    let grace: UInt64

    /// A run that is resumed.
    init(_ earlier: ResumableRun, _ specification: RunSpecification) {
      runID = earlier.result.runID
      boot = earlier.result.host["boot_id"]
      start = earlier.boottime
      users = Set([geteuid()] + (specification.user.map { [$0.uid] } ?? []))
      grace = specification.grace
    }

    /// A run that is removed; nil for a recording or a run that ended by itself.
    init?(_ reader: RunReader) throws(LBError) {
      let result = try reader.result([])
      let isEnded = [.completed, .failed, .timeout].contains(result.status)
      guard result.kind == "run",
        !isEnded || result.warnings.contains(where: { $0.hasPrefix(Leftovers.beside) })
      else { return nil }
      func value(_ key: String) -> String? {
        result.configuration.last { $0.key == key }?.value
      }
      runID = result.runID
      boot = result.host["boot_id"]
      start = reader.boottime(ofStart: result.startUnixNanoseconds)
      let named = value("workload.user").flatMap { UserIdentity(named: $0) }
      let caller = try WorkloadOptions.user(nil)
      users = Set([geteuid(), (named ?? caller)?.uid].compactMap(\.self))
      let grace = value("run.grace") ?? SettingsSchema.key("run.grace")?.standard
      self.grace = grace.flatMap(Durations.parse) ?? Leftovers.timeout
    }
  }

  /// What the command does with their run.
  enum Purpose: String {
    case resume
    case removal

    fileprivate var refusal: String {
      switch self {
      case .resume:
        "Add --end-leftovers to end them first, or --force to resume the run and leave them "
          + "running"
      case .removal:
        "Add --end-leftovers to end them first, or --force to remove the run and leave them "
          + "running"
      }
    }
  }

  private static let beside = "resumed beside processes of the previous session: "

  /// Handles leftovers before their run is resumed or removed: ends them if `isWanted`, otherwise
  /// throws unless `force`. A `stop` ends the wait. Returns a message about them, or nil.
  static func settle(
    _ origin: Origin, for purpose: Purpose, isWanted: Bool, force: Bool, clock: TimeSource,
    _ roots: MountRoots, stop: StopFlag? = nil
  ) throws(LBError) -> String? {
    let search = search(origin, roots)
    var left = wait(search, Self.timeout, clock, stop)
    guard !left.isEmpty else { return nil }
    let names = text(left)
    guard isWanted else {
      guard force else { throw refusal(origin, purpose, names) }
      return purpose == .resume ? beside + names : "processes of the run go on: \(names)"
    }
    signal(left, SIGTERM)
    left = wait(search, origin.grace, clock, stop)
    if let reason = stop?.raised, !left.isEmpty {
      throw LBError.stopped(by: reason, " while ending \(text(left))")
    }
    signal(left, SIGKILL)
    left = wait(search, StopCoordinator.limit, clock, stop)
    guard left.isEmpty else {
      throw LBError(
        .workload,
        "lbsample could not end the processes that the interrupted run left running: "
          + "\(text(left)). lbsample is not permitted to signal them, or SIGKILL has not taken "
          + "effect yet; end them as root, or retry later")
    }
    return "ended the processes that the previous session left running: \(names)"
  }

  /// Why a run is not removed without being told what to do with its leftovers; nil where it has
  /// none. Ends nothing.
  static func hindrance(
    of origin: Origin, clock: TimeSource, _ roots: MountRoots
  ) -> LBError? {
    let left = wait(search(origin, roots), Self.timeout, clock, nil)
    return left.isEmpty ? nil : refusal(origin, .removal, text(left))
  }

  private static func refusal(_ origin: Origin, _ purpose: Purpose, _ names: String) -> LBError {
    LBError(
      .configuration,
      "\(origin.runID): this interrupted run left processes running: \(names). "
        + purpose.refusal)
  }

  private static func search(_ origin: Origin, _ roots: MountRoots) -> LeftoverSearch {
    let boot = SmallFile.text(roots.proc("sys/kernel/random/boot_id"))
    return LeftoverSearch(
      ProcessMark(run: origin.runID), users: origin.users,
      since: boot != nil && boot == origin.boot ? origin.start : nil)
  }

  /// Waits until nothing is found, at most so long or until a stop; gives what still is.
  private static func wait(
    _ search: LeftoverSearch, _ limit: UInt64, _ clock: TimeSource, _ stop: StopFlag?
  ) -> [Int32] {
    let deadline = clock.deadline(in: limit)
    while true {
      let left = search.found
      guard !left.isEmpty, clock.monotonic() < deadline else { return left }
      let next = clock.deadline(in: period)
      let ready = clock.wait(
        readable: stop.map { [$0.pollDescriptor] } ?? [], until: min(next, deadline))
      if !ready.isEmpty { return left }
    }
  }

  private static func signal(_ processes: [Int32], _ number: Int32) {
    for process in processes {
      kill(process, number)
      // A stopped process handles the signal only once it is continued.
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
