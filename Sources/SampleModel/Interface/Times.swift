/// A point in time of CLOCK_MONOTONIC (clock_gettime(2)), the clock of every sample.
///
/// It restarts at each boot and does not advance while the host is suspended. On Linux
/// `SuspendingClock` is the same clock; its instants cannot be made from a number.
public struct MonotonicInstant: InstantProtocol, Hashable, Sendable {
  /// Nanoseconds of CLOCK_MONOTONIC.
  public let nanoseconds: UInt64

  /// The instant at so many nanoseconds of CLOCK_MONOTONIC.
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// The instant `duration` later; the first or the last one where there is none.
  public func advanced(by duration: Duration) -> MonotonicInstant {
    let step = duration.wholeNanoseconds
    let (sum, isBeyond) =
      step < 0
      ? nanoseconds.subtractingReportingOverflow(step.magnitude)
      : nanoseconds.addingReportingOverflow(step.magnitude)
    return MonotonicInstant(nanoseconds: isBeyond ? (step < 0 ? 0 : .max) : sum)
  }

  /// The time from this instant to `other`, below zero where that is earlier.
  public func duration(to other: MonotonicInstant) -> Duration {
    other.nanoseconds >= nanoseconds
      ? Duration(unsigned: other.nanoseconds - nanoseconds)
      : .zero - Duration(unsigned: nanoseconds - other.nanoseconds)
  }

  /// Earlier first.
  public static func < (one: MonotonicInstant, other: MonotonicInstant) -> Bool {
    one.nanoseconds < other.nanoseconds
  }
}

/// A point in time of the wall clock (CLOCK_REALTIME), counted from 1970-01-01 00:00 UTC.
///
/// With Foundation it is `Date(timeIntervalSince1970: time.seconds)`.
public struct UnixTime: Hashable, Sendable, Comparable {
  /// Nanoseconds since 1970.
  public let nanoseconds: UInt64

  /// The time so many nanoseconds after the beginning of 1970.
  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// Seconds since 1970, as Foundation counts them.
  public var seconds: Double { Double(nanoseconds) / 1e9 }

  /// The time from this one to `other`, below zero where that is earlier.
  public func duration(to other: UnixTime) -> Duration {
    MonotonicInstant(nanoseconds: nanoseconds)
      .duration(to: MonotonicInstant(nanoseconds: other.nanoseconds))
  }

  /// Earlier first.
  public static func < (one: UnixTime, other: UnixTime) -> Bool {
    one.nanoseconds < other.nanoseconds
  }
}

extension Duration {
  /// A length of time in nanoseconds, also one beyond `Int64.max`.
  package init(unsigned nanoseconds: UInt64) {
    self.init(
      secondsComponent: Int64(nanoseconds / 1_000_000_000),
      attosecondsComponent: Int64(nanoseconds % 1_000_000_000) * 1_000_000_000)
  }

  /// Whole nanoseconds, rounded towards zero; the nearest number where 64 bits do not hold it
  /// (292 years).
  package var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, isBeyond) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isAbove) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return isBeyond || isAbove ? (seconds < 0 ? .min : .max) : sum
  }
}
