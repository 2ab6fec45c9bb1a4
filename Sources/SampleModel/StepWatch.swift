/// Counts what counters did otherwise than grow, for the ledger: steps back, resets and wraps, by
/// the account that readers use too.
package struct StepWatch {
  private struct Stream {
    var account = CounterAccount()
    var bracket: UInt32 = 0
  }

  private var streams: [Stream] = []

  /// A watch that has seen nothing.
  package init() {}

  /// Takes one complete frame; frames of two brackets are not compared.
  package mutating func observe(_ header: FrameHeader, _ values: Span<UInt64>, _ layout: Layout) {
    let index = Int(header.stream)
    while streams.count <= index { streams.append(Stream()) }
    if streams[index].account.epoch != header.epoch { streams[index].account.layout(layout) }
    if header.edge == .open || streams[index].bracket != header.bracket {
      streams[index].account.forget()
      streams[index].bracket = header.bracket
    }
    streams[index].account.observe(values, at: header.start)
  }

  /// The counts of a stream since the last call.
  package mutating func take(_ stream: Int) -> CounterCounts {
    guard stream < streams.count else { return CounterCounts() }
    defer { streams[stream].account.counts = CounterCounts() }
    return streams[stream].account.counts
  }
}
