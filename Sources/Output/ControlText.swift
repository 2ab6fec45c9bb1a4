package import SampleModel

/// Replies of the control channel, one JSON object a line.
package enum ControlText {
  /// The content of a reply; `bracket` is the one that was opened or closed.
  package struct Reply {
    package var request: String
    package var time: UInt64
    package var bracket: (number: UInt32, label: String)?
    package var isOpen: Bool
    package var brackets: Int
    package var error: LBError?

    /// A reply to `request`.
    package init(
      request: String, time: UInt64, bracket: (number: UInt32, label: String)?, isOpen: Bool,
      brackets: Int, error: LBError?
    ) {
      self.request = request
      self.time = time
      self.bracket = bracket
      self.isOpen = isOpen
      self.brackets = brackets
      self.error = error
    }
  }

  /// The result of a closed bracket.
  package struct Closed {
    package var nanoseconds: UInt64
    package var metrics: [(name: String, value: Double)]
    package var ledger: Ledger
    package var overhead: Overhead

    /// A bracket's outcome.
    package init(
      nanoseconds: UInt64, metrics: [(name: String, value: Double)], ledger: Ledger,
      overhead: Overhead
    ) {
      self.nanoseconds = nanoseconds
      self.metrics = metrics
      self.ledger = ledger
      self.overhead = overhead
    }
  }

  /// One line.
  package static func line(_ reply: Reply, _ closed: Closed?) -> [UInt8] {
    var buffer = TextBuffer()
    buffer.append(ascii: "{")
    buffer.key("ok")
    buffer.append(reply.error == nil ? "true" : "false")
    if !reply.request.isEmpty { buffer.member("request", reply.request) }
    buffer.member("time_ns", reply.time)
    if let bracket = reply.bracket {
      buffer.member("bracket", UInt64(bracket.number))
      buffer.member("label", bracket.label)
    }
    buffer.member("state", reply.isOpen ? "open" : "armed")
    buffer.member("brackets", UInt64(reply.brackets))
    if let error = reply.error {
      buffer.member("category", error.category.rawValue)
      buffer.member("error", error.message)
    }
    if let closed {
      // A name and its number are some 40 bytes.
      buffer.reserve(2048 + closed.metrics.count * 48)
      buffer.member("bracket_ns", closed.nanoseconds)
      buffer.key("metrics")
      buffer.append(ascii: "{")
      for (name, value) in closed.metrics {
        buffer.key(name)
        buffer.append(real: value)
      }
      buffer.append(ascii: "}")
      buffer.key("ledger")
      LedgerText.append(closed.ledger, to: &buffer)
      buffer.key("overhead")
      LedgerText.append(closed.overhead, to: &buffer)
    }
    buffer.append("}\n")
    return buffer.bytes
  }
}
