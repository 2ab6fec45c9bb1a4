import Logging
import SampleModel
import Sampler

/// What is done between two attempts about sampling that went wrong in the one before.
struct SamplingRemedies {
  static let ringGrown = "ring.grown"
  static let collectorDisabled = "collector.disabled"

  private var watch = CollectorWatch()

  /// Arms anew what was let go of while the run waited; says what cannot be had any more.
  static func resume(
    _ collectors: any CollectorLifecycle, _ session: RunSession, _ context: RunContext,
    at place: AttemptPlace
  ) throws(LBError) {
    for lost in try collectors.resume() {
      let message =
        "\(lost.collector) cannot be armed again after the wait (\(lost.reason)): it is read no "
        + "more"
      session.result.warnings.append(message)
      try context.journal.record(.warning, Self.collectorDisabled, message, at: place)
    }
  }

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
