import RunAnalysis

/// The order of the repetitions of several phases.
public enum RunOrder: Sendable, Hashable {
  /// Each phase to its end before the next one.
  case sequential
  /// The first repetition of each, then the second of each, and so on.
  case interleaved
  /// The order of `interleaved`, with every second round from the last phase to the first: A B B A.
  /// A steady drift then affects all phases alike.
  case abba
  /// A random order; the same seed gives the same order.
  case random(seed: UInt64)

  /// The words that are read, for messages.
  package static let expectation = "sequential, interleaved, abba or random:SEED"

  /// Reads `sequential`, `interleaved`, `abba`, `random` or `random:SEED`.
  package init?(_ text: String) {
    switch text {
    case "sequential": self = .sequential
    case "interleaved": self = .interleaved
    case "abba": self = .abba
    case "random": self = .random(seed: 1)
    default:
      guard text.hasPrefix("random:"), let seed = UInt64(text.dropFirst(7)) else { return nil }
      self = .random(seed: seed)
    }
  }

  /// The order as text, as in a plan.
  package var text: String {
    switch self {
    case .sequential: "sequential"
    case .interleaved: "interleaved"
    case .abba: "abba"
    case .random(let seed): "random:\(seed)"
    }
  }
}

/// One repetition of one of several phases.
package struct ScheduledRepetition: Sendable, Hashable {
  /// The index of the phase.
  package let phase: Int
  /// From 1; warm-ups are numbered separately.
  package let repetition: Int
  package let warmUp: Bool
}

/// Schedules repetitions: pure.
package enum Schedule {
  /// All repetitions of phases with these counts, in order. The warm-ups of a phase come before its
  /// counted repetitions; where the phases take turns, all warm-ups come first.
  package static func repetitions(
    of counts: [(warmUps: Int, repetitions: Int)], _ order: RunOrder
  ) -> [ScheduledRepetition] {
    func row(_ phase: Int, _ warmUp: Bool) -> [ScheduledRepetition] {
      let count = warmUp ? counts[phase].warmUps : counts[phase].repetitions
      return (0..<count).map {
        ScheduledRepetition(phase: phase, repetition: $0 + 1, warmUp: warmUp)
      }
    }
    let phases = counts.indices
    switch order {
    case .sequential: return phases.flatMap { row($0, true) + row($0, false) }
    case .interleaved:
      return transposed(phases.map { row($0, true) }) + transposed(phases.map { row($0, false) })
    case .abba:
      return transposed(phases.map { row($0, true) })
        + transposed(phases.map { row($0, false) }, turning: true)
    case .random(let seed):
      var mixed = phases.flatMap { row($0, false) }
      var random = SplitMix64(seed: seed)
      for last in mixed.indices.dropFirst().reversed() {
        mixed.swapAt(last, random.index(below: last + 1))
      }
      // Numbered within the phase in the order of execution.
      var numbers = [Int](repeating: 0, count: counts.count)
      let counted = mixed.map { one in
        numbers[one.phase] += 1
        return ScheduledRepetition(
          phase: one.phase, repetition: numbers[one.phase], warmUp: false)
      }
      return transposed(phases.map { row($0, true) }) + counted
    }
  }

  /// The first of each row, then the second of each, and so on; where it is `turning`, every other
  /// time from the last row to the first.
  private static func transposed(
    _ rows: [[ScheduledRepetition]], turning: Bool = false
  ) -> [ScheduledRepetition] {
    let longest = rows.map(\.count).max() ?? 0
    return (0..<longest).flatMap { index in
      let round = rows.filter { index < $0.count }.map { $0[index] }
      return turning && index % 2 == 1 ? round.reversed() : round
    }
  }
}
