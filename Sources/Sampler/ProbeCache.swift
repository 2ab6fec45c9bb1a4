package import SampleModel
import Synchronization

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
