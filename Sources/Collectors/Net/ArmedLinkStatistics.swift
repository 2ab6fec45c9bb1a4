import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// From where the counters of network interfaces are read.
package enum NetSource: String, Sendable, CaseIterable {
  /// Binary in this process's own namespace with more than `NetCollector.manyInterfaces`, else the
  /// text.
  case auto
  case text
  case netlink
}

/// The counters of every interface from rtnetlink in the kernel's order: one part for each
/// interface, with its index and its counters, after a part with the change flag of the links.
/// `LinkDecoder` adds the names.
final class ArmedLinkStatistics: ArmedCollector, @unchecked Sendable {
  // Sendable: see the base class.
  private let links: LinkStatistics

  /// Arms the present interfaces; `metrics` in the order of /proc/net/dev.
  init(_ context: CollectorContext, metrics: [MetricDescription]) throws(SystemError) {
    let links = try LinkStatistics()
    let (body, _) = RawBody.collect(atLeast: 0) { Self.read(links, into: &$0) }
    let decoder = LinkDecoder(metrics, context.filter)
    if case .gap = decoder.decode(body.span) { throw SystemError("RTM_GETSTATS", errno: EAGAIN) }
    self.links = links
    super.init(
      decoder: decoder, readingWords: body.count,
      notes: ["net: \(decoder.count) interfaces are read through rtnetlink (RTM_GETSTATS)"])
  }

  override func read(into body: inout RawBody) { Self.read(links, into: &body) }

  private static func read(_ links: LinkStatistics, into body: inout RawBody) {
    let before = links.calls
    // Events are checked first: a later change is noticed by the next reading.
    let hasLinkEvents = links.hasLinkEvents()
    body.words(1) { _ in hasLinkEvents ? 1 : 0 }
    let mark = body.count
    let outcome = links.read(begin: { body.rewind(to: mark) }) { index, counter in
      body.words(1 + LinkStatistics.counters) { word in
        word == 0 ? UInt64(UInt32(bitPattern: index)) : counter(word - 1)
      }
    }
    if outcome != .complete {
      body.rewind(to: mark)
      body.number(0, failure: EAGAIN)
    }
    body.add(systemCalls: links.calls &- before)
  }
}
