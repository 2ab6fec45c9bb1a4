import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// From where the counters of network interfaces are read.
package enum NetSource: String, Sendable, CaseIterable {
  /// Binary in our own namespace with more than `NetCollector.manyInterfaces`, else the text.
  case auto
  case text
  case netlink
}

/// The counters of every interface out of rtnetlink, as the kernel lists them: a part for each
/// interface, of its index and its counters, behind one that says whether a link came, went or
/// changed meanwhile. `LinkDecoder` knows their names.
final class ArmedLinkStatistics: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.
  private let links: LinkStatistics

  /// Takes the interfaces as they are now; `metrics` in the order of /proc/net/dev.
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
    // The news are looked for first: of a link that comes later the next reading knows.
    let hasNews = links.hasNews()
    body.words(1) { _ in hasNews ? 1 : 0 }
    let mark = body.count
    let outcome = links.read(begin: { body.rewind(to: mark) }) { index, counter in
      body.words(1 + LinkStatistics.counters) { place in
        place == 0 ? UInt64(UInt32(bitPattern: index)) : counter(place - 1)
      }
    }
    if outcome != .complete {
      body.rewind(to: mark)
      body.number(0, failure: EAGAIN)
    }
    body.add(systemCalls: links.calls &- before)
  }
}
