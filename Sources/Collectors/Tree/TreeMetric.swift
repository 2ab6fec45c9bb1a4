import LinuxSystem
import SampleModel

/// The metrics of a tree, by their names.
enum TreeMetric: String, CaseIterable {
  case execRuntime = "sum_exec_runtime"
  case userTime = "utime"
  case systemTime = "stime"
  case guestTime = "guest_time"
  case minorFaults = "minflt"
  case majorFaults = "majflt"
  case readCharacters = "rchar"
  case writtenCharacters = "wchar"
  case readCalls = "syscr"
  case writeCalls = "syscw"
  case readBytes = "read_bytes"
  case writeBytes = "write_bytes"
  case cancelledWriteBytes = "cancelled_write_bytes"
  case taskClock = "task_clock"
  case forks
  case exits
  case unseenTime = "unseen_time"
  case eventsLost = "events_lost"
  case processesLost = "processes_lost"
  case processes
  case threads
  case virtualSize = "vsize"
  case residentSize = "rss"
  case sharedSize = "shared"
  case dataSize = "data"
  case openFiles = "fds"
  case denied

  private static let tick = 1_000_000_000 / HostFacts.ticksPerSecond

  /// Whether it comes from /proc/PID/io.
  var isIO: Bool {
    switch self {
    case .readCharacters, .writtenCharacters, .readCalls, .writeCalls, .readBytes, .writeBytes,
      .cancelledWriteBytes:
      true
    default: false
    }
  }

  var description: MetricDescription {
    switch self {
    case .execRuntime:
      counter(
        rawValue, "CPU time of all processes, ended ones as far as they were seen",
        unit: .nanoseconds, host: true)
    case .userTime:
      counter(
        rawValue,
        "user time; of an ended process that no process of the tree waited for, the last reading",
        unit: .nanoseconds, host: true, resolution: Self.tick)
    case .systemTime:
      counter(
        rawValue, "system time, as utime", unit: .nanoseconds, host: true, resolution: Self.tick)
    case .guestTime:
      counter(
        rawValue, "time running a virtual CPU, within utime", unit: .nanoseconds, host: true,
        resolution: Self.tick)
    case .minorFaults:
      counter(rawValue, "page faults without I/O", host: true)
    case .majorFaults:
      counter(rawValue, "page faults with I/O", host: true)
    case .readCharacters:
      counter(
        rawValue, "bytes of read calls, each counted once however many processes were waited for",
        unit: .bytes, host: true)
    case .writtenCharacters:
      counter(rawValue, "bytes of write calls", unit: .bytes, host: true)
    case .readCalls:
      counter(rawValue, "read calls", host: true)
    case .writeCalls:
      counter(rawValue, "write calls", host: true)
    case .readBytes:
      counter(rawValue, "bytes that storage delivered", unit: .bytes, host: true)
    case .writeBytes:
      counter(rawValue, "bytes handed to storage", unit: .bytes, host: true)
    case .cancelledWriteBytes:
      counter(rawValue, "bytes of written pages dropped before storage", unit: .bytes, host: true)
    case .taskClock:
      counter(
        rawValue,
        "CPU time by perf's inherited task-clock, from the workload's exec on, switches left out",
        unit: .nanoseconds, host: true)
    case .forks:
      counter(rawValue, "processes that joined the tree", host: true)
    case .exits:
      counter(rawValue, "processes that left it", host: true)
    case .unseenTime:
      counter(
        rawValue, "CPU time known from its parents' cumulative child times alone",
        unit: .nanoseconds, host: true, resolution: Self.tick)
    case .eventsLost:
      counter(rawValue, "times that the kernel's events or records overflowed", host: true)
    case .processesLost:
      counter(rawValue, "processes that found no room in the table", host: true)
    case .processes:
      gauge(rawValue, "processes alive", host: true)
    case .threads:
      gauge(rawValue, "their threads", host: true)
    case .virtualSize:
      gauge(rawValue, "their address space", unit: .bytes, host: true)
    case .residentSize:
      gauge(rawValue, "their resident memory, shared pages in each", unit: .bytes, host: true)
    case .sharedSize:
      gauge(rawValue, "resident memory backed by files or shared", unit: .bytes, host: true)
    case .dataSize:
      gauge(rawValue, "private writable memory and stacks", unit: .bytes, host: true)
    case .openFiles:
      gauge(rawValue, "open descriptors (Linux 6.2)", host: true)
    case .denied:
      gauge(rawValue, "processes of which a file was refused", host: true)
    }
  }
}
