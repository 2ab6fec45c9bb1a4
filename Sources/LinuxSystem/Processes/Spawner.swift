import CLinux
import Glibc
import SampleModel

/// The arguments of a child; everything is prepared before the fork.
package struct SpawnPlan: Sendable {
  /// The command and its arguments; `path` is executed.
  package var arguments: [String]
  package var path: String
  /// `NAME=value` entries.
  package var environment: [String]
  package var directory: String?
  package var input: Int32
  package var output: Int32
  package var error: Int32
  package var cpus: CPUSet?
  package var user: UserIdentity?
  /// The terminal whose foreground the child's group becomes.
  package var foregroundTerminal: Int32?
  /// Whether it runs beside the measured processes.
  package var isBeside = false
  /// The mark of the child and its descendants, nil for none.
  package var mark: UInt64?

  /// A child of `path` with the three standard descriptors.
  package init(
    path: String, arguments: [String], environment: [String], input: Int32, output: Int32,
    error: Int32
  ) {
    self.path = path
    self.arguments = arguments
    self.environment = environment
    self.input = input
    self.output = output
    self.error = error
  }
}

/// A step between fork and exec that failed in the child.
package struct SpawnFailure: Error, Sendable, Equatable, CustomStringConvertible {
  package let step: String
  package let errno: Int32

  /// A step (a phrase that follows "while"), and the errno.
  package init(step: String, errno: Int32) {
    self.step = step
    self.errno = errno
  }

  /// `executing it: Exec format error`.
  package var description: String { "\(step): \(SystemError.words(errno))" }
}

/// How a child ended.
package struct ExitStatus: Sendable, Equatable {
  /// The exit code, nil when a signal ended it.
  package var code: Int32?
  package var signal: Int32?

  /// An end by exit or by signal.
  package init(code: Int32?, signal: Int32?) {
    self.code = code
    self.signal = signal
  }
}

/// Resource usage from wait4(2) of a reaped child and its reaped descendants.
package struct ResourceUsage: Sendable, Equatable {
  package var userNanoseconds: UInt64
  package var systemNanoseconds: UInt64
  /// Nil if the workload's peak does not exceed that of the forked process.
  package var peakResidentBytes: UInt64?
  /// Context switches: voluntary ones, and preemptions.
  package var voluntarySwitches: UInt64
  package var involuntarySwitches: UInt64

  /// The given usage.
  package init(
    userNanoseconds: UInt64, systemNanoseconds: UInt64, peakResidentBytes: UInt64?,
    voluntarySwitches: UInt64 = 0, involuntarySwitches: UInt64 = 0
  ) {
    self.voluntarySwitches = voluntarySwitches
    self.involuntarySwitches = involuntarySwitches
    self.userNanoseconds = userNanoseconds
    self.systemNanoseconds = systemNanoseconds
    self.peakResidentBytes = peakResidentBytes
  }
}

