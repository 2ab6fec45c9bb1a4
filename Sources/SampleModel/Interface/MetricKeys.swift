extension MetricKey {
  /// Metrics of the collector `cpu`: CPU time by state, interrupts, context switches, processes.
  public static var cpu: CPU { CPU() }

  /// Metrics of the collector `memory`: where the host's memory is.
  public static var memory: Memory { Memory() }

  /// Metrics of the collector `disk`: requests, bytes and times of block devices.
  public static var disk: Disk { Disk() }

  /// Metrics of the collector `net`: bytes, packets and errors of every network interface.
  public static var net: Net { Net() }

  /// Metrics of the collector `load`: load averages and numbers of threads.
  public static var load: Load { Load() }

  /// Metrics of the collector `tree`: a process and all its descendants, summed; each as records.
  public static var tree: Tree { Tree() }
}

extension MetricKey {
  /// Keys of the collector `cpu`, from proc/stat.
  public struct CPU: Sendable {
    /// Time in user mode, guest time included, in ns.
    public var user: MetricKey { MetricKey("cpu", "user") }
    /// Time in user mode at lowered priority, guest_nice included, in ns.
    public var nice: MetricKey { MetricKey("cpu", "nice") }
    /// Time in kernel mode, in ns.
    public var system: MetricKey { MetricKey("cpu", "system") }
    /// Time with nothing to run, in ns.
    public var idle: MetricKey { MetricKey("cpu", "idle") }
    /// Idle time with a disk request outstanding; not reliable per CPU, in ns.
    public var iowait: MetricKey { MetricKey("cpu", "iowait") }
    /// Time in hardware interrupts, in ns.
    public var irq: MetricKey { MetricKey("cpu", "irq") }
    /// Time in software interrupts, in ns.
    public var softirq: MetricKey { MetricKey("cpu", "softirq") }
    /// Time that the hypervisor gave to others (2.6.11), in ns.
    public var steal: MetricKey { MetricKey("cpu", "steal") }
    /// Time running a guest (2.6.24), in ns.
    public var guest: MetricKey { MetricKey("cpu", "guest") }
    /// Time running a guest at lowered priority (2.6.33), in ns.
    public var guestNice: MetricKey { MetricKey("cpu", "guest_nice") }
    /// Interrupts serviced since boot, in count.
    public var intr: MetricKey { MetricKey("cpu", "intr") }
    /// Context switches since boot, in count.
    public var ctxt: MetricKey { MetricKey("cpu", "ctxt") }
    /// Forks since boot, in count.
    public var processes: MetricKey { MetricKey("cpu", "processes") }
    /// Threads running or runnable, in count.
    public var procsRunning: MetricKey { MetricKey("cpu", "procs_running") }
    /// Threads waiting for a disk, in count.
    public var procsBlocked: MetricKey { MetricKey("cpu", "procs_blocked") }
    /// Software interrupts since boot: the softirq line's total (2.6.31), in count.
    public var softirqTotal: MetricKey { MetricKey("cpu", "softirq_total") }
  }
}

