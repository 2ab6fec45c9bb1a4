import Glibc
package import LinuxSystem
package import SampleModel
import Sampler

/// Observes the brackets of a control server, for example to record them.
package protocol BracketObserver: AnyObject {
  /// A bracket is about to be opened.
  func bracketOpens(_ bracket: ControlState.Open) throws(LBError)
  /// A bracket was closed, by its program or, for the `reason`, without a request.
  func bracketClosed(
    _ bracket: ControlState.Open, _ outcome: BracketOutcome, interruptedBy reason: String?
  ) throws(LBError)
  /// A program marked a moment, within `bracket` or, for nil, between brackets.
  func marked(_ name: String, _ bracket: ControlState.Open?) throws(LBError)
}

/// Encodes and decodes the messages of the control protocol.
package struct ControlCodec: Sendable {
  /// Reads a request; throws `configuration` where the line is none.
  package let decode: @Sendable ([UInt8]) throws(LBError) -> ControlRequest
  /// A reply as bytes, with its line feed.
  package let encode: @Sendable (ControlReply) -> [UInt8]

  /// A codec of these two functions.
  package init(
    decode: @escaping @Sendable ([UInt8]) throws(LBError) -> ControlRequest,
    encode: @escaping @Sendable (ControlReply) -> [UInt8]
  ) {
    self.decode = decode
    self.encode = encode
  }
}

