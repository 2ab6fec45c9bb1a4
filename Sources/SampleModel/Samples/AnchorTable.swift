/// Clock anchors in order of time.
package struct AnchorTable: Sendable {
  private var anchors: [ClockAnchor] = []

  /// No anchors yet: dates are zero.
  package init() {}

  /// Adds an anchor; they come in order.
  package mutating func add(_ anchor: ClockAnchor) { anchors.append(anchor) }

  /// Unix time of `monotonic` by the last anchor at or before it, or by the first anchor.
  package func unixTime(of monotonic: UInt64) -> UInt64 {
    let anchor = anchors.last { $0.monotonic <= monotonic } ?? anchors.first
    return anchor?.unixTime(of: monotonic) ?? 0
  }
}
