import Logging
package import SampleModel
import Sampler

/// What earlier sessions of a run did about its sampling, by their journal.
package struct EarlierRemedies: Sendable, Hashable {
  /// Bytes that the ring of a thread grew to.
  private(set) var rings: [Int: Int] = [:]
  /// Collectors that were given up.
  private(set) var disabled: [String] = []

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
      default: break
      }
    }
  }

  /// Does it again, so that no attempt is lost to what is known.
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

/// What is done between two attempts about sampling that went wrong in the one before.
struct SamplingRemedies {
  static let ringGrown = "ring.grown"
  static let collectorDisabled = "collector.disabled"

  private var watch = CollectorWatch()

  /// Mends what it can; gives whether every ring that was too small has more room now.
  mutating func mend(
    after attempt: AttemptResult, _ collectors: any CollectorLifecycle, _ session: RunSession,
    _ context: RunContext, at place: AttemptPlace
  ) throws(LBError) -> Bool {
    for name in watch.observe(attempt.ledger) where collectors.disable(name) {
      let message =
        "\(name) gave nothing in \(CollectorWatch.limit) attempts running: it is read no more"
      session.result.warnings.append(message)
      try context.journal.record(.warning, Self.collectorDisabled, message, at: place)
    }
    let full = attempt.ledger.threads.filter { $0.ring.dropped > 0 }
    guard !full.isEmpty else { return false }
    let limit = context.specification.quota.ringBytes.map { Int(clamping: $0) } ?? .max
    let grown: [RingGrowth]
    do throws(LBError) {
      grown = try collectors.growRings(of: full.map(\.thread), limit: limit)
    } catch {
      // What was measured stands; the next attempt has the ring that there was.
      session.result.warnings.append(error.message)
      try context.journal.record(.warning, Self.ringGrown, error.message, at: place, error: error)
      return false
    }
    for growth in grown {
      let lost = full.first { $0.thread == growth.thread }?.ring.dropped ?? 0
      try context.journal.record(
        .notice, Self.ringGrown,
        "thread=\(growth.thread) dropped=\(lost) from_bytes=\(growth.from) to_bytes=\(growth.to)",
        at: place)
    }
    return grown.count == full.count
  }
}
