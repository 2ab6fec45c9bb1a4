import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler

/// A process and all its descendants: their sums as frames, each of them and their ends as records.
struct TreeCollector: Collector {
  /// Nil if no process is chosen. A process beside the workload has a collector and instance of its
  /// own: `tree[server]`.
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
      summary: "a process and all its descendants: their sums, and records of each",
      source: "/proc/PID/{stat,io,statm,fd,task}, process connector, taskstats, perf task-clock",
      minimumKernel: "3.5", privilege: "none; CAP_NET_ADMIN to see the shortest-lived",
      cost: .cheap, systemCallsPerSample: 6, metrics: TreeCollector.metrics)
  }

  /// The metrics in the order of a layout.
  static let metrics = TreeMetric.allCases.map(\.description)

  /// Available for a process that /proc shows.
  func probe(_ context: CollectorContext) -> Availability {
    guard let target else { return .absent(reason: "--tree PID is required") }
    return target.isWorkload ? .available : probeProcess(target.pid, context)
  }

  /// Subscribes to the permitted events.
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
  /// The name of its collector: a process beside the workload has one of its own.
  func nameOfCollector(_ collector: String) -> String {
    name.map { "\(collector)[\($0)]" } ?? collector
  }
}

/// Whether a process exists and is not exiting.
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
