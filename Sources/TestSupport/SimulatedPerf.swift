package import LinuxSystem
import Synchronization

/// A perf kernel with a PMU of a known number of counters, whose every count is known: each event
/// occurs at its own rate, and groups that do not fit at once take turns.
///
/// Time passes only by `advance`. In each step as many groups as fit are counted, from another one
/// on than in the step before, as the kernel rotates its list.
package final class SimulatedPerf: PerfKernel {
  struct Event {
    var attributes: PerfEventAttributes
    var cpu: Int32
    var leader: Int32
    var isEnabled: Bool
    var enabled: UInt64 = 0
    var running: UInt64 = 0
    var count: UInt64 = 0
    /// A counter held it in the last step.
    var isCountingNow = false
  }

  struct State {
    var events: [Int32: Event] = [:]
    var next: Int32 = 1000
    var steps = 0
    var offline: Set<Int32> = []
    /// Nanoseconds that have passed.
    var now: UInt64 = 0
    var readCount = 0
    var tornReads = 0
    /// Pages by descriptor, as addresses.
    var pages: [Int32: UInt] = [:]
  }

  private let counters: Int
  private let limit: Int
  private let deniesKernel: Bool
  private let refusals: [UInt64: Int32]
  private let stuck: Set<UInt64>
  let cpu: Int32
  let width: UInt16
  private let state = Mutex(State())

  /// Software events take no counter.
  static let softwareType: UInt32 = 1

  /// A PMU of `counters` for each CPU or task; opening the event of a config in `refusals` fails
  /// with that errno, and no more than `limit` descriptors are given. With `deniesKernel`, what is
  /// not of user space alone fails with EACCES. Events of a config in `stuck` never move. Who reads
  /// runs on `cpu`, whose counters of `width` bits then have pages.
  package init(
    counters: Int, refusals: [UInt64: Int32] = [:], limit: Int = .max, deniesKernel: Bool = false,
    stuck: Set<UInt64> = [], cpu: Int32 = -1, width: UInt16 = 48
  ) {
    self.stuck = stuck
    self.cpu = cpu
    self.width = width
    self.deniesKernel = deniesKernel
    self.counters = counters
    self.refusals = refusals
    self.limit = limit
  }

  /// How often an event occurs in a microsecond.
  package static func rate(_ config: UInt64) -> UInt64 { config * 10 + 1 }

  func withState<R: Sendable>(_ body: (inout sending State) -> sending R) -> R {
    state.withLock { body(&$0) }
  }

  /// Descriptors that are open.
  package var openCount: Int { state.withLock { $0.events.count } }

  /// No time passes any more for the counters of `cpu`.
  package func takeOffline(_ cpu: Int32) {
    state.withLock { state in _ = state.offline.insert(cpu) }
  }

  /// Lets `steps` of so many microseconds pass.
  package func advance(microseconds: UInt64, steps: Int = 1) {
    state.withLock { state in
      for _ in 0..<steps {
        Self.step(&state, microseconds, counters, stuck)
        state.now += microseconds * 1000
        state.steps += 1
      }
    }
  }

  private static func step(
    _ state: inout State, _ microseconds: UInt64, _ counters: Int, _ stuck: Set<UInt64>
  ) {
    for cpu in Set(state.events.values.map(\.cpu)) where !state.offline.contains(cpu) {
      func needed(_ leader: Int32) -> Int {
        state.events.values.filter {
          $0.leader == leader && $0.attributes.type != softwareType
        }.count
      }
      let leaders = state.events.filter {
        $0.value.cpu == cpu && $0.key == $0.value.leader && $0.value.isEnabled
      }.keys.sorted()
      let rivals = leaders.filter { needed($0) > 0 }
      let turn = rivals.isEmpty ? 0 : state.steps % rivals.count
      var free = counters
      for leader in leaders.filter({ needed($0) == 0 }) + rivals[turn...] + rivals[..<turn] {
        let members = state.events.filter { $0.value.leader == leader }.keys
        let needed = needed(leader)
        let fits = needed <= free
        if fits { free -= needed }
        for member in members {
          state.events[member]?.enabled += microseconds * 1000
          state.events[member]?.isCountingNow = fits
          guard fits else { continue }
          state.events[member]?.running += microseconds * 1000
          let config = state.events[member]?.attributes.config ?? 0
          if !stuck.contains(config) { state.events[member]?.count += rate(config) * microseconds }
        }
      }
    }
  }

  /// As the kernel: a group that could never be counted as a whole is refused with EINVAL.
  package func open(
    _ attributes: PerfEventAttributes, process: Int32, cpu: Int32, leader: Int32
  ) -> Int32 {
    state.withLock { state in
      if deniesKernel, !attributes.flags.contains(.excludeKernel) { return -13 }
      if let refusal = refusals[attributes.config] { return -refusal }
      guard state.events.count < limit else { return -24 }
      let members = state.events.values.filter { $0.leader == leader && leader >= 0 }
      let hardware = members.filter { $0.attributes.type != Self.softwareType }.count
      if attributes.type != Self.softwareType, hardware + 1 > counters { return -22 }
      let descriptor = state.next
      state.next += 1
      state.events[descriptor] = Event(
        attributes: attributes, cpu: cpu, leader: leader < 0 ? descriptor : leader,
        isEnabled: !attributes.flags.contains(.disabled) || attributes.flags.contains(.enableOnExec)
      )
      return descriptor
    }
  }

  /// Enables a group.
  package func enable(_ leader: Int32) -> Int32 {
    state.withLock { state in
      state.events[leader]?.isEnabled = true
      return 0
    }
  }

  /// Groups that were read by a call.
  package var readCount: Int { state.withLock { $0.readCount } }

  /// Pages that are mapped.
  package var pageCount: Int { state.withLock { $0.pages.count } }

  /// The next `count` readings of a page find it being written.
  package func tear(_ count: Int) { state.withLock { $0.tornReads = count } }

  /// Reads a group in the order in which its events were opened.
  package func read(
    _ leader: Int32, into words: UnsafeMutableBufferPointer<UInt64>
  ) -> Int {
    let (times, counts) = state.withLock { state -> ((UInt64, UInt64)?, [UInt64]) in
      state.readCount += 1
      let members = state.events.filter { $0.value.leader == leader }.sorted { $0.key < $1.key }
      return (
        state.events[leader].map { ($0.enabled, $0.running) }, members.map(\.value.count)
      )
    }
    guard let times else { return -9 }
    unsafe words[0] = UInt64(counts.count)
    unsafe words[1] = times.0
    unsafe words[2] = times.1
    for (index, count) in counts.enumerated() { unsafe words[3 + index] = count }
    return (3 + counts.count) * 8
  }

  /// A tenth of a millisecond passes.
  package func exercise() { advance(microseconds: 100) }

  /// Forgets a descriptor.
  package func close(_ descriptor: Int32) {
    state.withLock { state in _ = state.events.removeValue(forKey: descriptor) }
  }
}
