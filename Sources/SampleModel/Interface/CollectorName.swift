/// The name of a collector: `lbsample collectors` lists them with what they need.
///
/// Names are strings, so that a newer lbsample's collectors can be named too: `"softnet"`.
public struct CollectorName: RawRepresentable, Hashable, Sendable, Codable,
  ExpressibleByStringLiteral, CustomStringConvertible
{
  /// The name as the command line and results have it.
  public let rawValue: String

  /// A collector by its name; one that does not exist is an error of arming.
  public init(rawValue: String) { self.rawValue = rawValue }
  /// A collector by its name; one that does not exist is an error of arming.
  public init(_ name: String) { rawValue = name }
  /// A collector by its name.
  public init(stringLiteral value: String) { rawValue = value }

  /// The name.
  public var description: String { rawValue }
}

extension CollectorName {
  /// CPU time by state, interrupts, context switches, processes.
  public static let cpu: CollectorName = "cpu"
  /// Use of the host's memory.
  public static let memory: CollectorName = "memory"
  /// Requests, bytes and times of block devices.
  public static let disk: CollectorName = "disk"
  /// Bytes, packets and errors of every network interface.
  public static let net: CollectorName = "net"
  /// Time that tasks waited for CPU, memory, I/O and interrupts.
  public static let pressure: CollectorName = "pressure"
  /// Load averages and numbers of threads.
  public static let load: CollectorName = "load"
  /// Faults, paging, reclaim, compaction and other memory events.
  public static let vm: CollectorName = "vm"
  /// Memory, allocations and memory events of each NUMA node.
  public static let numa: CollectorName = "numa"
  /// Number of interrupts of each line.
  public static let interrupts: CollectorName = "interrupts"
  /// Number of software interrupts of each kind.
  public static let softirqs: CollectorName = "softirqs"
  /// Packets taken, dropped and left by each CPU's receive path.
  public static let softnet: CollectorName = "softnet"
  /// Sockets in use by protocol.
  public static let sockets: CollectorName = "sockets"
  /// Counters of IP, ICMP, TCP and UDP.
  public static let protocols: CollectorName = "protocols"
  /// Time run, time waited and switches of each CPU.
  public static let scheduler: CollectorName = "scheduler"
  /// Clock and thermal throttling of each CPU.
  public static let frequency: CollectorName = "frequency"
  /// Temperatures of sensors and thermal zones.
  public static let temperature: CollectorName = "temperature"
  /// Energy that packages, cores and memory used.
  public static let power: CollectorName = "power"
  /// Open files, inodes and directory entries of the host.
  public static let files: CollectorName = "files"
  /// Free space in each local file system.
  public static let filesystems: CollectorName = "filesystems"
  /// Connections that netfilter tracks.
  public static let conntrack: CollectorName = "conntrack"
  /// Huge pages of each size, of the host and of each node.
  public static let hugepages: CollectorName = "hugepages"
  /// Free blocks by order and page statistics of memory zones.
  public static let zones: CollectorName = "zones"
  /// The kernel's object caches.
  public static let slab: CollectorName = "slab"
  /// The random number generator's pool.
  public static let entropy: CollectorName = "entropy"
  /// State of the system clock's discipline (NTP).
  public static let timex: CollectorName = "timex"
  /// Speed, carrier and MTU of every network interface.
  public static let links: CollectorName = "links"
  /// State of software RAID arrays.
  public static let md: CollectorName = "md"
  /// Remote procedure calls of the NFS client and server.
  public static let nfs: CollectorName = "nfs"
  /// Memory errors, corrected and uncorrected.
  public static let edac: CollectorName = "edac"
  /// Single processes: all counters that the kernel keeps of them.
  public static let process: CollectorName = "process"
  /// A process and all its descendants: their sums, and records of each.
  public static let tree: CollectorName = "tree"
  /// Memory footprint of processes (PSS, swap) and its NUMA nodes.
  public static let footprint: CollectorName = "footprint"
  /// Control groups: CPU, memory, I/O, processes and pressure.
  public static let cgroup: CollectorName = "cgroup"
  /// The busiest processes, by CPU, memory or I/O, as records.
  public static let top: CollectorName = "top"
  /// Performance events, as perf names them.
  public static let perf: CollectorName = "perf"
  /// Packets by direction, protocol, size and flow, through libpcap.
  public static let packets: CollectorName = "packets"
}
