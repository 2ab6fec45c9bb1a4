package import SampleModel
import Sampler

/// What earlier sessions of a run decided, from their journal.
package struct ResumeDecisions: Sendable, Hashable {
  /// Bytes that the ring of a sampling thread has grown to, by the thread's number.
  private(set) var rings: [Int: Int] = [:]
  /// Collectors that were disabled.
  private(set) var disabled: [String] = []
  /// Questions that were approved, as `ApprovalAnswer` records them.
  package private(set) var approved: Set<String> = []

  /// No decisions.
  package init() {}

  /// The decisions among these events.
  package init(_ journal: [JournalEntry]) {
    for entry in journal {
      switch entry.kind {
      case SamplingRecovery.ringGrown:
        // A ring that could not be grown has an entry of this kind too, with the reason.
        if let ring = GrownRing(journalMessage: entry.message) { rings[ring.thread] = ring.to }
      case SamplingRecovery.collectorDisabled:
        if let name = entry.error?.context.collector { disabled.append(name) }
      case ApproveAction.event:
        if let answer = ApprovalAnswer(journalMessage: entry.message), answer.word == .approve {
          approved.insert(answer.question)
        }
      default: break
      }
    }
  }

  /// Applies the decisions about sampling again, so that no attempt of this session fails for a
  /// reason that is known.
  package func apply(
    to collectors: any CollectorLifecycle, ringLimit: Int
  ) throws(LBError) {
    for name in disabled { _ = collectors.disable(name) }
    for (thread, bytes) in rings.sorted(by: { $0.key < $1.key }) {
      var size = 0
      while size < bytes {
        let growth = try collectors.growRings(of: [thread], limit: ringLimit)
        guard let grown = growth.first, grown.to > size else { break }
        size = grown.to
      }
    }
  }
}
