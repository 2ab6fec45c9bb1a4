/// The exact account of one sampling thread's deadlines: `deadlines = onTime + late + skipped`.
public struct TickLedger: Sendable, Hashable, Codable {
  /// Deadlines that passed between start and stop.
  public var deadlines: UInt64 = 0
  /// Acquisition began within half an interval of the deadline.
  public var onTime: UInt64 = 0
  /// Acquisition began after that and before the next deadline.
  public var late: UInt64 = 0
  /// Deadlines without an acquisition.
  public var skipped: UInt64 = 0
  /// Longest time from a deadline to its acquisition, in nanoseconds.
  package var latenessMaximum: UInt64 = 0

  /// An empty account.
  package init() {}

  /// Whether the account adds up.
  public var isExact: Bool { deadlines == onTime &+ late &+ skipped }
}

/// The exact account of one ring: `pushed = drained + dropped`.
public struct RingLedger: Sendable, Hashable, Codable {
  /// Frames and record batches offered to the ring.
  public var pushed: UInt64 = 0
  /// Those that the drain read.
  public var drained: UInt64 = 0
  /// Those lost because the ring was full.
  public var dropped: UInt64 = 0

  /// An empty account.
  package init() {}

  /// Whether the account adds up.
  public var isExact: Bool { pushed == drained &+ dropped }
}

/// The account of one collector's acquisitions and their cost.
public struct CollectorLedger: Sendable, Hashable, Codable {
  /// The collector's name.
  public var collector: String
  /// Acquisitions attempted.
  public var acquisitions: UInt64 = 0
  /// Acquisitions without values, by outcome word.
  public var gaps: [String: UInt64] = [:]
  /// Counters that stepped back: as the kernel lets them, or to zero or by less than half for one
  /// reading.
  public var stepsBack: UInt64 = 0
  /// Counters that fell otherwise, and those of devices that were absent.
  public var resets: UInt64 = 0
  /// Counters that reached the end of their range and continued from zero; 0 in files of earlier
  /// versions.
  public var wraps: UInt64 = 0
  /// Record rows delivered.
  public var records: UInt64 = 0
  /// Record rows lost for lack of room.
  public var recordsLost: UInt64 = 0
  /// Time between acquisition start and end, summed, in nanoseconds.
  package var nanoseconds: UInt64 = 0
  /// System calls of all acquisitions.
  public var systemCalls: UInt64 = 0

  fileprivate mutating func add(_ other: CollectorLedger) {
    acquisitions &+= other.acquisitions
    gaps.merge(other.gaps, uniquingKeysWith: &+)
    stepsBack &+= other.stepsBack
    resets &+= other.resets
    wraps &+= other.wraps
    records &+= other.records
    recordsLost &+= other.recordsLost
    nanoseconds &+= other.nanoseconds
    systemCalls &+= other.systemCalls
  }

  /// An empty account of `collector`.
  package init(collector: String) { self.collector = collector }

  /// Reads an account, also of an earlier version without wraps.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    collector = try container.decode(String.self, forKey: .collector)
    acquisitions = try container.decode(UInt64.self, forKey: .acquisitions)
    gaps = try container.decode([String: UInt64].self, forKey: .gaps)
    stepsBack = try container.decode(UInt64.self, forKey: .stepsBack)
    resets = try container.decode(UInt64.self, forKey: .resets)
    wraps = try container.decodeIfPresent(UInt64.self, forKey: .wraps) ?? 0
    records = try container.decode(UInt64.self, forKey: .records)
    recordsLost = try container.decode(UInt64.self, forKey: .recordsLost)
    nanoseconds = try container.decode(UInt64.self, forKey: .nanoseconds)
    systemCalls = try container.decode(UInt64.self, forKey: .systemCalls)
  }
}

/// The account of one sampling thread over one bracket.
public struct ThreadLedger: Sendable, Hashable, Codable {
  /// Number of the sampling thread.
  public var thread: Int
  /// The CPU it is pinned to, nil when it floats.
  public var cpu: Int?
  /// The account of its deadlines.
  public var ticks = TickLedger()
  /// The account of its ring.
  public var ring = RingLedger()
  /// The account of each of its collectors.
  public var collectors: [CollectorLedger] = []

  fileprivate mutating func add(_ other: ThreadLedger) {
    let sum = Ledger(threads: [self, other])
    ticks = sum.ticks
    ring = sum.ring
    for line in other.collectors {
      if let index = collectors.firstIndex(where: { $0.collector == line.collector }) {
        collectors[index].add(line)
      } else {
        collectors.append(line)
      }
    }
  }

