import Glibc
package import LinuxSystem
import SampleModel
import Synchronization

/// Serves the last readings over HTTP: `/metrics`, `/healthz`, and `/` for people.
///
/// One thread with poll(2), which reads no source: a request gets the text of the last pass of the
/// drain, made once for each format however many clients ask. Each connection has one answer and is
/// bounded in bytes and time; a client that sends or reads slowly holds a descriptor until then.
/// A general HTTP library would add threads of its own, which no limit here reaches, for three
/// pages of GET.
package final class MetricsEndpoint: Sendable {
  private struct Counts {
    var answers: [Int: UInt64] = [:]
    var abandoned: UInt64 = 0
    var cpu: UInt64 = 0
  }

  /// A text, and of which pass and when it was made.
  private struct Page {
    let bytes: [UInt8]
    let generation: UInt64
    let time: UInt64
  }

  private let socket: ListeningSocket
  private let source: LatestSink
  private let token: [UInt8]?
  private let limits: EndpointLimits
  private let stop: StopFlag
  private let counts = Mutex(Counts())
  private let thread = Mutex<SystemThread?>(nil)

  /// An endpoint that listens already; with a `token`, requests for metrics must bear it.
  package init(
    _ socket: ListeningSocket, source: LatestSink, token: String?,
    limits: EndpointLimits = EndpointLimits()
  ) throws(SystemError) {
    self.socket = socket
    self.source = source
    self.token = token.map { Array($0.utf8) }
    self.limits = limits
    stop = try StopFlag()
  }

  /// Where it listens, with the port that it got.
  package var address: ListeningSocket.Address { socket.address }

  /// Adds what the endpoint did to the facts of lbsample itself.
  package func report(to facts: inout OwnMetrics.Facts) {
    counts.withLock { counts in
      facts.isServed = true
      facts.answers = counts.answers.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
      facts.abandoned = counts.abandoned
      facts.threads.append(("http", counts.cpu))
    }
  }

  /// Serves on a thread of its own until `end`, on other CPUs than `avoided` where there are some.
  package func begin(avoiding avoided: CPUSet) throws(SystemError) {
    let started = try SystemThread(name: "lb-http") { [self] in
      let others = CPUSet.allowed().subtracting(avoided)
      if !others.isEmpty {
        do throws(SystemError) { try others.applyToThisThread() } catch {
          // It may then run beside a sampling thread, which has the same share of that CPU.
        }
      }
      // Of this thread alone: many requests take what nothing else needs.
      _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, 10)
      serve()
    }
    thread.withLock { $0 = started }
  }

  /// Ends the thread. What is not sent by now is not sent.
  package func end() {
    stop.raise()
    let ending = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    ending?.join()
  }

  private func serve() {
    var exchanges: [HTTPExchange] = []
    var pages: [ExpositionFormat: Page] = [:]
    /// Not before this time: there was no descriptor for a client.
    var acceptsFrom: UInt64 = 0
    while stop.raised == nil {
      var now = Clock.monotonic()
      let isAccepting = now >= acceptsFrom
      var deadline = exchanges.map(\.deadline).min() ?? .max
      if !isAccepting { deadline = min(deadline, acceptsFrom) }
      var entries = [
        (descriptor: stop.pollDescriptor, isToWrite: false),
        (descriptor: isAccepting ? socket.pollDescriptor : -1, isToWrite: false),
      ]
      entries += exchanges.map(\.pollEntry)
      let ready = Poll.wait(for: entries, until: deadline)
      now = Clock.monotonic()
      for index in ready where index >= 2 {
        exchanges[index - 2].proceed(now: now) { answer($0, &pages, now) }
      }
      for exchange in exchanges where exchange.deadline <= now { exchange.expire(now: now) }
      if ready.contains(1) {
        acceptsFrom = accept(&exchanges, now) ? 0 : now &+ 100_000_000
      }
      let over = exchanges.filter { $0.phase == .over }
      if !over.isEmpty { exchanges.removeAll { $0.phase == .over } }
      for exchange in over { count(exchange) }
      counts.withLock { $0.cpu = Clock.threadCPU() }
    }
  }

  /// Takes the clients that wait; false if there was none that could be taken.
  private func accept(_ exchanges: inout [HTTPExchange], _ now: UInt64) -> Bool {
    var hasAccepted = false
    for _ in 0..<limits.connections {
      guard let client = socket.accept() else { break }
      hasAccepted = true
      if exchanges.count >= limits.connections,
        let first = exchanges.indices.min(by: { exchanges[$0].deadline < exchanges[$1].deadline })
      {
        count(exchanges.remove(at: first))
      }
      exchanges.append(HTTPExchange(client, limits, now: now))
    }
    return hasAccepted
  }

  private func count(_ exchange: HTTPExchange) {
    counts.withLock { counts in
      if let status = exchange.status {
        counts.answers[status, default: 0] &+= 1
      } else {
        counts.abandoned &+= 1
      }
    }
  }

  private func answer(
    _ request: HTTPRequest, _ pages: inout [ExpositionFormat: Page], _ now: UInt64
  ) -> HTTPAnswer {
    let isHead = request.method == "HEAD"
    guard isHead || request.method == "GET" else {
      return HTTPAnswer(405, "only GET and HEAD are answered", fields: ["Allow: GET, HEAD"])
    }
    if request.path == "/healthz" { return health(isHead) }
    guard ["/", "/metrics"].contains(request.path) else {
      return HTTPAnswer(404, "there are /metrics, /healthz and /", isHead: isHead)
    }
    guard isPermitted(request) else {
      return HTTPAnswer(
        401, "the field 'Authorization: Bearer TOKEN' is missing or has another token",
        fields: ["WWW-Authenticate: Bearer realm=\"lbsample\""], isHead: isHead)
    }
    guard request.path == "/metrics" else {
      return HTTPAnswer(
        200, type: "text/html; charset=utf-8", body: Array(Self.index.utf8), isHead: isHead)
    }
    let negotiated = Negotiation(accept: request["accept"])
    let format = negotiated.format
    let known = pages[format].flatMap { page in
      page.generation == source.generation && now &- page.time < 1_000_000_000 ? page : nil
    }
    let page =
      known
      ?? {
        let made = source.text(format, hasTimes: format == .openMetrics, at: now)
        return Page(bytes: made.bytes, generation: made.generation, time: now)
      }()
    pages[format] = page
    return HTTPAnswer(200, type: negotiated.contentType, body: page.bytes, isHead: isHead)
  }

  /// Healthy while values arrive: the last ones are no older than three intervals and five seconds.
  private func health(_ isHead: Bool) -> HTTPAnswer {
    guard let last = source.lastReading else {
      return HTTPAnswer(503, "no collector has values", isHead: isHead)
    }
    let age = Clock.monotonic().subtractingReportingOverflow(last.time)
    guard age.overflow || age.partialValue <= last.interval &* 3 &+ 5_000_000_000 else {
      return HTTPAnswer(
        503, "the last values are \(Durations.text(age.partialValue)) old", isHead: isHead)
    }
    return HTTPAnswer(200, "ok", isHead: isHead)
  }

  /// Whether the request bears the token. Compared in a time that does not depend on where they
  /// differ.
  private func isPermitted(_ request: HTTPRequest) -> Bool {
    guard let token else { return true }
    guard let field = request["authorization"] else { return false }
    let words = field.split(separator: " ")
    guard words.count == 2, words[0].lowercased() == "bearer" else { return false }
    let given = Array(words[1].utf8)
    var difference: UInt8 = given.count == token.count ? 0 : 1
    for index in token.indices {
      difference |= token[index] ^ (index < given.count ? given[index] : 0xFF)
    }
    return difference == 0
  }

  private static let index = """
    <!doctype html><html lang="en"><title>lbsample</title>
    <h1>lbsample</h1>
    <p><a href="/metrics">/metrics</a>: the last readings, for Prometheus.</p>
    <p><a href="/healthz">/healthz</a>: whether readings arrive.</p>

    """
}
