package import LinuxSystem
public import SampleModel
import Synchronization

/// The static half of a collector: what it is, whether it can be had here, and how it is armed.
package protocol Collector: Sendable {
  /// The schema, source, privilege and cost.
  var description: CollectorDescription { get }
  /// Whether it looks at something that must be named first: a process, a cgroup.
  var needsTarget: Bool { get }
  /// Whether its samples wait for something, or may hang, and so need a sampling thread of their
  /// own.
  var waits: Bool { get }
  /// Nanoseconds that a sample of it waits for its source at most, where that is quiet; 0 for one
  /// that answers at once.
  var longestWait: UInt64 { get }
  /// Whether the kernel answers a reading of its files in /proc out of its own memory, at once and
  /// on any CPU: then it need not be left to a thread that may be given up.
  var cannotHang: Bool { get }
  /// Whether its source can be read here.
  func probe(_ context: CollectorContext) -> Availability
  /// Opens, sizes, allocates and checks that a first read parses. Everything expensive is here.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector
}

extension Collector {
  /// The host as it is.
  package var needsTarget: Bool { false }
  /// It only reads.
  package var waits: Bool { false }
  /// It answers at once.
  package var longestWait: UInt64 { 0 }
  /// Who knows what its source waits for.
  package var cannotHang: Bool { false }
}

/// How many record rows one acquisition gave, and how many found no room.
public struct RecordCount: Sendable {
  /// Rows written.
  public var rows: Int
  /// Rows that found no room.
  public var lost: Int

  /// A count of rows and losses.
  public init(rows: Int = 0, lost: Int = 0) {
    self.rows = rows
    self.lost = lost
  }
}

/// The armed half: holds descriptors and buffers, and acquires without allocating.
///
/// An acquisition gives values (`sample`), or what it has read as it stands (`read`), which the
/// drain's `decoder` turns into values.
///
/// A class with overridable functions rather than an existential: the sampling thread calls it
/// through an unmanaged reference, so that no reference is counted between start and stop.
open class ArmedCollector: @unchecked Sendable {
  // Sendable: armed by one thread, then used by the sampling thread alone until it is retired.

  /// The columns of this arming, in the order in which `sample` writes values; with a decoder,
  /// those of the first reading.
  package let columns: [Column]
  /// What readers make of them, and the least share of the time that a count is scaled from.
  package let formulas: [Formula]
  package let leastShare: Double
  /// The most that its acquisitions may cost of one CPU before they are made less often, unless its
  /// interval was asked for; nil for no bound.
  package let costLimit: Double?
  /// The record that `sampleRecords` writes, nil for a collector of frames only.
  package let recordFields: (name: String, fields: [MetricDescription], rowsPerTick: Int)?
  /// What decodes its acquisitions in the drain; nil where they are values already.
  package let decoder: RawDecoder?
  /// Words that a first reading took, for one with a decoder.
  package let readingWords: Int

  /// What of the source cannot be had here, and what stands in for it.
  package let notes: [String]

  /// Whether it has nothing to look at in the next bracket, and is not read in it. `prepare` says
  /// so, between brackets.
  package final var isIdle = false

  /// Which of a bracket's edges the next `sample` or `read` is, if any.
  package final var edge: BracketEdge {
    get { unsafe acquiredAt }
    set { unsafe acquiredAt = newValue }
  }

  // Unchecked: the sampling thread alone uses it, at each acquisition, and for an instant.
  @exclusivity(unchecked) private final var acquiredAt = BracketEdge.none

  /// Whether it is one of them.
  package final var isAtEdge: Bool { edge != .none }

  /// System calls of the last `sample`.
  package final var systemCallsOfSample: UInt64 = 0

  /// An arming that samples values of these columns.
  package init(
    columns: [Column], formulas: [Formula] = [], leastShare: Double = 0,
    costLimit: Double? = nil, notes: [String] = [],
    recordFields: (name: String, fields: [MetricDescription], rowsPerTick: Int)? = nil
  ) {
    self.columns = columns
    self.formulas = formulas
    self.leastShare = leastShare
    self.costLimit = costLimit
    self.notes = notes
    self.recordFields = recordFields
    decoder = nil
    readingWords = 0
  }

  /// An arming whose readings `decoder`, which knows a first one of `readingWords`, decodes.
  package init(decoder: RawDecoder, readingWords: Int, notes: [String] = []) {
    columns = decoder.columns
    formulas = []
    leastShare = 0
    costLimit = nil
    recordFields = nil
    self.notes = notes
    self.decoder = decoder
    self.readingWords = readingWords
  }

