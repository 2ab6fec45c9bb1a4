package import SampleModel
import Sampler

/// What earlier sessions of a run decided, by their journal.
package struct EarlierDecisions: Sendable, Hashable {
  /// Bytes that the ring of a thread grew to.
  private(set) var rings: [Int: Int] = [:]
  /// Collectors that were given up.
  private(set) var disabled: [String] = []
  /// Questions that somebody said yes to, as `ApproveAction` writes them down.
  package private(set) var approved: Set<String> = []

  /// Nothing was decided.
  package init() {}

  /// What these events say.
  package init(_ journal: [JournalEntry]) {
    for entry in journal {
      switch entry.kind {
      case SamplingRemedies.ringGrown:
        var numbers: [Substring: Int] = [:]
        for word in entry.message.split(separator: " ") {
          let parts = word.split(separator: "=")
          if parts.count == 2 { numbers[parts[0]] = Int(parts[1]) }
        }
        // A ring that could not be grown has its reason there.
        if let thread = numbers["thread"], let bytes = numbers["to_bytes"] { rings[thread] = bytes }
      case SamplingRemedies.collectorDisabled:
        if let name = entry.message.split(separator: " ").first { disabled.append(String(name)) }
      case ApproveAction.event:
        if let question = ApproveAction.approvedQuestion(in: entry.message) {
          approved.insert(question)
        }
      default: break
      }
    }
  }

  /// Does again what was done about sampling, so that no attempt is lost to what is known.
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
