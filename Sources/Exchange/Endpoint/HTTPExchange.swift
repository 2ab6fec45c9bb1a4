import LinuxSystem

/// One connection: a request and its answer, in bounded memory and time.
final class HTTPExchange {
  /// The event that a connection waits for.
  enum Phase {
    case receiving
    case sending
    /// The answer is sent; what the client still sends is thrown away for a moment: a connection
    /// closed with unread bytes is reset, and takes the answer with it.
    case lingering
    case over
  }

  private let client: ClientConnection
  private let limits: EndpointLimits
  private(set) var phase = Phase.receiving
  /// CLOCK_MONOTONIC at which it is given up.
  private(set) var deadline: UInt64
  private var input: [UInt8] = []
  private var answer: HTTPAnswer?
  private var sent = 0
  private var discarded = 0

  init(_ client: ClientConnection, _ limits: EndpointLimits, now: UInt64) {
    self.client = client
    self.limits = limits
    deadline = now &+ limits.requestTime
  }

  var pollEntry: (descriptor: Int32, isToWrite: Bool) {
    (client.pollDescriptor, phase == .sending)
  }

  /// The status of the answer, if the client has all of it.
  var status: Int? {
    guard let answer, sent == answer.head.count + answer.body.count else { return nil }
    return answer.status
  }

  /// Goes as far as is possible without waiting; asks for the answer to a whole request.
  func proceed(now: UInt64, answer respond: (HTTPRequest) -> HTTPAnswer) {
    switch phase {
    case .receiving: receive(now, respond)
    case .sending: send(now)
    case .lingering: discard()
    case .over: break
    }
  }

  /// Its time is over: a part of a request gets the status 408, anything else ends.
  func expire(now: UInt64) {
    guard phase == .receiving, !input.isEmpty else {
      phase = .over
      return
    }
    begin(HTTPAnswer(408, "the request took too long"), now)
  }

  private func receive(_ now: UInt64, _ respond: (HTTPRequest) -> HTTPAnswer) {
    let room = limits.requestBytes + 1 - input.count
    switch client.receive(into: &input, limit: room) {
    case .closed: phase = .over
    case .later: break
    case .bytes:
      switch HTTPRequest.read(input) {
      case .request(let request): begin(respond(request), now)
      case .malformed: begin(HTTPAnswer(400, "not a request of HTTP/1.1"), now)
      case .incomplete where input.count > limits.requestBytes:
        begin(
          HTTPAnswer(431, "a request has at most \(limits.requestBytes) bytes"), now)
      case .incomplete: break
      }
    }
  }

  private func begin(_ answer: HTTPAnswer, _ now: UInt64) {
    self.answer = answer
    input = []
    phase = .sending
    deadline = now &+ limits.answerTime
    send(now)
  }

  private func send(_ now: UInt64) {
    guard let answer else { return }
    while status == nil {
      let isHead = sent < answer.head.count
      let part = isHead ? answer.head : answer.body
      switch client.send(part, from: isHead ? sent : sent - answer.head.count) {
      case .bytes(let count): sent += count
      case .later: return
      case .closed:
        phase = .over
        return
      }
    }
    client.endSending()
    phase = .lingering
    deadline = now &+ limits.lingerTime
  }

  private func discard() {
    var bytes: [UInt8] = []
    switch client.receive(into: &bytes, limit: 4096) {
    case .bytes(let count):
      discarded += count
      if discarded > limits.requestBytes * 8 { phase = .over }
    case .later: break
    case .closed: phase = .over
    }
  }
}

/// What a client may use.
package struct EndpointLimits: Sendable {
  /// Connections at a time; a further one takes the place of that whose time ends first.
  package var connections = 16
  /// Bytes of a request's head.
  package var requestBytes = 8192
  /// Nanoseconds from a connection to its whole request, from there to the end of the answer, and
  /// from there to the client's end of the connection.
  package var requestTime: UInt64 = 5_000_000_000
  package var answerTime: UInt64 = 20_000_000_000
  package var lingerTime: UInt64 = 1_000_000_000

  /// The usual limits.
  package init() {}
}
