import Glibc
package import LinuxSystem
package import SampleModel
import Sampler

/// Who keeps what brackets gave.
package protocol BracketKeeper: AnyObject {
  /// A bracket has been opened.
  func began(_ bracket: ControlState.Open) throws(LBError)
  /// It has been closed: by its program, or because that vanished or a stop came.
  func ended(
    _ bracket: ControlState.Open, _ outcome: BracketOutcome, interruptedBy reason: String?
  ) throws(LBError)
  /// A moment was marked.
  func marked(_ name: String, _ bracket: ControlState.Open?) throws(LBError)
}

/// An armed sampler that one program at a time opens and closes brackets of, over a socket.
///
/// A program that vanishes within a bracket closes it, as interrupted. Requests are served one
/// after the other, on the sampling thread's CPU.
package final class ControlServer {
  /// How requests are read and replies are written.
  package struct Language: Sendable {
    package let read: @Sendable ([UInt8]) throws(LBError) -> ControlRequest
    package let write: @Sendable (ControlReply) -> [UInt8]

    /// A language of these two.
    package init(
      read: @escaping @Sendable ([UInt8]) throws(LBError) -> ControlRequest,
      write: @escaping @Sendable (ControlReply) -> [UInt8]
    ) {
      self.read = read
      self.write = write
    }
  }

  private let socket: ControlSocket
  private let collectors: any CollectorLifecycle
  private let stop: StopFlag
  private let clock: TimeSource
  private let language: Language
  private let keeper: (any BracketKeeper)?
  private var state = ControlState()
  /// What requests said that came before: a program asks for the same again and again.
  private var known: [[UInt8]: ControlRequest] = [:]
  private static let knownLimit = 16
  private var client: ControlConnection?
  private var isDone = false
  /// For the request that ends a bracket, and for the one that begins the next.
  private var eagerness = (inside: Eagerness(), between: Eagerness())

  /// A server of `collectors`, which are armed, until `stop` is raised or a program disarms it.
  package init(
    _ socket: ControlSocket, collectors: any CollectorLifecycle, stop: StopFlag,
    clock: TimeSource, language: Language, keeper: (any BracketKeeper)? = nil
  ) {
    self.socket = socket
    self.collectors = collectors
    self.stop = stop
    self.clock = clock
    self.language = language
    self.keeper = keeper
  }

  /// Serves until it is disarmed or stopped; gives how many brackets were closed.
  package func serve() throws(LBError) -> Int {
    let here = CPUSet.allowed()
    pin(to: collectors.bracketCPU.map { CPUSet([$0]) })
    defer { pin(to: here) }
    while !isDone {
      if let client, client.hasLine {
        try serve(client)
        continue
      }
      let ready = look(at: [
        stop.pollDescriptor, client?.pollDescriptor ?? -1, socket.pollDescriptor,
        collectors.attentionDescriptor,
      ])
      if stop.raised != nil {
        try leave("a stop was asked for")
        return state.closed
      }
      if ready.contains(3), let failure = collectors.failure {
        try leave("\(failure)")
        throw failure
      }
      if ready.contains(1), let client { try serve(client) }
      if ready.contains(2) { welcome() }
    }
    return state.closed
  }

  /// Those of `descriptors` that have something to read, looked for without sleeping at first where
  /// that has paid.
  private func look(at descriptors: [Int32]) -> [Int] {
    guard client != nil else { return clock.wait(readable: descriptors, until: nil) }
    let place =
      state.open == nil ? \(inside: Eagerness, between: Eagerness).between : \.inside
    let patience = eagerness[keyPath: place].patience()
    guard patience > 0 else { return clock.wait(readable: descriptors, until: nil) }
    let deadline = clock.deadline(in: patience)
    while true {
      let now = clock.monotonic()
      let ready = clock.wait(readable: descriptors, until: now)
      if !ready.isEmpty || now >= deadline {
        eagerness[keyPath: place].note(!ready.isEmpty)
        return ready.isEmpty ? clock.wait(readable: descriptors, until: nil) : ready
      }
    }
  }

  /// Closes what is open.
  private func leave(_ reason: String) throws(LBError) {
    client = nil
    guard state.open != nil else { return }
    _ = try closeBracket(reason)
  }

  private func pin(to cpus: CPUSet?) {
    guard let cpus, !cpus.isEmpty else { return }
    do throws(SystemError) { try cpus.applyToThisThread() } catch {
      // Only the bracket's own latency depends on it.
    }
  }

  /// Takes the next program, unless one is there or it is not our user's.
  private func welcome() {
    guard let connection = socket.accept() else { return }
    var reason: String?
    if connection.user != getuid(), connection.user != 0 {
      reason = "this sampler belongs to user \(getuid()), not to \(connection.user)"
    } else if client != nil {
      reason = "another program is connected: one at a time"
    }
    guard let reason else {
      client = connection
      return
    }
    var reply = ControlReply("", clock.realtime(), state)
    reply.error = LBError(.configuration, reason)
    _ = connection.send(language.write(reply))
  }

  private func serve(_ client: ControlConnection) throws(LBError) {
    switch client.next() {
    case .nothing: break
    case .closed: try leave("the controlling program closed its connection before \"stop\"")
    case .tooLong:
      var reply = ControlReply("", clock.realtime(), state)
      reply.error = LBError(
        .configuration, "a request has at most \(ControlConnection.lineLimit) bytes")
      _ = client.send(language.write(reply))
      try leave("its program sent what is no request")
    case .line(let bytes):
      let reply: ControlReply
      do throws(LBError) {
        reply = try answer(bytes)
      } catch {
        // It ends the sampler; whoever asked is told before.
        var last = ControlReply("", clock.realtime(), state)
        last.error = error
        _ = client.send(language.write(last))
        throw error
      }
      if !client.send(language.write(reply)) { try leave("its program does not read") }
    }
  }

  private func answer(_ bytes: [UInt8]) throws(LBError) -> ControlReply {
    let request: ControlRequest
    do throws(LBError) {
      if let again = known[bytes] { request = again } else { request = try language.read(bytes) }
    } catch {
      var reply = ControlReply("", clock.realtime(), state)
      reply.error = error
      return reply
    }
    if known.count < Self.knownLimit { known[bytes] = request }
    if let refusal = state.refusal(request) {
      var reply = ControlReply(request.word, clock.realtime(), state)
      reply.error = LBError(.configuration, refusal)
      return reply
    }
    return try perform(request)
  }

  private func perform(_ request: ControlRequest) throws(LBError) -> ControlReply {
    var reply = ControlReply(request.word, clock.realtime(), state)
    switch request {
    case .start(let label):
      // Before the opening sample: what is written is no part of the bracket.
      try keeper?.began(ControlState.Open(number: collectors.nextBracket, label: label))
      state.opened(try collectors.start(), label: label)
      reply.bracket = state.open
    case .stop:
      reply.bracket = state.open
      reply.outcome = try closeBracket(nil)
      if let account = reply.outcome?.account {
        reply.time = clock.realtime() &- (clock.monotonic() &- account.closeEnd)
      }
    case .mark(let name): try keeper?.marked(name, state.open)
    case .status: break
    case .disarm: isDone = true
    }
    reply.state = state
    return reply
  }

  private func closeBracket(_ reason: String?) throws(LBError) -> BracketOutcome? {
    guard let open = state.open else { return nil }
    let outcome = try collectors.stop()
    // Whoever asks for a bracket wants its samples.
    if let failure = outcome.failure { throw failure }
    state.ended()
    try keeper?.ended(open, outcome, interruptedBy: reason)
    return outcome
  }
}