  /// Whether `prepare` does anything.
  open var hasPreparation: Bool { false }

  /// What can be done before an opening sample, while nothing is sampled: a new workload's files
  /// and counters. With `layoutChanged` it is to be armed anew. An acquisition does what was not
  /// done. Runs on the arming thread.
  open func prepare() -> AcquisitionOutcome { .complete }

  /// One acquisition: writes a raw value for each column. Runs on the sampling thread: no
  /// allocation, lock, string or logging. Values count only when the outcome is complete.
  open func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    preconditionFailure("a collector without a decoder overrides sample")
  }

  /// One acquisition of a collector with a decoder: appends what it reads to `body`, as `sample`
  /// under the same rules. Whatever the sources answer stands in the body; `body.isCut` when they
  /// had more than it has room for.
  open func read(into body: inout RawBody) {
    preconditionFailure("a collector with a decoder overrides read")
  }

  /// Writes record rows after a complete `sample`; the span holds `rowsPerTick` of them.
  open func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount { RecordCount() }

  /// Whether all that it reads is the kernel's proc file system, and not what a daemon answers in
  /// its place (LXCFS) or another source.
  open var isOnProc: Bool { false }

  /// The files that an acquisition reads, in order.
  open var sourcePaths: [String] { [] }

  /// Closes what arm opened. Called once, after the last sample.
  open func disarm() {}
}

/// The collectors that there are, by name.
package struct CollectorRegistry: Sendable {
  package let collectors: [any Collector]

  /// A registry of `collectors`, whose names differ.
  package init(_ collectors: [any Collector]) {
    let names = collectors.map(\.description.name)
    precondition(Set(names).count == names.count, "two collectors share a name")
    self.collectors = collectors
  }

  /// The collector called `name`.
  package subscript(name: String) -> (any Collector)? {
    collectors.first { $0.description.name == name }
  }
}

/// What a collector is given to look at and to arm with.
package struct CollectorContext: Sendable {
  package let roots: MountRoots
  /// Instances that the user left out or picked, by glob over `metric[instance]`.
  package let filter: ColumnFilter
  /// CPUs of the sampling threads, where a collector's own threads belong too.
  package var samplingCPUs: [Int] = []
  /// What is known of the sources under these roots.
  package let probes = ProbeCache()

  /// The kernel's trees and the columns that are wanted.
  package init(roots: MountRoots, filter: ColumnFilter = ColumnFilter()) {
    self.roots = roots
    self.filter = filter
  }
}

/// Which columns are wanted: `--only`, `--except` and the CPUs of `--cpus`, as globs.
package struct ColumnFilter: Sendable, Hashable {
  package let only: [String]
  package let except: [String]

  /// A filter; with nothing in `only`, everything passes that `except` does not name.
  package init(only: [String] = [], except: [String] = []) {
    self.only = only
    self.except = except
  }

  /// Whether a column of this full name is wanted.
  package func passes(_ name: String) -> Bool {
    (only.isEmpty || only.contains { Glob.matches($0, name) })
      && !except.contains { Glob.matches($0, name) }
  }
}

/// What probes have found, for those who arm again and again.
///
/// Only what is conclusive is kept: that a source is there (arming it says if it is not any more,
/// and then it is forgotten), and that this kernel has none. What a right, a module or a device
/// decides is asked each time, and so is whatever looks at a target. It lives as long as its
/// process, and so never longer than one boot of one kernel: in a file it would save at most the
/// few milliseconds that all probes together take, and could be wrong in the next container.
package final class ProbeCache: Sendable {
  private let known = Mutex<[String: Availability]>([:])

  /// Nothing is known.
  package init() {}

  /// What `collector`'s probe said, or says now.
  package func availability(
    of collector: some Collector, _ context: CollectorContext
  ) -> Availability {
    guard !collector.needsTarget else { return collector.probe(context) }
    let name = collector.description.name
    if let found = known.withLock({ $0[name] }) { return found }
    let found = collector.probe(context)
    switch found {
    case .available, .unsupported: known.withLock { $0[name] = found }
    case .denied, .absent: break
    }
    return found
  }

  /// It was said to be there, and could not be armed.
  package func forget(_ collector: String) { known.withLock { $0[collector] = nil } }
}
