package import SampleModel

/// A bound of `--fail-on`: a limit that an effect must not exceed, or `primary`.
package struct FailureBound: Sendable, Equatable {
  /// The metric or metrics of the bound.
  package enum Subject: Sendable, Equatable {
    /// Any proven change of the primary family, but for the better.
    case primary
    /// A metric's effect, as a share of the base: above `share`, or below it.
    case metric(String, isAbove: Bool, share: Double)
  }

  /// What became of it.
  package enum Outcome: Sendable, Equatable {
    /// The whole interval is beyond the bound.
    case exceeded(String)
    case kept
    /// The interval has values on both sides of it.
    case undecided(String)
  }

  /// The bound as the user wrote it.
  package let text: String
  package let subject: Subject

  /// Reads `primary`, `METRIC>2%` or `METRIC<-2%`; nil for anything else.
  package init?(_ text: String) {
    self.text = text
    if text == "primary" {
      subject = .primary
      return
    }
    guard let sign = text.lastIndex(where: { $0 == ">" || $0 == "<" }), text.hasSuffix("%"),
      sign != text.startIndex
    else { return nil }
    let metric = text[..<sign].split(separator: " ").joined(separator: " ")
    let number = text[text.index(after: sign)...].dropLast().split(separator: " ")
      .joined(separator: " ")
    guard !metric.isEmpty, let percent = Double(decimal: number) else { return nil }
    subject = .metric(metric, isAbove: text[sign] == ">", share: percent / 100)
  }

  /// One outcome for each pair that the bound concerns. Throws for a metric that no pair
  /// has.
  package func outcomes(_ comparison: Comparison) throws(LBError) -> [Outcome] {
    guard case .metric(let name, let isAbove, let share) = subject else {
      return comparison.pairs.enumerated().map { index, pair in
        primary(pair, Comparison.letter(index + 1))
      }
    }
    var outcomes: [Outcome] = []
    for (index, pair) in comparison.pairs.enumerated() {
      let side = Comparison.letter(index + 1)
      if pair.neverMoved.contains(name) {
        let isBeyond = isAbove ? 0 > share : 0 < share
        outcomes.append(isBeyond ? .exceeded("\(side): \(name) never moved") : .kept)
      } else if pair.belowResolution.contains(name) {
        outcomes.append(.undecided("\(side): \(name) moved by less than it is counted in"))
      } else if let row = pair.rows.first(where: { $0.metric == name }) {
        outcomes.append(outcome(row, side, isAbove: isAbove, share))
      }
    }
    guard !outcomes.isEmpty else {
      let known = comparison.pairs.flatMap { $0.rows.map(\.metric) + $0.neverMoved }
      throw LBError(
        .configuration,
        "--fail-on \(text): these runs have no metric \(name)"
          + Nearest.hint(Nearest.word(to: name, in: known)))
    }
    return outcomes
  }

  private func primary(_ pair: Comparison.Pair, _ side: String) -> Outcome {
    let changed = pair.rows(.changed, primary: true).filter { row in
      // An improvement is recognised where the metric has a direction, with any design.
      guard let better = row.better, let effect = row.effect else { return true }
      return (effect.value < 0) != (better == .lower)
    }
    if !changed.isEmpty {
      return .exceeded("\(side): \(Counted.list(changed.map(\.metric))) changed")
    }
    let open =
      pair.rows(.undecided, primary: true) + pair.rows(.notComparable, primary: true)
    return open.isEmpty
      ? .kept : .undecided("\(side): \(Counted.list(open.map(\.metric))) undecided")
  }

  /// The share as the user wrote it: `2 %`.
  private var shownShare: String {
    let number = text.dropLast().split { $0 == ">" || $0 == "<" }.last ?? ""
    return number.filter { $0 != " " } + " %"
  }

  /// Why the table does not show the metric as changed.
  private static func doubt(_ row: Comparison.Row) -> String {
    switch row.verdict {
    case .changed, .notComparable: ""
    case .same: ", though the verdict is same because so small a difference is within the margin"
    case .undecided:
      ", though the verdict is undecided because "
        + (row.why ?? "its p, adjusted for the number of metrics, is above 5 %")
    }
  }

  private func outcome(
    _ row: Comparison.Row, _ side: String, isAbove: Bool, _ share: Double
  ) -> Outcome {
    let subject = "\(side): \(row.metric)"
    // A metric that is missing on a side must not let a job pass.
    if row.verdict == .notComparable {
      return .exceeded("\(subject) is not comparable: \(row.why ?? "it has no values")")
    }
    if let why = row.why, row.effect == nil { return .undecided("\(subject): \(why)") }
    guard let effect = row.effect, let interval = effect.interval else {
      return .undecided("\(subject): so few repetitions have no 95 % interval")
    }
    var scale = 1.0
    if effect.kind == .difference {
      guard let median = row.a?.median.magnitude, median > 0 else {
        return .undecided("\(subject): a base of 0 has no percentage")
      }
      scale = median
    }
    let low = interval.low / scale
    let high = interval.high / scale
    let isBeyond = isAbove ? low > share : high < share
    if isBeyond {
      return .exceeded(
        "\(side)'s whole 95 % interval of \(row.metric) is \(isAbove ? "above" : "below") "
          + "\(shownShare)\(Self.doubt(row))")
    }
    let isWithin = isAbove ? high <= share : low >= share
    return isWithin
      ? .kept
      : .undecided(
        "\(side)'s 95 % interval of \(row.metric) contains \(shownShare); more repetitions may "
          + "decide")
  }
}