/// Serves one program at a time, which opens and closes brackets of an armed sampler over a socket.
///
/// When the program vanishes within a bracket, the server closes the bracket as interrupted. It
/// serves one request after the other, on the sampling thread's CPU.
package final class ControlServer {
  private let socket: ControlSocket
  private let collectors: any CollectorLifecycle
  private let stop: StopFlag
  private let clock: TimeSource
  private let codec: ControlCodec
  private let observer: (any BracketObserver)?
  private var state = ControlState()
  /// Decoded requests by their bytes: a program sends the same ones again and again.
  private var decodedRequests: [[UInt8]: ControlRequest] = [:]
  private static let decodedLimit = 16
  private var client: ControlConnection?
  private var isDone = false
  /// One policy for the request that ends a bracket, one for the request that begins the next.
  private var pollPolicy = (inside: BusyPollPolicy(), between: BusyPollPolicy())

  /// A server of `collectors`, which are armed, until `stop` is raised or a program disarms it.
  package init(
    _ socket: ControlSocket, collectors: any CollectorLifecycle, stop: StopFlag,
    clock: TimeSource, codec: ControlCodec, observer: (any BracketObserver)? = nil
  ) {
    self.socket = socket
    self.collectors = collectors
    self.stop = stop
    self.clock = clock
    self.codec = codec
    self.observer = observer
  }

  /// Serves until a program disarms it or a stop request; returns the number of closed brackets.
  package func serve() throws(LBError) -> Int {
    let here = CPUSet.allowed()
    pin(to: collectors.bracketCPU.map { CPUSet([$0]) })
    defer { pin(to: here) }
    while !isDone {
      if let client, client.hasLine {
        try serve(client)
        continue
      }
      let ready = waitForInput([
        stop.pollDescriptor, client?.pollDescriptor ?? -1, socket.pollDescriptor,
        collectors.attentionDescriptor,
      ])
      if stop.raised != nil {
        try disconnect("a stop was requested")
        return state.closed
      }
      if ready.contains(3), let failure = collectors.failure {
        try disconnect("\(failure)")
        throw failure
      }
      if ready.contains(1), let client { try serve(client) }
      if ready.contains(2) { acceptClient() }
    }
    return state.closed
  }

  /// Waits until some of `descriptors` are readable; returns their indexes. It polls before it
  /// sleeps where that has paid so far.
  private func waitForInput(_ descriptors: [Int32]) -> [Int] {
    guard client != nil else { return clock.wait(readable: descriptors, until: nil) }
    let policy =
      state.open == nil ? \(inside: BusyPollPolicy, between: BusyPollPolicy).between : \.inside
    let pollTime = pollPolicy[keyPath: policy].pollTime()
    guard pollTime > 0 else { return clock.wait(readable: descriptors, until: nil) }
    let deadline = clock.deadline(in: pollTime)
    while true {
      let now = clock.monotonic()
      let ready = clock.wait(readable: descriptors, until: now)
      if !ready.isEmpty || now >= deadline {
        pollPolicy[keyPath: policy].record(requestCame: !ready.isEmpty)
        return ready.isEmpty ? clock.wait(readable: descriptors, until: nil) : ready
      }
    }
  }

  /// Closes the connection and an open bracket, which is interrupted for this reason.
  private func disconnect(_ reason: String) throws(LBError) {
    client = nil
    guard state.open != nil else { return }
    _ = try closeBracket(reason)
  }

  private func pin(to cpus: CPUSet?) {
    guard let cpus, !cpus.isEmpty else { return }
    do throws(SystemError) { try cpus.applyToThisThread() } catch {
      // Only the latency of opening and closing a bracket depends on it.
    }
  }

  /// Accepts a connection; refuses it if another program is connected or it is another user's.
  private func acceptClient() {
    guard let connection = socket.accept() else { return }
    var reason: String?
    if connection.user != getuid(), connection.user != 0 {
      reason = "this sampler belongs to user \(getuid()), not to \(connection.user)"
    } else if client != nil {
      reason = "another program is connected: only one at a time can be"
    }
    guard let reason else {
      client = connection
      return
    }
    var reply = ControlReply("", clock.realtime(), state)
    reply.error = LBError(.configuration, reason)
    _ = connection.send(codec.encode(reply))
  }

  private func serve(_ client: ControlConnection) throws(LBError) {
    switch client.next() {
    case .nothing: break
    case .closed: try disconnect("the controlling program closed its connection before \"stop\"")
    case .tooLong:
      var reply = ControlReply("", clock.realtime(), state)
      reply.error = LBError(
        .configuration,
        "the request is too long: a request has at most \(ControlConnection.lineLimit) bytes")
      _ = client.send(codec.encode(reply))
      try disconnect("the controlling program sent a request that is too long")
    case .line(let bytes):
      let reply: ControlReply
      do throws(LBError) {
        reply = try answer(bytes)
      } catch {
        // The error ends the sampler: the program gets a reply first.
        var last = ControlReply("", clock.realtime(), state)
        last.error = error
        _ = client.send(codec.encode(last))
        throw error
      }
      if !client.send(codec.encode(reply)) {
        try disconnect("the controlling program does not read its replies")
      }
    }
  }

  private func answer(_ bytes: [UInt8]) throws(LBError) -> ControlReply {
    let request: ControlRequest
    do throws(LBError) {
      if let known = decodedRequests[bytes] {
        request = known
      } else {
        request = try codec.decode(bytes)
      }
    } catch {
      var reply = ControlReply("", clock.realtime(), state)
      reply.error = error
      return reply
    }
    if decodedRequests.count < Self.decodedLimit { decodedRequests[bytes] = request }
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
      // Before the opening sample, so that the cost of recording lies outside the bracket.
      try observer?.bracketOpens(ControlState.Open(number: collectors.nextBracket, label: label))
      state.opened(try collectors.start(), label: label)
      reply.bracket = state.open
    case .stop:
      reply.bracket = state.open
      reply.outcome = try closeBracket(nil)
      if let account = reply.outcome?.account {
        reply.time = clock.realtime() &- (clock.monotonic() &- account.closeEnd)
      }
    case .mark(let name): try observer?.marked(name, state.open)
    case .status: break
    case .disarm: isDone = true
    }
    reply.state = state
    return reply
  }

  private func closeBracket(_ reason: String?) throws(LBError) -> BracketOutcome? {
    guard let open = state.open else { return nil }
    let outcome = try collectors.stop()
    // A program cannot use a bracket without samples: the failure ends the sampler.
    if let failure = outcome.failure { throw failure }
    state.ended()
    try observer?.bracketClosed(open, outcome, interruptedBy: reason)
    return outcome
  }
}
