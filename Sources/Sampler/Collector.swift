package import LinuxSystem
public import SampleModel
import Synchronization

/// The static half of a collector: its description, its availability on this host, and its arming.
package protocol Collector: Sendable {
  /// The schema, source, privilege and cost.
  var description: CollectorDescription { get }
  /// Whether a target must be named first: a process, a cgroup.
  var needsTarget: Bool { get }
  /// Whether its samples wait for an event or may block, and so need a sampling thread of their
  /// own.
  var waits: Bool { get }
  /// The longest time that one sample waits for an idle source, in nanoseconds; 0 if its source
  /// answers immediately.
  var longestWait: UInt64 { get }
  /// Whether its reads never block: the kernel serves its files in /proc from memory, on any CPU.
  /// Such a collector may also be read on the controller's thread.
  var isNonBlocking: Bool { get }
  /// Whether its source can be read here.
  func probe(_ context: CollectorContext) -> Availability
  /// Opens, sizes, allocates and checks that a first read parses. Everything expensive is here.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector
}

extension Collector {
  /// No target is needed.
  package var needsTarget: Bool { false }
  /// Sampling does not block.
  package var waits: Bool { false }
  /// The source answers immediately.
  package var longestWait: UInt64 { 0 }
  /// Assumed to block unless the collector says otherwise.
  package var isNonBlocking: Bool { false }
}

/// Record rows that one acquisition wrote, and those that were lost for lack of room.
public struct RecordCount: Sendable {
  /// Rows written.
  public var rows: Int
  /// Rows lost for lack of room.
  public var lost: Int

  /// A count of rows and losses.
  public init(rows: Int = 0, lost: Int = 0) {
    self.rows = rows
    self.lost = lost
  }
}

/// The armed half of a collector: it holds descriptors and buffers, and acquires without
/// allocating.
///
/// An acquisition gives values (`sample`), or unparsed bytes (`read`), which `decoder` turns into
/// values on the drain.
///
/// A class with overridable functions rather than an existential: the sampling thread calls it
/// through an unmanaged reference, so that no reference is counted between start and stop.
open class ArmedCollector: @unchecked Sendable {
  // Sendable: armed by one thread, then used by the sampling thread alone until it is retired.

  /// The columns of this arming, in the order in which `sample` writes values; with a decoder,
  /// those of the first reading.
  package let columns: [Column]
  /// Formulas over the columns, and the smallest share of time counted from which a multiplexed
  /// count is still scaled up.
  package let formulas: [Formula]
  package let minimumRunningRatio: Double
  /// The share of one CPU above which its interval is lengthened, unless the user chose the
  /// interval; nil for no limit.
  package let costLimit: Double?
  /// The record that `sampleRecords` writes, nil for a collector of frames only.
  package let recordFields: (name: String, fields: [MetricDescription], rowsPerTick: Int)?
  /// Decodes its acquisitions on the drain; nil if they are values already.
  package let decoder: RawDecoder?
  /// Words of the first acquisition, for a collector with a decoder.
  package let readingWords: Int

  /// Parts of the source that are unavailable on this host, and their stand-ins.
  package let notes: [String]

  /// Whether it has no target in the next bracket and is not read in it. Set by `prepare`, between
  /// brackets.
  package final var isIdle = false

  /// The edge of a bracket that the next `sample` or `read` takes, if any.
  package final var edge: BracketEdge {
    get { unsafe acquiredAt }
    set { unsafe acquiredAt = newValue }
  }

  // Unchecked: only the sampling thread accesses it, and accesses never overlap.
  @exclusivity(unchecked) private final var acquiredAt = BracketEdge.none

  /// Whether the next acquisition is an edge.
  package final var isAtEdge: Bool { edge != .none }

  /// System calls of the last `sample`.
  package final var systemCallsOfSample: UInt64 = 0

  /// An armed collector that samples values of these columns.
  package init(
    columns: [Column], formulas: [Formula] = [], minimumRunningRatio: Double = 0,
    costLimit: Double? = nil, notes: [String] = [],
    recordFields: (name: String, fields: [MetricDescription], rowsPerTick: Int)? = nil
  ) {
    self.columns = columns
    self.formulas = formulas
    self.minimumRunningRatio = minimumRunningRatio
    self.costLimit = costLimit
    self.notes = notes
    self.recordFields = recordFields
    decoder = nil
    readingWords = 0
  }

  /// An armed collector whose acquisitions `decoder` decodes; the first one took `readingWords`
  /// words.
  package init(decoder: RawDecoder, readingWords: Int, notes: [String] = []) {
    columns = decoder.columns
    formulas = []
    minimumRunningRatio = 0
    costLimit = nil
    recordFields = nil
    self.notes = notes
    self.decoder = decoder
    self.readingWords = readingWords
  }

  /// Whether `prepare` does anything.
  open var hasPreparation: Bool { false }

  /// Prepares for the next opening sample, between brackets: opens a new workload's files and
  /// counters. Return `.layoutChanged` to request re-arming. Work not done here is done by the next
  /// acquisition. Runs on the arming thread.
  open func prepare() -> AcquisitionOutcome { .complete }

  /// One acquisition: writes a raw value for each column. Runs on the sampling thread: no
  /// allocation, lock, string or logging. The values are used only if the outcome is complete.
  open func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    preconditionFailure("a collector without a decoder overrides sample")
  }

  /// One acquisition of a collector with a decoder: appends the sources' contents, or the errors of
  /// reading them, to `body`. The rules of `sample` hold. `body.isCut` is set if the room was too
  /// small.
  open func read(into body: inout RawBody) {
    preconditionFailure("a collector with a decoder overrides read")
  }

  /// Writes record rows after a complete `sample`; the span holds `rowsPerTick` of them.
  open func sampleRecords(into rows: inout MutableSpan<UInt64>) -> RecordCount { RecordCount() }

  /// Whether it reads only files of the kernel's proc file system: none that a daemon serves in its
  /// place (LXCFS), and no other source.
  open var isOnProc: Bool { false }

  /// The files that an acquisition reads, in order.
  open var sourcePaths: [String] { [] }

  /// Closes everything that `arm` opened. Called once, after the last sample.
  open func disarm() {}
}

/// All collectors, by name.
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

/// What collectors are probed and armed with: the kernel's trees and the column filter.
package struct CollectorContext: Sendable {
  package let roots: MountRoots
  /// The user's selection of columns, by globs over `metric[instance]`.
  package let filter: ColumnFilter
  /// CPUs of the sampling threads; a collector's own threads are pinned there too.
  package var samplingCPUs: [Int] = []
  /// Cached probe results for these roots.
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

/// Caches probe results, for callers that arm repeatedly.
///
/// Only conclusive results are cached: that a source is available (removed again if arming fails),
/// and that this kernel does not have it. Results that depend on privileges, modules or devices are
/// not cached, nor are those of collectors with a target. The cache lives as long as its process,
/// so never longer than one boot. A cache in a file would save a few milliseconds and could be
/// wrong in the next container.
package final class ProbeCache: Sendable {
  private let known = Mutex<[String: Availability]>([:])

  /// An empty cache.
  package init() {}

  /// The cached availability of `collector`, or the result of probing it now.
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

  /// Removes a collector that was found available and could not be armed.
  package func invalidate(_ collector: String) { known.withLock { $0[collector] = nil } }
}
