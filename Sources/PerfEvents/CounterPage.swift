package import LinuxSystem
import Synchronization

/// A reading of one counter's user page (struct perf_event_mmap_page of linux/perf_event.h).
package struct CounterReading: Sendable, Equatable {
  package var count: UInt64
  /// Nanoseconds.
  package var enabled: UInt64
  package var running: UInt64
}

/// The user page of a counter, through which it can be read without a system call, on the CPU that
/// counts it.
@safe
package struct CounterPage {
  private let memory: UnsafeMutableRawPointer

  // Byte offsets of its fields.
  private static let lock = 8
  private static let index = 12
  private static let offset = 16
  private static let timeEnabled = 24
  private static let timeRunning = 32
  private static let capabilities = 40
  private static let width = 48
  private static let timeShift = 50
  private static let timeMultiplier = 52
  private static let timeOffset = 56
  private static let timeCycles = 80
  private static let timeMask = 88

  // Bits of its capabilities.
  private static let userCounter: UInt64 = 4
  private static let userTime: UInt64 = 8
  private static let shortTime: UInt64 = 32

  /// Readings torn by updates of the kernel before the caller falls back to read(2).
  private static let tries = 64

  /// The page at `memory`, which outlives it.
  package init(_ memory: UnsafeMutableRawPointer) { unsafe self.memory = memory }

  @inline(__always)
  private func load<T: BitwiseCopyable>(_ offset: Int, as type: T.Type) -> T {
    // Safe: the offsets are those of fields within the page.
    unsafe memory.load(fromByteOffset: offset, as: type)
  }

  /// Whether both the count and its times can be read here (cap_user_rdpmc, cap_user_time).
  package var isReadable: Bool {
    let both = Self.userCounter | Self.userTime
    return load(Self.capabilities, as: UInt64.self) & both == both
  }

  /// Reads the counter; nil if the kernel kept updating the page. Allocates nothing.
  @inline(__always)
  package func read(_ kernel: some PerfKernel) -> CounterReading? {
    // Safe: a naturally aligned word that the kernel writes as a whole.
    let sequence = unsafe (memory + Self.lock).assumingMemoryBound(to: Atomic<UInt32>.self)
    for _ in 0..<Self.tries {
      // Acquiring: the following loads are not older than the sequence number.
      let before = unsafe sequence.pointee.load(ordering: .acquiring)
      // The kernel revokes them if the time stamp counter is unstable.
      guard isReadable else { return nil }
      let reading = readOnce(kernel)
      atomicMemoryFence(ordering: .acquiring)
      let after = unsafe sequence.pointee.load(ordering: .relaxed)
      if before == after, before & 1 == 0 { return reading }
    }
    return nil
  }

  @inline(__always)
  private func readOnce(_ kernel: some PerfKernel) -> CounterReading {
    let index = load(Self.index, as: UInt32.self)
    var reading = CounterReading(
      count: load(Self.offset, as: UInt64.self), enabled: load(Self.timeEnabled, as: UInt64.self),
      running: load(Self.timeRunning, as: UInt64.self))
    let since = nanoseconds(of: kernel.cycles())
    reading.enabled &+= since
    // Index 0: no hardware counter has the event now.
    guard index > 0 else { return reading }
    reading.running &+= since
    let width = UInt64(load(Self.width, as: UInt16.self))
    guard width > 0, width <= 64 else { return reading }
    // The counter is narrower than 64 bits: extend its sign.
    let unused = 64 - width
    let raw = kernel.counter(index &- 1) &<< unused
    reading.count &+= UInt64(bitPattern: Int64(bitPattern: raw) &>> Int64(unused))
    return reading
  }

  /// Nanoseconds since the page's times were written, by the time stamp counter.
  @inline(__always)
  private func nanoseconds(of now: UInt64) -> UInt64 {
    var cycles = now
    if load(Self.capabilities, as: UInt64.self) & Self.shortTime != 0 {
      let then = load(Self.timeCycles, as: UInt64.self)
      cycles = then &+ ((now &- then) & load(Self.timeMask, as: UInt64.self))
    }
    let shift = UInt64(load(Self.timeShift, as: UInt16.self)) & 63
    let multiplier = UInt64(load(Self.timeMultiplier, as: UInt32.self))
    let whole = cycles &>> shift
    let part = cycles & ((1 &<< shift) &- 1)
    return load(Self.timeOffset, as: UInt64.self) &+ whole &* multiplier
      &+ (part &* multiplier) &>> shift
  }
}
