/// Counts what the counters of one stream did otherwise than grow, for the ledger: steps back,
/// resets and wraps, by the account that readers use too.
package struct StepWatch {
  private var account = CounterAccount()
  private var bracket: UInt32 = 0

  /// A watch that has seen nothing.
  package init() {}

  /// Takes a layout into force for the frames that follow.
  package mutating func layout(_ layout: Layout) { account.layout(layout) }

  /// Takes one complete frame of the layout in force; frames of two brackets are not compared.
  package mutating func observe(_ header: FrameHeader, _ values: Span<UInt64>) {
    if header.edge == .open || bracket != header.bracket {
      account.forget()
      bracket = header.bracket
    }
    account.observe(values, at: header.start)
  }

  /// The counts since the last call.
  package mutating func take() -> CounterCounts {
    defer { account.counts = CounterCounts() }
    return account.counts
  }
}
