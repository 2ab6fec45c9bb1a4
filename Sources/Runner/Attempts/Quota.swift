package import SampleModel

/// What a run may use in all; nil for no bound.
package struct QuotaLimits: Sendable, Hashable {
  /// Nanoseconds from its start.
  package var wall: UInt64?
  /// Nanoseconds of lbsample's own CPU time.
  package var ownCPU: UInt64?
  /// Bytes of the result.
  package var bytes: UInt64?
  /// Bytes of all rings together.
  package var ringBytes: UInt64?
  /// Attempts beyond the first ones.
  package var retries: UInt64?

  /// No bounds.
  package init() {}
}

/// Reserves what the next attempt will use, and takes account of what it did use: pure.
///
/// The estimate is the most that an attempt at the same phase has used. What is reserved counts as
/// used until it is settled, so that several at once never use more than there is.
package struct Quota: Sendable {
  /// What is bounded, by its option.
  package enum Resource: String, Sendable, CaseIterable {
    case wall = "--max-wall"
    case ownCPU = "--max-own-cpu"
    case bytes = "--max-bytes"
    case retries = "--max-retries"

    /// What there is none of, where none is left.
    fileprivate var name: String {
      switch self {
      case .wall: "time"
      case .ownCPU: "CPU time for lbsample"
      case .bytes: "room for the result"
      case .retries: "retry"
      }
    }
  }

  /// Why an attempt may not begin.
  package struct Denial: Error, Sendable, Hashable {
    package let resource: Resource
    package let estimate: UInt64
    package let remaining: UInt64
    /// Nothing has begun in this session: another one would come no further.
    package let isFirst: Bool

    /// As an error that ends the run.
    package var error: LBError {
      let option = resource.rawValue
      if isFirst {
        return LBError(
          .quota,
          "\(option) stops the run: no \(resource.name) is left before the first repetition of "
            + "this session; start a new run with a larger \(option)")
      }
      // One of the smallest unit stands for an estimate that there is not yet.
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

    /// A session that goes on has the whole quota again, and cannot have another one.
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

  /// Something reserved.
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

  /// Nothing used yet.
  package init(_ limits: QuotaLimits) {
    let given: [(Resource, UInt64?)] = [
      (.wall, limits.wall), (.ownCPU, limits.ownCPU), (.bytes, limits.bytes),
      (.retries, limits.retries),
    ]
    self.limits = Dictionary(
      uniqueKeysWithValues: given.compactMap { one in one.1.map { (one.0, $0) } })
  }

  /// What is left of a resource, reservations taken off; nil where it has no bound. The wall time
  /// passes by itself: `elapsed` nanoseconds of it since the start.
  package func remaining(_ resource: Resource, elapsed: UInt64 = 0) -> UInt64? {
    guard let limit = limits[resource] else { return nil }
    if resource == .wall { return limit > elapsed ? limit - elapsed : 0 }
    let reserved = open.values.reduce(0) { $0 + ($1.amounts[resource] ?? 0) }
    let taken = (used[resource] ?? 0) + reserved
    return limit > taken ? limit - taken : 0
  }

  /// Reserves what an attempt at `phase` is estimated to use.
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

  /// Settles a reservation with what was used.
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
