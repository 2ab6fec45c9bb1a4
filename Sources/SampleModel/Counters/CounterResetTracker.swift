/// Counts the steps back, resets and wraps of one stream's counters for the ledger, with the same
/// account as readers.
///
/// A class, so that it is never copied.
package final class CounterResetTracker {
  private var account = CounterAccount()
  private var bracket: UInt32 = 0
  private var layout: Layout?

  /// An empty tracker.
  package init() {}

  /// Uses a layout for the following frames.
  package func layout(_ layout: Layout) {
    self.layout = layout
    account.layout(layout)
  }

  /// Observes one frame of the present layout; frames of different brackets are not compared.
  package func observe(_ header: FrameHeader, _ values: Span<UInt64>) {
    guard header.outcome == .complete else {
      if header.outcome == .absent { account.recordSourceLoss() }
      return
    }
    if header.edge == .open || bracket != header.bracket {
      account.invalidate()
      bracket = header.bracket
    }
    account.observe(values, at: header.start)
  }

  /// A message of the counters whose reset became final with the last complete frame, nil for none.
  /// At a closing frame it includes resets that a later frame might have revoked.
  package func resets(_ header: FrameHeader) -> String? {
    let isClosing = header.edge == .close
    guard !account.resetColumns.isEmpty || isClosing, header.outcome == .complete, let layout else {
      return nil
    }
    let columns = Set(account.resetColumns).union(isClosing ? account.suspectColumns : [])
    guard !columns.isEmpty else { return nil }
    let names = columns.sorted().map { layout.columns[$0].name }
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
