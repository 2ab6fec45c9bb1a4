import LinuxSystem
package import SampleModel

/// Acquisitions outside a session, one at a time: for what they cost, and for tests.
package final class SingleAcquisition {
  private let armed: ArmedCollector
  /// The columns and values of the last one.
  package private(set) var columns: [Column]
  package private(set) var values: [UInt64]
  /// Bytes of the kernel's text that it read, nil for a source that is no text.
  package private(set) var bytes: Int?
  package private(set) var systemCalls: UInt64 = 0

  /// Acquisitions of `armed`, which nothing else uses meanwhile.
  package init(_ armed: ArmedCollector) {
    self.armed = armed
    columns = armed.columns
    values = Array(repeating: 0, count: columns.count)
  }

  /// Nanoseconds of one acquisition of `armed`: the median of a few, not the first.
  static func cost(of armed: ArmedCollector, _ time: TimeSource) -> UInt64 {
    let acquisition = SingleAcquisition(armed)
    var times: [UInt64] = []
    for _ in 0..<6 {
      let start = time.monotonic()
      _ = acquisition.take()
      times.append(time.monotonic() - start)
    }
    return times.dropFirst().sorted()[2]
  }

  /// Makes one acquisition and decodes it.
  package func take() -> AcquisitionOutcome {
    guard let decoder = armed.decoder else {
      var span = values.mutableSpan
      let outcome = armed.sample(into: &span)
      systemCalls = armed.systemCallsOfSample
      return outcome
    }
    let words = read()
    let outcome = decoder.decode(words.span)
    columns = decoder.columns
    values = decoder.values
    if case .gap(let cause) = outcome { return cause }
    return .complete
  }

  /// Reads what an acquisition reads and decodes nothing; false for a collector that samples
  /// values.
  package func readOnly() -> Bool {
    guard armed.decoder != nil else { return false }
    _ = read()
    return true
  }

  /// The values of the last one by the names of their columns.
  package var named: [String: UInt64] {
    Dictionary(zip(columns.map(\.name), values)) { first, _ in first }
  }

  private func read() -> [UInt64] {
    let reading = RawBody.collect(atLeast: armed.readingWords) { armed.read(into: &$0) }
    systemCalls = reading.systemCalls
    var parts = RawParts()
    var total = 0
    while let part = parts.next(of: reading.words.span) { total += part.bytes }
    bytes = total
    return reading.words
  }
}