  /// An empty account of thread number `thread`.
  package init(thread: Int, cpu: Int?) {
    self.thread = thread
    self.cpu = cpu
  }
}

/// The account of every sampling thread over one bracket, or over a session.
public struct Ledger: Sendable, Hashable, Codable {
  /// One line a sampling thread.
  public var threads: [ThreadLedger] = []

  /// The account of `threads`.
  package init(threads: [ThreadLedger] = []) { self.threads = threads }

  /// The account of several brackets: each thread's and each collector's counts summed.
  package static func merged(_ ledgers: [Ledger]) -> Ledger {
    var merged = Ledger()
    for thread in ledgers.flatMap(\.threads) {
      if let index = merged.threads.firstIndex(where: { $0.thread == thread.thread }) {
        merged.threads[index].add(thread)
      } else {
        merged.threads.append(thread)
      }
    }
    return merged
  }

  /// Whether every line adds up.
  public var isExact: Bool { threads.allSatisfy { $0.ticks.isExact && $0.ring.isExact } }

  /// The threads' ticks summed; the lateness is the longest.
  public var ticks: TickLedger {
    threads.reduce(into: TickLedger()) { sum, thread in
      sum.deadlines &+= thread.ticks.deadlines
      sum.onTime &+= thread.ticks.onTime
      sum.late &+= thread.ticks.late
      sum.skipped &+= thread.ticks.skipped
      sum.latenessMaximum = max(sum.latenessMaximum, thread.ticks.latenessMaximum)
    }
  }

  /// The rings' counts summed.
  public var ring: RingLedger {
    threads.reduce(into: RingLedger()) { sum, thread in
      sum.pushed &+= thread.ring.pushed
      sum.drained &+= thread.ring.drained
      sum.dropped &+= thread.ring.dropped
    }
  }

  /// Acquisitions without values over all collectors.
  public var gaps: UInt64 {
    threads.lazy.flatMap(\.collectors).flatMap(\.gaps.values).reduce(0, &+)
  }
}

/// The overhead of lbsample over one bracket.
public struct Overhead: Sendable, Hashable, Codable {
  /// CPU time of each sampling thread, in nanoseconds (CLOCK_THREAD_CPUTIME_ID).
  package var samplingThreadNanoseconds: [UInt64] = []
  /// CPU time of the drain and the sinks it feeds, in nanoseconds.
  package var drainNanoseconds: UInt64 = 0
  /// CPU time of the whole process, in nanoseconds (CLOCK_PROCESS_CPUTIME_ID).
  package var processNanoseconds: UInt64 = 0
  /// Bytes handed to files and streams.
  public var bytesWritten: UInt64 = 0
  /// Bytes of rings and sampling stacks.
  public var memoryLocked: UInt64 = 0
  /// Resident memory of the process at the end, in bytes; nil where it cannot be read.
  public var memoryResident: UInt64?
  /// Elapsed nanoseconds of the brackets from the call of start until sampling began.
  package var startNanoseconds: UInt64 = 0
  /// Elapsed nanoseconds of the brackets from the call of stop until the closing samples were
  /// taken.
  package var stopNanoseconds: UInt64 = 0
  /// Elapsed nanoseconds over which this overhead occurred.
  package var elapsedNanoseconds: UInt64 = 0

  /// The cost of several brackets together.
  package static func merged(_ parts: [Overhead]) -> Overhead {
    parts.reduce(into: Overhead()) { sum, part in
      for (index, thread) in part.samplingThreadNanoseconds.enumerated() {
        if index == sum.samplingThreadNanoseconds.count { sum.samplingThreadNanoseconds.append(0) }
        sum.samplingThreadNanoseconds[index] &+= thread
      }
      sum.drainNanoseconds &+= part.drainNanoseconds
      sum.processNanoseconds &+= part.processNanoseconds
      sum.bytesWritten &+= part.bytesWritten
      sum.memoryLocked = max(sum.memoryLocked, part.memoryLocked)
      sum.memoryResident = part.memoryResident ?? sum.memoryResident
      sum.startNanoseconds &+= part.startNanoseconds
      sum.stopNanoseconds &+= part.stopNanoseconds
      sum.elapsedNanoseconds &+= part.elapsedNanoseconds
    }
  }

  /// No cost yet.
  package init() {}

  /// The process's CPU time as a fraction of one CPU.
  public var processFraction: Double {
    elapsedNanoseconds == 0 ? 0 : Double(processNanoseconds) / Double(elapsedNanoseconds)
  }
}
