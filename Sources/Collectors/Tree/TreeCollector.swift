import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// A process and all its descendants: their sums as frames, each of them and their ends as records.
struct TreeCollector: Collector {
  /// Nil where no process is chosen. Of a process beside the workload it names the instance, and
  /// the collector is one of its own: `tree[server]`.
  let target: WorkloadTarget?
  /// Rows about threads too.
  let perThread: Bool

  let needsTarget = true

  let description: CollectorDescription

  /// The collector of this target's tree.
  init(target: WorkloadTarget?, perThread: Bool) {
    self.target = target
    self.perThread = perThread
    description = CollectorDescription(
      name: target?.nameOfCollector("tree") ?? "tree",
      summary: "a process and all its descendants, summed; each as records",
      source: "/proc/PID/{stat,io,statm,fd,task}, process connector, taskstats, perf task-clock",
      minimumKernel: "3.5", privilege: "none; CAP_NET_ADMIN to see the shortest-lived",
      cost: .cheap, systemCallsPerSample: 6, metrics: TreeCollector.metrics)
  }

  private static let tick = 1_000_000_000 / HostFacts.ticksPerSecond

  /// In the order of `ArmedTree`'s values.
  static let metrics: [MetricDescription] = [
    counter(
      "sum_exec_runtime", "CPU time of all processes, ended ones as far as they were seen",
      unit: .nanoseconds, host: true),
    counter(
      "utime",
      "user time; for an ended process that no process of the tree waited for, the value last read",
      unit: .nanoseconds, host: true, resolution: tick),
    counter(
      "stime", "system time, as utime", unit: .nanoseconds, host: true, resolution: tick),
    counter(
      "guest_time", "time running a virtual CPU, within utime", unit: .nanoseconds, host: true,
      resolution: tick),
    counter("minflt", "page faults without I/O", host: true),
    counter("majflt", "page faults with I/O", host: true),
    counter(
      "rchar", "bytes of read calls, each counted once however many processes were waited for",
      unit: .bytes, host: true),
    counter("wchar", "bytes of write calls", unit: .bytes, host: true),
    counter("syscr", "read calls", host: true),
    counter("syscw", "write calls", host: true),
    counter("read_bytes", "bytes that storage delivered", unit: .bytes, host: true),
    counter("write_bytes", "bytes handed to storage", unit: .bytes, host: true),
    counter(
      "cancelled_write_bytes", "bytes of written pages dropped before storage", unit: .bytes,
      host: true),
    counter(
      "task_clock",
      "CPU time by perf's inherited task-clock, from the workload's exec on, switches left out",
      unit: .nanoseconds, host: true),
    counter("forks", "processes that joined the tree", host: true),
    counter("exits", "processes that left it", host: true),
    counter(
      "unseen_time", "CPU time known from its parents' cumulative child times alone",
      unit: .nanoseconds, host: true, resolution: tick),
    counter("events_lost", "times that the kernel's events or records overflowed", host: true),
    counter("processes_lost", "processes that found no room in the table", host: true),
    gauge("processes", "processes alive", host: true),
    gauge("threads", "their threads", host: true),
    gauge("vsize", "their address space", unit: .bytes, host: true),
    gauge("rss", "their resident memory, shared pages in each", unit: .bytes, host: true),
    gauge("shared", "resident memory backed by files or shared", unit: .bytes, host: true),
    gauge("data", "private writable memory and stacks", unit: .bytes, host: true),
    gauge("fds", "open descriptors (Linux 6.2)", host: true),
    gauge("denied", "processes of which a file was refused", host: true),
  ]

  /// Available for a process that /proc shows.
  func probe(_ context: CollectorContext) -> Availability {
    guard let target else { return .absent(reason: "--tree PID is required") }
    return target.isWorkload ? .available : probeProcess(target.pid, context)
  }

  /// Subscribes to what is permitted, then is ready to follow.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    guard let target else {
      throw LBError(.collectorUnavailable, "tree: --tree PID is required")
    }
    do throws(SystemError) {
      return try ArmedTree(target, context, perThread: perThread)
    } catch {
      throw LBError(
        .collectorUnavailable, "\(description.name): \(error)",
        context: ErrorContext(collector: description.name, errno: error.errno))
    }
  }
}

extension WorkloadTarget {
  /// The name of the collector that looks at it: of a process beside the workload, one of its own.
  func nameOfCollector(_ collector: String) -> String {
    name.map { "\(collector)[\($0)]" } ?? collector
  }
}

/// Whether a process is there, and not about to end.
func isRunning(_ pid: Int32, _ roots: MountRoots) -> Bool {
  do throws(SystemError) {
    let bytes = try SmallFile.read(roots.proc("\(pid)/stat"))
    do throws(KernelTextError) { return try !ProcessStat(bytes.span).isEnding } catch {
      return false
    }
  } catch {
    return false
  }
}

/// Whether the files of a process can be read here.
func probeProcess(_ pid: Int32, _ context: CollectorContext) -> Availability {
  let availability = probeTextFile(context.roots.proc("\(pid)/stat"))
  guard case .absent = availability, context.roots.isOwnProc else { return availability }
  if kill(pid, 0) == 0 || errno == EPERM {
    return .denied(
      reason: "process \(pid) runs, but \(context.roots.proc) hides it (hidepid)",
      fix: "run as root, or join the group of its gid= mount option")
  }
  return .absent(reason: "process \(pid): no such process")
}
