package import SampleModel

/// The limits of a run's resources; nil: no limit.
package struct QuotaLimits: Sendable, Hashable {
  /// Nanoseconds from its start.
  package var wall: UInt64?
  /// Nanoseconds of lbsample's own CPU time.
  package var ownCPU: UInt64?
  /// Bytes of the result.
  package var bytes: UInt64?
  /// Bytes of all rings together.
  package var ringBytes: UInt64?
  /// Attempts after the first one of each repetition.
  package var retries: UInt64?

  /// No limits.
  package init() {}
}

/// Reserves the resources of the next attempt, and counts those that were used: pure.
///
/// The estimate is the most that an attempt of the same phase has used. Reserved resources count as
/// used until they are settled, so that several attempts never exceed the limit together.
package struct Quota: Sendable {
  /// A limited resource, by its option.
  package enum Resource: String, Sendable, CaseIterable {
    case wall = "--max-wall"
    case ownCPU = "--max-own-cpu"
    case bytes = "--max-bytes"
    case retries = "--max-retries"

    /// The resource in a message that none of it is left.
    fileprivate var name: String {
      switch self {
      case .wall: "time"
      case .ownCPU: "CPU time for lbsample"
      case .bytes: "room for the result"
      case .retries: "retry"
      }
    }
  }

  /// The reason why an attempt may not begin.
  package struct Denial: Error, Sendable, Hashable {
    package let resource: Resource
    package let estimate: UInt64
    package let remaining: UInt64
    /// Whether no attempt has begun in this session: another session would not begin one either.
    package let isFirst: Bool

    /// The error that ends the run.
    package var error: LBError {
      let option = resource.rawValue
      if isFirst {
        return LBError(
          .quota,
          "\(option) stops the run: no \(resource.name) is left before the first repetition of "
            + "this session; start a new run with a larger \(option)")
      }
      // An estimate of 1 means that there is no estimate yet.
      guard resource != .retries, estimate > 1 else {
        return LBError(
          .quota,
          "\(option) stops the run: no \(resource.name) is left; \(advice)")
      }
      return LBError(
        .quota,
        "\(option) stops the run: the next attempt needs about \(text(estimate)), "
          + "\(text(remaining)) \(isOneByte ? "is" : "are") left; \(advice)")
    }

    /// A resumed session has the whole quota again, but cannot have another limit.
    private var advice: String {
      "continue with --resume, or start a new run with a larger \(resource.rawValue)"
    }

    private var isOneByte: Bool { resource == .bytes && remaining == 1 }

    private func text(_ amount: UInt64) -> String {
      switch resource {
      case .wall, .ownCPU: Durations.rounded(amount)
      case .bytes: Counted.text(amount, "byte")
      case .retries: Counted.text(amount, "attempt")
      }
    }
  }

  /// Reserved resources of an attempt.
  package struct Reservation: Sendable, Hashable {
    let number: Int
    let phase: String
    let amounts: [Resource: UInt64]
  }

  private let limits: [Resource: UInt64]
  private var used: [Resource: UInt64] = [:]
  private var open: [Int: Reservation] = [:]
  private var estimates: [String: [Resource: UInt64]] = [:]
  private var count = 0

  /// These limits, of which nothing is used yet.
  package init(_ limits: QuotaLimits) {
    let given: [(Resource, UInt64?)] = [
      (.wall, limits.wall), (.ownCPU, limits.ownCPU), (.bytes, limits.bytes),
      (.retries, limits.retries),
    ]
    self.limits = Dictionary(
      uniqueKeysWithValues: given.compactMap { one in one.1.map { (one.0, $0) } })
  }

  /// What is left of a resource, without reservations; nil where it has no limit. Of the wall time
  /// `elapsed` nanoseconds have passed since the start.
  package func remaining(_ resource: Resource, elapsed: UInt64 = 0) -> UInt64? {
    guard let limit = limits[resource] else { return nil }
    if resource == .wall { return limit > elapsed ? limit - elapsed : 0 }
    let reserved = open.values.reduce(0) { $0 + ($1.amounts[resource] ?? 0) }
    let taken = (used[resource] ?? 0) + reserved
    return limit > taken ? limit - taken : 0
  }

  /// Reserves the estimated resources of an attempt of `phase`. Throws where less is left.
  package mutating func reserve(
    _ phase: String, isRetry: Bool, elapsed: UInt64 = 0
  ) throws(Denial) -> Reservation {
    var amounts = estimates[phase] ?? [:]
    amounts[.retries] = isRetry ? 1 : 0
    for resource in Resource.allCases {
      guard let remaining = remaining(resource, elapsed: elapsed) else { continue }
      // Without an estimate there must be something left at all.
      let estimate = max(amounts[resource] ?? 0, resource == .retries ? 0 : 1)
      if estimate > remaining {
        throw Denial(
          resource: resource, estimate: estimate, remaining: remaining, isFirst: count == 0)
      }
    }
    count += 1
    let reservation = Reservation(number: count, phase: phase, amounts: amounts)
    open[count] = reservation
    return reservation
  }

  /// Settles a reservation with what the attempt has used.
  package mutating func settle(_ reservation: Reservation, _ actual: [Resource: UInt64]) {
    guard open.removeValue(forKey: reservation.number) != nil else { return }
    for (resource, amount) in actual {
      used[resource, default: 0] += amount
      guard resource != .retries else { continue }
      let known = estimates[reservation.phase]?[resource] ?? 0
      estimates[reservation.phase, default: [:]][resource] = max(known, amount)
    }
    if let retry = reservation.amounts[.retries], retry > 0 { used[.retries, default: 0] += retry }
  }
}
