import CLinux
import Glibc

/// The attributes of an event for perf_event_open(2) (linux/perf_event.h).
package struct PerfEventAttributes: Sendable, Hashable {
  /// Exclusions and modes of counting.
  package struct Flags: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32

    /// Flags by their bits.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let excludeUser = Flags(rawValue: UInt32(LB_PERF_EXCLUDE_USER))
    package static let excludeKernel = Flags(rawValue: UInt32(LB_PERF_EXCLUDE_KERNEL))
    package static let excludeHypervisor = Flags(rawValue: UInt32(LB_PERF_EXCLUDE_HV))
    package static let excludeHost = Flags(rawValue: UInt32(LB_PERF_EXCLUDE_HOST))
    package static let excludeGuest = Flags(rawValue: UInt32(LB_PERF_EXCLUDE_GUEST))
    package static let excludeIdle = Flags(rawValue: UInt32(LB_PERF_EXCLUDE_IDLE))
    package static let pinned = Flags(rawValue: UInt32(LB_PERF_PINNED))
    /// Does not count until enabled.
    package static let disabled = Flags(rawValue: UInt32(LB_PERF_DISABLED))
    /// Later children of the task are counted too.
    package static let inherit = Flags(rawValue: UInt32(LB_PERF_INHERIT))
    package static let enableOnExec = Flags(rawValue: UInt32(LB_PERF_ENABLE_ON_EXEC))
    /// The process is a control group's descriptor.
    package static let controlGroup = Flags(rawValue: UInt32(LB_PERF_OF_CGROUP))
  }

  /// The number of the PMU.
  package var type: UInt32
  package var config: UInt64
  /// The address of a breakpoint.
  package var config1: UInt64 = 0
  /// The length of a breakpoint.
  package var config2: UInt64 = 0
  package var config3: UInt64 = 0
  /// HW_BREAKPOINT_R, W and X.
  package var breakpointType: UInt32 = 0
  /// precise_ip.
  package var precision: UInt32 = 0
  package var flags: Flags = []

  /// An event of the PMU `type`.
  package init(type: UInt32, config: UInt64) {
    self.type = type
    self.config = config
  }
}

/// The raw system calls of performance events, which tests replace by a simulated PMU.
package protocol PerfKernel: AnyObject, Sendable {
  /// perf_event_open(2) of `process` (-1: all) on `cpu` (-1: any) in the group of `leader` (-1: its
  /// own): a descriptor or -errno.
  func open(
    _ attributes: PerfEventAttributes, process: Int32, cpu: Int32, leader: Int32
  ) -> Int32
  /// Enables every counter of the group that `leader` leads: 0 or -errno.
  func enable(_ leader: Int32) -> Int32
  /// Reads a group: number of events, time enabled, time running, then a count for each event.
  /// Bytes read or -errno.
  func read(_ leader: Int32, into words: UnsafeMutableBufferPointer<UInt64>) -> Int
  /// Closes a descriptor.
  func close(_ descriptor: Int32)
  /// Maps the user page of an open event, through which it can be read; nil if unavailable.
  func map(_ descriptor: Int32) -> UnsafeMutableRawPointer?
  /// Unmaps a page.
  func unmap(_ page: UnsafeMutableRawPointer)
  /// Reads this CPU's counter of that number.
  func counter(_ index: UInt32) -> UInt64
  /// This CPU's time stamp counter.
  func cycles() -> UInt64
  /// The CPU that the caller runs on.
  func currentCPU() -> Int32
  /// Runs for a short time, for a trial of this thread's counters.
  func exercise()
}

/// The running kernel. Does not allocate.
package final class LivePerfKernel: PerfKernel {
  /// Without state.
  package init() {}

  /// perf_event_open(2).
  package func open(
    _ attributes: PerfEventAttributes, process: Int32, cpu: Int32, leader: Int32
  ) -> Int32 {
    var event = lb_perf_event(
      type: attributes.type, flags: attributes.flags.rawValue, config: attributes.config,
      config1: attributes.config1, config2: attributes.config2, config3: attributes.config3,
      bp_type: attributes.breakpointType, precise_ip: attributes.precision)
    // Safe: the structure lives as long as the call.
    return unsafe lb_perf_open(&event, process, cpu, leader)
  }

  /// PERF_EVENT_IOC_ENABLE of the group.
  package func enable(_ leader: Int32) -> Int32 { lb_perf_enable_group(leader) }

  /// read(2).
  package func read(_ leader: Int32, into words: UnsafeMutableBufferPointer<UInt64>) -> Int {
    // Safe: the buffer's own count bounds the call.
    let count = unsafe Glibc.read(leader, words.baseAddress, words.count * 8)
    return count < 0 ? -Int(errno) : count
  }

  /// close(2).
  package func close(_ descriptor: Int32) { Glibc.close(descriptor) }

  /// mmap(2), on processors whose counters user space can read.
  package func map(_ descriptor: Int32) -> UnsafeMutableRawPointer? {
    #if arch(x86_64)
      return unsafe lb_perf_map(descriptor)
    #else
      return nil
    #endif
  }

  /// munmap(2).
  package func unmap(_ page: UnsafeMutableRawPointer) { unsafe lb_perf_unmap(page) }

  /// rdpmc.
  package func counter(_ index: UInt32) -> UInt64 { lb_read_counter(index) }

  /// rdtsc.
  package func cycles() -> UInt64 { lb_read_cycles() }

  /// getcpu(2), without a system call.
  package func currentCPU() -> Int32 { lb_current_cpu() }

  /// A tenth of a millisecond of reading the clock.
  package func exercise() {
    let end = Clock.monotonic() + 100_000
    while Clock.monotonic() < end {}
  }
}
