import SampleModel
import Sampler

/// What happened in a simulated session, from its controller's side.
struct SimulationRecord {
  /// One bracket that was closed.
  struct Bracket {
    let account: BracketAccount
    /// It took a closing edge.
    let hasClose: Bool
  }

  var meta: StreamMeta?
  var brackets: [Bracket] = []
  /// Brackets that the next start ended.
  var unclosed = Set<UInt32>()
  /// Collectors that were read no more, and from which bracket on.
  var disabled: [String: UInt32] = [:]
  /// When a sampling thread was given up with its session, if one was.
  var silentAt: UInt64?
  /// When disarming began.
  var overAt: UInt64 = .max
  /// The session stays in memory, since a thread of it hangs.
  var stays = false
  var growths = 0
  /// The controller's steps, each with its time.
  var steps: [(time: UInt64, words: String)] = []
  var faults: [String] = []
}

/// What one seed came to.
package struct SimulationSummary: Sendable {
  package let seed: UInt64
  /// A hash of every scheduling decision.
  package var trace: UInt64 = 0
  /// What was wrong; empty for a session as it must be.
  package var faults: [String] = []
  /// What happened, for a look at whether the seeds reach everything.
  package var counts: [String: Int] = [:]
  /// Every call of the sink and every step of the controller, where that was asked for.
  package var log: [String] = []

  init(seed: UInt64) { self.seed = seed }
}