extension MetricKey {
  /// Keys of the collector `memory`, from proc/meminfo.
  public struct Memory: Sendable {
    /// Usable memory, in bytes.
    public var memTotal: MetricKey { MetricKey("memory", "MemTotal") }
    /// Memory in no use at all, in bytes.
    public var memFree: MetricKey { MetricKey("memory", "MemFree") }
    /// Memory that programs can get without swapping (3.14), in bytes.
    public var memAvailable: MetricKey { MetricKey("memory", "MemAvailable") }
    /// Cache of block devices, in bytes.
    public var buffers: MetricKey { MetricKey("memory", "Buffers") }
    /// Page cache, shared memory included, without SwapCached, in bytes.
    public var cached: MetricKey { MetricKey("memory", "Cached") }
    /// In memory and in swap, in bytes.
    public var swapCached: MetricKey { MetricKey("memory", "SwapCached") }
    /// Used recently, in bytes.
    public var active: MetricKey { MetricKey("memory", "Active") }
    /// Not used recently: reclaimed first, in bytes.
    public var inactive: MetricKey { MetricKey("memory", "Inactive") }
    /// Swap space, in bytes.
    public var swapTotal: MetricKey { MetricKey("memory", "SwapTotal") }
    /// Unused swap space, in bytes.
    public var swapFree: MetricKey { MetricKey("memory", "SwapFree") }
    /// Waiting to be written back, in bytes.
    public var dirty: MetricKey { MetricKey("memory", "Dirty") }
    /// Being written back, in bytes.
    public var writeback: MetricKey { MetricKey("memory", "Writeback") }
    /// Anonymous pages in page tables, in bytes.
    public var anonPages: MetricKey { MetricKey("memory", "AnonPages") }
    /// Mapped files, in bytes.
    public var mapped: MetricKey { MetricKey("memory", "Mapped") }
    /// Shared memory and tmpfs, in bytes.
    public var shmem: MetricKey { MetricKey("memory", "Shmem") }
    /// Kernel objects, in bytes.
    public var slab: MetricKey { MetricKey("memory", "Slab") }
    /// Kernel objects that can be reclaimed, in bytes.
    public var sReclaimable: MetricKey { MetricKey("memory", "SReclaimable") }
    /// Kernel objects that cannot, in bytes.
    public var sUnreclaim: MetricKey { MetricKey("memory", "SUnreclaim") }
    /// Kernel stacks, in bytes.
    public var kernelStack: MetricKey { MetricKey("memory", "KernelStack") }
    /// Page tables, in bytes.
    public var pageTables: MetricKey { MetricKey("memory", "PageTables") }
    /// Limit of what may be promised, in bytes.
    public var commitLimit: MetricKey { MetricKey("memory", "CommitLimit") }
    /// What has been promised, in bytes.
    public var committedAS: MetricKey { MetricKey("memory", "Committed_AS") }
    /// Transparent huge pages, in bytes.
    public var anonHugePages: MetricKey { MetricKey("memory", "AnonHugePages") }
    /// Huge pages of the default size, in count.
    public var hugePagesTotal: MetricKey { MetricKey("memory", "HugePages_Total") }
    /// Of these, not allocated, in count.
    public var hugePagesFree: MetricKey { MetricKey("memory", "HugePages_Free") }
  }
}

extension MetricKey {
  /// Keys of the collector `disk`, from proc/diskstats.
  public struct Disk: Sendable {
    /// Completed reads, in count.
    public var readIos: MetricKey { MetricKey("disk", "read_ios") }
    /// Reads joined to others in the queue, in count.
    public var readMerges: MetricKey { MetricKey("disk", "read_merges") }
    /// Bytes of completed reads (the kernel counts sectors of 512), in bytes.
    public var readSectors: MetricKey { MetricKey("disk", "read_sectors") }
    /// Time of all completed reads, waits included, in ns.
    public var readTicks: MetricKey { MetricKey("disk", "read_ticks") }
    /// Completed writes, in count.
    public var writeIos: MetricKey { MetricKey("disk", "write_ios") }
    /// Writes joined to others in the queue, in count.
    public var writeMerges: MetricKey { MetricKey("disk", "write_merges") }
    /// Bytes of completed writes (the kernel counts sectors of 512), in bytes.
    public var writeSectors: MetricKey { MetricKey("disk", "write_sectors") }
    /// Time of all completed writes, waits included, in ns.
    public var writeTicks: MetricKey { MetricKey("disk", "write_ticks") }
    /// Requests under way, in count.
    public var inFlight: MetricKey { MetricKey("disk", "in_flight") }
    /// Time with a request under way, in ns.
    public var ioTicks: MetricKey { MetricKey("disk", "io_ticks") }
    /// Time of all requests, waits included, in ns.
    public var timeInQueue: MetricKey { MetricKey("disk", "time_in_queue") }
    /// Completed discards, in count.
    public var discardIos: MetricKey { MetricKey("disk", "discard_ios") }
    /// Discards joined to others in the queue, in count.
    public var discardMerges: MetricKey { MetricKey("disk", "discard_merges") }
    /// Bytes of completed discards (the kernel counts sectors of 512), in bytes.
    public var discardSectors: MetricKey { MetricKey("disk", "discard_sectors") }
    /// Time of all completed discards, waits included, in ns.
    public var discardTicks: MetricKey { MetricKey("disk", "discard_ticks") }
    /// Completed flushes, in count.
    public var flushIos: MetricKey { MetricKey("disk", "flush_ios") }
    /// Time of all completed flushes, waits included, in ns.
    public var flushTicks: MetricKey { MetricKey("disk", "flush_ticks") }
  }
}