/// A forked child, set up and waiting at its start gate; `openGate` lets it exec.
package final class GatedChild {
  package let pid: Int32
  private var gate: OwnedDescriptor?
  private let status: OwnedDescriptor
  private let exitDescriptor: OwnedDescriptor
  private var reaped = false
  /// The child's usage when it reached its gate.
  private var atGate = ResourceUsage(
    userNanoseconds: 0, systemNanoseconds: 0, peakResidentBytes: 0)

  /// Starts the child through `starter`, or by fork without one, and waits until it is at its gate.
  package init(
    _ plan: SpawnPlan, through starter: WorkloadStarter? = nil
  ) throws(SpawnFailure) {
    var gatePair = try Self.pipe(SocketPair.init)
    var statusPipe = try Self.pipe(Pipe.init)
    var begun: Int32?
    if let starter {
      begun = try Self.begin(plan, through: starter, gatePair, statusPipe)
      if begun == nil {
        // Another pair of pipes: a child that the starter began after all must not pass this gate.
        gatePair = try Self.pipe(SocketPair.init)
        statusPipe = try Self.pipe(Pipe.init)
      }
    }
    if begun == nil { begun = try Self.begin(plan, through: nil, gatePair, statusPipe) }
    // A fork returns a child or throws.
    pid = begun ?? 0
    let pidDescriptor = lb_pidfd_open(pid)
    exitDescriptor = OwnedDescriptor(owning: pidDescriptor)
    gate = consume gatePair.ours
    status = consume statusPipe.readEnd
    _ = consume gatePair.theirs
    _ = consume statusPipe.writeEnd
    if pidDescriptor < 0 {
      abandon()
      throw SpawnFailure(step: "pidfd_open", errno: -pidDescriptor)
    }
    if let failure = nextReport() {
      abandon()
      throw failure
    }
  }

  deinit { abandon() }

  private static func pipe<Channel: ~Copyable>(
    _ make: () throws(SystemError) -> Channel
  ) throws(SpawnFailure) -> Channel {
    do throws(SystemError) {
      return try make()
    } catch {
      throw SpawnFailure(step: error.call, errno: error.errno)
    }
  }

  /// Returns the child's PID; nil if the starter could not start it.
  private static func begin(
    _ plan: SpawnPlan, through starter: WorkloadStarter?, _ gate: borrowing SocketPair,
    _ status: borrowing Pipe
  ) throws(SpawnFailure) -> Int32? {
    let (theirs, ours) = (gate.theirs.number, gate.ours.number)
    let (writeEnd, readEnd) = (status.writeEnd.number, status.readEnd.number)

    // Safe: every C string and array outlives the start, which copies them into the child, by fork
    // or through the starter's socket.
    let pid = unsafe withCStrings(plan.arguments) { argv in
      unsafe withCStrings(plan.environment) { envp in
        unsafe plan.path.osCString.withUnsafeBufferPointer { path in
          unsafe withOptionalCString(plan.directory) { directory in
            unsafe (plan.cpus?.maskWords ?? []).withUnsafeBufferPointer { mask in
              unsafe (plan.user?.groups ?? []).withUnsafeBufferPointer { groups in
                var spawn = unsafe lb_spawn()
                unsafe spawn.path = path.baseAddress
                unsafe spawn.argv = argv
                unsafe spawn.envp = envp
                unsafe spawn.directory = directory
                unsafe spawn.input_fd = plan.input
                unsafe spawn.output_fd = plan.output
                unsafe spawn.error_fd = plan.error
                unsafe spawn.gate_fd = theirs
                unsafe spawn.gate_write_fd = ours
                unsafe spawn.status_read_fd = readEnd
                unsafe spawn.status_fd = writeEnd
                unsafe spawn.cpu_mask = plan.cpus == nil ? nil : mask.baseAddress
                unsafe spawn.cpu_mask_bytes = mask.count * 8
                unsafe spawn.change_user = plan.user == nil ? 0 : 1
                unsafe spawn.uid = plan.user?.uid ?? 0
                unsafe spawn.gid = plan.user?.gid ?? 0
                unsafe spawn.groups = groups.baseAddress
                unsafe spawn.group_count = groups.count
                unsafe spawn.foreground_fd = plan.foregroundTerminal ?? -1
                unsafe spawn.mark = plan.mark ?? 0
                if let starter { return unsafe starter.start(&spawn) ?? 0 }
                return unsafe lb_spawn_gated(&spawn)
              }
            }
          }
        }
      }
    }
    guard pid >= 0 else { throw SpawnFailure(step: "fork", errno: -pid) }
    return pid == 0 ? nil : pid
  }

  /// Lets the child exec, after the opening sample. If it was killed at its gate, this has no
  /// effect, and causes no SIGPIPE.
  package func openGate() {
    guard let descriptor = gate?.number else { return }
    var byte: UInt8 = 1
    var sent: Int
    repeat {
      sent = unsafe send(descriptor, &byte, 1, Int32(MSG_NOSIGNAL))
    } while sent < 0 && errno == EINTR
    gate = nil
  }

  /// Readable once the child has exited; it stays a zombie until `reap`.
  package var exitPollDescriptor: Int32 { exitDescriptor.number }

  /// The child's exit status, nil while it runs. Does not reap (WNOWAIT).
  package func peekExit() -> ExitStatus? {
    var code: Int32 = 0
    var signal: Int32 = 0
    guard unsafe lb_peek_exit(pid, &code, &signal) == 1 else { return nil }
    return signal == 0
      ? ExitStatus(code: code, signal: nil) : ExitStatus(code: nil, signal: signal)
  }

  /// After the exit: the exec failure that the child reported, if that is why it ended.
  package func execFailure() -> SpawnFailure? { nextReport() }

  /// Sends `signal` to the child's process group; returns the errno if the kernel refuses (a
  /// workload that changed its user).
  @discardableResult
  package func signalGroup(_ signal: Int32) -> Int32? {
    guard kill(-pid, signal) == 0 else { return errno }
    // A stopped process handles SIGTERM only after SIGCONT.
    if signal == SIGTERM { kill(-pid, SIGCONT) }
    return nil
  }

  /// Whether its process group has a living process.
  package var isGroupAlive: Bool { peekExit() == nil || ProcessState.isAlive(group: pid) }

  /// Reaps the child once it has exited; nil if it has not by `limit` (CLOCK_MONOTONIC).
  package func reap(until limit: UInt64) -> ResourceUsage? {
    guard !reaped else { return nil }
    _ = Poll.wait(readable: [exitDescriptor.number], until: limit)
    var status: Int32 = 0
    var usage = rusage()
    var result: Int32
    repeat {
      result = unsafe wait4(pid, &status, WNOHANG, &usage)
    } while result < 0 && errno == EINTR
    guard result == pid else { return nil }
    reaped = true
    return own(usage)
  }

  /// The workload's own part of a usage, without that of the child before its gate. The split into
  /// user and system time is sampled, so a negative rest of one is taken from the other.
  private func own(_ usage: rusage) -> ResourceUsage {
    let user = Self.nanoseconds(usage.ru_utime)
    let system = Self.nanoseconds(usage.ru_stime)
    let before = atGate.userNanoseconds + atGate.systemNanoseconds
    let total = user + system > before ? user + system - before : 0
    let ownUser = min(total, user > atGate.userNanoseconds ? user - atGate.userNanoseconds : 0)
    // The peak survives the exec: unless it exceeds the child's at its gate, it may be that of the
    // forked process. The kernel's count is approximate by a number of pages for each CPU.
    let peak = UInt64(usage.ru_maxrss) * 1024
    let standsOut = peak > (atGate.peakResidentBytes ?? 0) + 524_288
    // The child reported its usage, then waited once at the gate.
    let waits = atGate.voluntarySwitches + 1
    return ResourceUsage(
      userNanoseconds: ownUser, systemNanoseconds: total - ownUser,
      peakResidentBytes: standsOut ? peak : nil,
      voluntarySwitches: UInt64(max(0, usage.ru_nvcsw - Int(waits))),
      involuntarySwitches: UInt64(max(0, usage.ru_nivcsw - Int(atGate.involuntarySwitches))))
  }

  /// Ends an unneeded child: it exits at its gate, or is killed.
  package func abandon() {
    // The PID of a reaped child may belong to another process.
    guard !reaped else { return }
    gate = nil
    kill(pid, SIGKILL)
    _ = reap(until: Clock.monotonic() + 1_000_000_000)
  }

  private static func nanoseconds(_ time: timeval) -> UInt64 {
    UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_usec) * 1000
  }

  /// The next report of the child; nil for readiness, or if exec closed the pipe.
  private func nextReport() -> SpawnFailure? {
    var report = lb_spawn_report()
    let size = MemoryLayout<lb_spawn_report>.size
    var count: Int
    // Safe: the structure's own size bounds the call.
    repeat { count = unsafe read(status.number, &report, size) } while count < 0 && errno == EINTR
    guard count == size else { return nil }
    if report.step == Int32(LB_SPAWN_READY.rawValue) {
      atGate = ResourceUsage(
        userNanoseconds: UInt64(report.user_us) * 1000,
        systemNanoseconds: UInt64(report.system_us) * 1000,
        peakResidentBytes: UInt64(report.peak_resident_kib) * 1024,
        voluntarySwitches: UInt64(report.voluntary_switches),
        involuntarySwitches: UInt64(report.involuntary_switches))
      return nil
    }
    return SpawnFailure(step: Self.name(ofStep: report.step), errno: report.error)
  }

  private static func name(ofStep step: Int32) -> String {
    switch UInt32(step) {
    case LB_SPAWN_SETPGID.rawValue: "making its process group"
    case LB_SPAWN_AFFINITY.rawValue: "restricting it to the workload CPUs"
    case LB_SPAWN_REDIRECT.rawValue: "redirecting its output"
    case LB_SPAWN_USER.rawValue: "changing to its user"
    case LB_SPAWN_DIRECTORY.rawValue: "changing to its directory"
    case LB_SPAWN_CAPABILITIES.rawValue: "dropping its inherited capabilities (capset)"
    case LB_SPAWN_FOREGROUND.rawValue: "giving it the terminal"
    default: "executing it"
    }
  }
}

/// Calls `body` with a NULL-terminated array of C strings that live as long as the call.
private func withCStrings<R>(
  _ strings: [String],
  _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
) -> R {
  var pointers = unsafe strings.map { unsafe strdup($0.osCString) }
  unsafe pointers.append(nil)
  defer { unsafe pointers.forEach { unsafe free($0) } }
  // Safe: the array has at least the closing NULL, so it has an address.
  return unsafe pointers.withUnsafeBufferPointer {
    unsafe body($0.baseAddress.unsafelyUnwrapped)
  }
}

private func withOptionalCString<R>(
  _ string: String?, _ body: (UnsafePointer<CChar>?) -> R
) -> R {
  guard let string else { return body(nil) }
  return unsafe string.osCString.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}
