package import LinuxSystem
package import SampleModel
import Synchronization

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
