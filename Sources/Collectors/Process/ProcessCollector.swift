import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler
import Synchronization

/// Single processes, with all counters of the kernel. The instance is the PID.
struct ProcessCollector: Collector {
  let processes: [Int32]
  let needsTarget = true
  /// The processes that the PIDs denoted first.
  private let identities: ProcessIdentities

  /// Processes by PID.
  init(processes: [Int32]) {
    self.processes = processes
    identities = ProcessIdentities()
  }

  private static let tick = Scale(1_000_000_000, per: HostFacts.ticksPerSecond)
  private static let tickLength = 1_000_000_000 / HostFacts.ticksPerSecond
  private static let page = Scale(UInt64(sysconf(Int32(_SC_PAGESIZE))))

  let description = CollectorDescription(
    name: "process", summary: "single processes: all counters that the kernel keeps of them",
    source: "/proc/PID/{stat,status,io,schedstat,statm,fd}", minimumKernel: "2.6.20",
    privilege: "the process\'s own user, or CAP_SYS_PTRACE, for io and fd", cost: .cheap,
    systemCallsPerSample: 6, isOpen: true,
    metrics: [
      counter("minflt", "page faults without I/O"),
      counter("cminflt", "those of waited-for children"),
      counter("majflt", "page faults with I/O"),
      counter("cmajflt", "those of waited-for children"),
      counter("utime", "user time", unit: .nanoseconds, scale: tick, resolution: tickLength),
      counter("stime", "system time", unit: .nanoseconds, scale: tick, resolution: tickLength),
      counter(
        "cutime", "user time of waited-for children", unit: .nanoseconds, scale: tick,
        resolution: tickLength),
      counter(
        "cstime", "system time of waited-for children", unit: .nanoseconds, scale: tick,
        resolution: tickLength),
      gauge("priority", "scheduling priority", isSigned: true),
      gauge("nice", "nice value", isSigned: true),
      gauge("num_threads", "threads"),
      gauge("starttime", "from boot to its start", unit: .nanoseconds, scale: tick),
      gauge("vsize", "address space", unit: .bytes),
      gauge("rss", "resident memory", unit: .bytes, scale: page),
      gauge("processor", "the CPU that its main thread last ran on"),
      gauge("rt_priority", "real-time priority"),
      gauge("policy", "scheduling policy"),
      counter(
        "delayacct_blkio_ticks", "waiting for block I/O", unit: .nanoseconds, scale: tick,
        resolution: tickLength),
      counter(
        "guest_time", "running a virtual CPU", unit: .nanoseconds, scale: tick,
        resolution: tickLength),
      counter(
        "cguest_time", "that of waited-for children", unit: .nanoseconds, scale: tick,
        resolution: tickLength),
      counter("voluntary_ctxt_switches", "of the main thread: it waited"),
      counter("nonvoluntary_ctxt_switches", "of the main thread: it was preempted"),
      gauge("FDSize", "slots for descriptors"),
      gauge("Threads", "threads"),
      gauge("Seccomp_filters", "seccomp filters (Linux 5.9)"),
      counter("rchar", "bytes of read calls, with those of waited-for children", unit: .bytes),
      counter("wchar", "bytes of write calls, as rchar with those of children", unit: .bytes),
      counter("syscr", "read calls, as rchar"),
      counter("syscw", "write calls, as rchar"),
      counter("read_bytes", "bytes that storage delivered, as rchar", unit: .bytes),
      counter("write_bytes", "bytes handed to storage, as rchar", unit: .bytes),
      counter(
        "cancelled_write_bytes", "bytes of written pages dropped before storage, as rchar",
        unit: .bytes),
      counter(
        "sum_exec_runtime", "CPU time of the main thread (schedstat)", unit: .nanoseconds),
      counter("run_delay", "the main thread, runnable without a CPU", unit: .nanoseconds),
      counter("pcount", "times that the main thread was given a CPU"),
      gauge("size", "address space (statm)", unit: .bytes, scale: page),
      gauge("resident", "resident memory (statm)", unit: .bytes, scale: page),
      gauge("shared", "resident memory backed by files or shared", unit: .bytes, scale: page),
      gauge("text", "executable code", unit: .bytes, scale: page),
      gauge("data", "private writable memory and stacks", unit: .bytes, scale: page),
      gauge("fds", "open descriptors (Linux 6.2)"),
    ])

  /// Available if each of the processes is visible.
  func probe(_ context: CollectorContext) -> Availability {
    guard !processes.isEmpty else {
      return .absent(reason: "--process PID is required")
    }
    for pid in processes {
      let availability = probeProcess(pid, context)
      if availability != .available { return availability }
    }
    return .available
  }

  /// Opens every readable file of every process.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    for pid in processes where !identities.isSame(pid, context.roots) {
      throw LBError(
        .metricCollection, "process: \(pid) has exited, and another process now has this PID",
        context: ErrorContext(collector: "process"))
    }
    return try ProcessTexts(processes: processes, description: description).arm(context)
  }
}

/// Processes by PID and start time, since PIDs are reused.
final class ProcessIdentities: Sendable {
  private let starts = Mutex<[Int32: UInt64]>([:])

  /// Whether `pid` is the same process as at the first call; true if it has ended.
  func isSame(_ pid: Int32, _ roots: MountRoots) -> Bool {
    guard let start = Self.start(of: pid, roots) else { return true }
    return starts.withLock { starts in
      let known = starts[pid] ?? start
      starts[pid] = known
      return known == start
    }
  }

  /// Clock ticks from boot to the start of `pid`, nil if it has ended.
  static func start(of pid: Int32, _ roots: MountRoots) -> UInt64? {
    do throws(SystemError) {
      let bytes = try SmallFile.read(roots.proc("\(pid)/stat"))
      do throws(KernelTextError) { return try ProcessStat(bytes.span).startTicks } catch {
        return nil
      }
    } catch {
      return nil
    }
  }
}

/// The texts of single processes.
private struct ProcessTexts: TextCollector {
  let processes: [Int32]
  let description: CollectorDescription

  func sources(_ context: CollectorContext) -> [TextSource] {
    processes.flatMap { pid -> [TextSource] in
      let name = "\(pid)"
      func path(_ file: String) -> String { context.roots.proc("\(pid)/\(file)") }
      return [
        TextSource(path("stat"), isNeeded: processes.count == 1) { text throws(KernelTextError) in
          try TextFormat.processStat(text, of: name)
        },
        TextSource(path("status"), isNeeded: false) { text throws(KernelTextError) in
          try TextFormat.processStatus(text, of: name)
        },
        TextSource(path("io"), isNeeded: false) { text throws(KernelTextError) in
          try TextFormat.list(text, of: name)
        },
        TextSource(path("schedstat"), isNeeded: false) { text throws(KernelTextError) in
          try TextFormat.row(text, ["sum_exec_runtime", "run_delay", "pcount"], of: name)
        },
        TextSource(path("statm"), isNeeded: false) { text throws(KernelTextError) in
          try TextFormat.row(
            text, ["size", "resident", "shared", "text", "lib", "data", "dt"], of: name)
        },
        TextSource(entriesOf: path("fd"), TextField("fds", of: name)),
      ]
    }
  }

  /// The described metrics, and every size of status.
  func metric(_ field: TextField) -> MetricDescription? {
    if let known = described(field.name) { return known }
    guard field.suffix == "kB" else { return nil }
    return gauge(field.name, "see proc_pid_status(5)", unit: .bytes, scale: Scale(1024))
  }
}
