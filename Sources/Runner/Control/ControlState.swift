package import SampleModel

/// What a program asks of an armed sampler.
package enum ControlRequest: Sendable, Equatable {
  /// Opens a bracket, with a name for it.
  case start(label: String)
  /// Closes it.
  case stop
  /// Notes a moment within or between brackets.
  case mark(name: String)
  case status
  /// Ends the sampler.
  case disarm

  /// As it stands in requests and replies.
  package var word: String {
    switch self {
    case .start: "start"
    case .stop: "stop"
    case .mark: "mark"
    case .status: "status"
    case .disarm: "disarm"
    }
  }
}

/// Whether a bracket is open, and which requests that allows. Pure.
package struct ControlState: Sendable, Equatable {
  /// The bracket that is open.
  package struct Open: Sendable, Equatable {
    package let number: UInt32
    package let label: String
  }

  package private(set) var open: Open?
  /// Brackets that were closed.
  package private(set) var closed = 0

  /// No bracket yet.
  package init() {}

  /// Why a request cannot be served now, nil when it can.
  package func refusal(_ request: ControlRequest) -> String? {
    switch (request, open) {
    case (.start, let open?):
      "bracket \(open.number) (\(open.label)) is open: stop it before another one starts"
    case (.stop, nil): "no bracket is open: start one first"
    case (.disarm, let open?): "bracket \(open.number) (\(open.label)) is open: stop it first"
    default: nil
    }
  }

  /// A bracket was opened.
  package mutating func opened(_ number: UInt32, label: String) {
    open = Open(number: number, label: label)
  }

  /// The open bracket was closed.
  package mutating func ended() {
    open = nil
    closed += 1
  }
}

/// What the sampler answers to one request.
package struct ControlReply: Sendable {
  /// The request's word, empty where it was none.
  package var request: String
  /// Unix time in nanoseconds: of a start and a stop that of the bracket's edge.
  package var time: UInt64
  package var state: ControlState
  /// Of a bracket that was opened or closed.
  package var bracket: ControlState.Open?
  /// Of a bracket that was closed.
  package var outcome: BracketOutcome?
  package var error: LBError?

  init(_ request: String, _ time: UInt64, _ state: ControlState) {
    self.request = request
    self.time = time
    self.state = state
  }
}
