package import SampleModel

/// What a program asks of an armed sampler.
package enum ControlRequest: Sendable, Equatable {
  /// Opens a bracket with this label.
  case start(label: String)
  /// Closes the open bracket.
  case stop
  /// Records a moment, within a bracket or between two.
  case mark(name: String)
  case status
  /// Ends the sampler.
  case disarm

  /// The word in requests and replies.
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
  /// An open bracket.
  package struct Open: Sendable, Equatable {
    package let number: UInt32
    package let label: String
  }

  package private(set) var open: Open?
  /// The number of brackets that were closed.
  package private(set) var closed = 0

  /// No bracket yet.
  package init() {}

  /// Why the state does not allow a request; nil when it does.
  package func refusal(_ request: ControlRequest) -> String? {
    switch (request, open) {
    case (.start, let open?):
      "bracket \(open.number) (\(open.label)) is open: stop it before you start another one"
    case (.stop, nil): "no bracket is open: start one first"
    case (.disarm, let open?): "bracket \(open.number) (\(open.label)) is open: stop it first"
    default: nil
    }
  }

  /// Records that a bracket was opened.
  package mutating func opened(_ number: UInt32, label: String) {
    open = Open(number: number, label: label)
  }

  /// Records that the open bracket was closed.
  package mutating func ended() {
    open = nil
    closed += 1
  }
}

/// The answer to one request.
package struct ControlReply: Sendable {
  /// The request's word; empty where the line was no request.
  package var request: String
  /// Unix time in nanoseconds; after a start or stop, the time of the bracket's edge.
  package var time: UInt64
  package var state: ControlState
  /// The bracket that was opened or closed.
  package var bracket: ControlState.Open?
  /// The outcome of the bracket that was closed.
  package var outcome: BracketOutcome?
  package var error: LBError?

  init(_ request: String, _ time: UInt64, _ state: ControlState) {
    self.request = request
    self.time = time
    self.state = state
  }
}
