extension MetricKey {
  /// Keys of the collector `net`, from proc/net/dev.
  public struct Net: Sendable {
    /// Bytes received, in bytes.
    public var rxBytes: MetricKey { MetricKey("net", "rx_bytes") }
    /// Packets received, in count.
    public var rxPackets: MetricKey { MetricKey("net", "rx_packets") }
    /// Receive errors, in count.
    public var rxErrs: MetricKey { MetricKey("net", "rx_errs") }
    /// Packets dropped on receive, in count.
    public var rxDrop: MetricKey { MetricKey("net", "rx_drop") }
    /// FIFO overruns on receive, in count.
    public var rxFifo: MetricKey { MetricKey("net", "rx_fifo") }
    /// Framing errors on receive, in count.
    public var rxFrame: MetricKey { MetricKey("net", "rx_frame") }
    /// Compressed packets received, in count.
    public var rxCompressed: MetricKey { MetricKey("net", "rx_compressed") }
    /// Multicast packets received, in count.
    public var rxMulticast: MetricKey { MetricKey("net", "rx_multicast") }
    /// Bytes sent, in bytes.
    public var txBytes: MetricKey { MetricKey("net", "tx_bytes") }
    /// Packets sent, in count.
    public var txPackets: MetricKey { MetricKey("net", "tx_packets") }
    /// Transmit errors, in count.
    public var txErrs: MetricKey { MetricKey("net", "tx_errs") }
    /// Packets dropped on transmit, in count.
    public var txDrop: MetricKey { MetricKey("net", "tx_drop") }
    /// FIFO overruns on transmit, in count.
    public var txFifo: MetricKey { MetricKey("net", "tx_fifo") }
    /// Collisions on transmit, in count.
    public var txColls: MetricKey { MetricKey("net", "tx_colls") }
    /// Carrier losses on transmit, in count.
    public var txCarrier: MetricKey { MetricKey("net", "tx_carrier") }
    /// Compressed packets sent, in count.
    public var txCompressed: MetricKey { MetricKey("net", "tx_compressed") }
  }
}

extension MetricKey {
  /// Keys of the collector `load`, from proc/loadavg.
  public struct Load: Sendable {
    /// Threads running, runnable or waiting for a disk, averaged over 1 min, in count.
    public var load1: MetricKey { MetricKey("load", "load1") }
    /// Threads running, runnable or waiting for a disk, averaged over 5 min, in count.
    public var load5: MetricKey { MetricKey("load", "load5") }
    /// Threads running, runnable or waiting for a disk, averaged over 15 min, in count.
    public var load15: MetricKey { MetricKey("load", "load15") }
    /// Threads running or runnable, in count.
    public var runnable: MetricKey { MetricKey("load", "runnable") }
    /// Threads that there are, in count.
    public var threads: MetricKey { MetricKey("load", "threads") }
    /// The process id given last, in count.
    public var lastPid: MetricKey { MetricKey("load", "last_pid") }
  }
}

extension MetricKey {
  /// Keys of the collector `tree`, from /proc/PID/{stat,io,statm,fd,task}, process connector,
  /// taskstats, perf task-clock.
  public struct Tree: Sendable {
    /// CPU time of all processes, ended ones as far as they were seen, in ns.
    public var sumExecRuntime: MetricKey { MetricKey("tree", "sum_exec_runtime") }
    /// User time; for an ended process that no process of the tree waited for, the value last read,
    /// in ns.
    public var utime: MetricKey { MetricKey("tree", "utime") }
    /// System time, as utime, in ns.
    public var stime: MetricKey { MetricKey("tree", "stime") }
    /// Time running a virtual CPU, within utime, in ns.
    public var guestTime: MetricKey { MetricKey("tree", "guest_time") }
    /// Page faults without I/O, in count.
    public var minflt: MetricKey { MetricKey("tree", "minflt") }
    /// Page faults with I/O, in count.
    public var majflt: MetricKey { MetricKey("tree", "majflt") }
    /// Bytes of read calls, each counted once however many processes were waited for, in bytes.
    public var rchar: MetricKey { MetricKey("tree", "rchar") }
    /// Bytes of write calls, in bytes.
    public var wchar: MetricKey { MetricKey("tree", "wchar") }
    /// Read calls, in count.
    public var syscr: MetricKey { MetricKey("tree", "syscr") }
    /// Write calls, in count.
    public var syscw: MetricKey { MetricKey("tree", "syscw") }
    /// Bytes that storage delivered, in bytes.
    public var readBytes: MetricKey { MetricKey("tree", "read_bytes") }
    /// Bytes handed to storage, in bytes.
    public var writeBytes: MetricKey { MetricKey("tree", "write_bytes") }
    /// Bytes of written pages dropped before storage, in bytes.
    public var cancelledWriteBytes: MetricKey { MetricKey("tree", "cancelled_write_bytes") }
    /// CPU time by perf's inherited task-clock, from the workload's exec on, switches left out, in
    /// ns.
    public var taskClock: MetricKey { MetricKey("tree", "task_clock") }
    /// Processes that joined the tree, in count.
    public var forks: MetricKey { MetricKey("tree", "forks") }
    /// Processes that left it, in count.
    public var exits: MetricKey { MetricKey("tree", "exits") }
    /// CPU time known from its parents' cumulative child times alone, in ns.
    public var unseenTime: MetricKey { MetricKey("tree", "unseen_time") }
    /// Times that the kernel's events or records overflowed, in count.
    public var eventsLost: MetricKey { MetricKey("tree", "events_lost") }
    /// Processes that found no room in the table, in count.
    public var processesLost: MetricKey { MetricKey("tree", "processes_lost") }
    /// Processes alive, in count.
    public var processes: MetricKey { MetricKey("tree", "processes") }
    /// Their threads, in count.
    public var threads: MetricKey { MetricKey("tree", "threads") }
    /// Their address space, in bytes.
    public var vsize: MetricKey { MetricKey("tree", "vsize") }
    /// Their resident memory, shared pages in each, in bytes.
    public var rss: MetricKey { MetricKey("tree", "rss") }
    /// Resident memory backed by files or shared, in bytes.
    public var shared: MetricKey { MetricKey("tree", "shared") }
    /// Private writable memory and stacks, in bytes.
    public var data: MetricKey { MetricKey("tree", "data") }
    /// Open descriptors (Linux 6.2), in count.
    public var fds: MetricKey { MetricKey("tree", "fds") }
    /// Processes of which a file was refused, in count.
    public var denied: MetricKey { MetricKey("tree", "denied") }
  }
}
