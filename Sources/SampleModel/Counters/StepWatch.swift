/// Counts what the counters of one stream did otherwise than grow, for the ledger: steps back,
/// resets and wraps, by the account that readers use too.
///
/// A class: to copy it, at each question about a frame, would cost more than the answer.
package final class StepWatch {
  private var account = CounterAccount()
  private var bracket: UInt32 = 0
  private var layout: Layout?

  /// A watch that has seen nothing.
  package init() {}

  /// Takes a layout into force for the frames that follow.
  package func layout(_ layout: Layout) {
    self.layout = layout
    account.layout(layout)
  }

  /// Takes one frame of the layout in force; frames of two brackets are not compared.
  package func observe(_ header: FrameHeader, _ values: Span<UInt64>) {
    guard header.outcome == .complete else {
      if header.outcome == .absent { account.lose() }
      return
    }
    if header.edge == .open || bracket != header.bracket {
      account.forget()
      bracket = header.bracket
    }
    account.observe(values, at: header.start)
  }

  /// Which counters the last complete frame has shown to be reset, in words; nil for none. Of a
  /// closing frame also those that a later one might have taken back.
  package func resets(_ header: FrameHeader) -> String? {
    let isClosing = header.edge == .close
    guard !account.resetPlaces.isEmpty || isClosing, header.outcome == .complete, let layout else {
      return nil
    }
    let places = Set(account.resetPlaces).union(isClosing ? account.suspectPlaces : [])
    guard !places.isEmpty else { return nil }
    let names = places.sorted().map { layout.columns[$0].name }
    return "\(layout.collector): counter reset: \(Counted.list(names)) fell; this sample has no "
      + "rate for these columns, and an interval across the reset has no total (reported once for "
      + "each column)"
  }

  /// The counts since the last call.
  package func take() -> CounterCounts {
    defer { account.counts = CounterCounts() }
    return account.counts
  }
}
