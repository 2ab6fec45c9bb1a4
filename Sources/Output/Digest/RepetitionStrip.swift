import RunAnalysis
package import SampleModel

/// A metric's values over the repetitions: marks along a line, or lines for a program.
package struct RepetitionStrip {
  /// One completed attempt at a counted repetition.
  private struct Value {
    let repetition: Int
    let attempt: Int
    let amount: Double
    let gates: String
  }

  private let metric: String
  private let unit: String
  private let phases: [(name: String, values: [Value])]

  /// The values of one metric; nil where no completed, counted repetition has it.
  package init?(_ metric: String, _ result: RunResult) {
    var phases: [(name: String, values: [Value])] = []
    for phase in result.phases {
      var values: [Value] = []
      for repetition in phase.repetitions where !repetition.warmUp {
        for attempt in repetition.attempts where attempt.status == .completed {
          guard let amount = RunSummary.value(of: metric, in: attempt), amount.isFinite else {
            continue
          }
          values.append(
            Value(
              repetition: repetition.repetition, attempt: attempt.attempt, amount: amount,
              gates: GateNames.gates(of: attempt.contamination)))
        }
      }
      if !values.isEmpty { phases.append((phase.name, values)) }
    }
    guard !phases.isEmpty else { return nil }
    self.metric = metric
    self.phases = phases
    unit = result.phases.lazy.flatMap(\.metrics).first { $0.metric == metric }?.unit ?? ""
  }

  /// For a program: a heading, then phase, repetition, attempt, value in its base unit, unit and
  /// the gates that found it contaminated, with tabs between them.
  package var plain: String {
    var text = "phase\trepetition\tattempt\tvalue\tunit\tcontaminated\n"
    for (name, values) in phases {
      for value in values {
        text +=
          "\(name.shownInLine)\t\(value.repetition)\t\(value.attempt)\t\(Self.exact(value.amount))"
          + "\t\(unit.shownInLine)\t\(value.gates)\n"
      }
    }
    return text
  }

  private static func exact(_ value: Double) -> String {
    value.magnitude < 0x1p53 && value == value.rounded() ? "\(Int64(value))" : "\(value)"
  }

  /// Columns of a terminal that a strip needs at least, and is given at most.
  private static let widths = 20...200

  /// For a terminal of so many columns: of each phase a strip from the least value of all to the
  /// greatest, with a mark where a value lies. A digit says how many lie in one column, + that more
  /// than nine do, x that one of them is contaminated; | below it is the median.
  package func text(columns: Int) -> String {
    let all = phases.flatMap { $0.values.map(\.amount) }
    let (least, most) = (all.min() ?? 0, all.max() ?? 0)
    let ends = (DigestText.value(least, unit), DigestText.value(most, unit))
    let width = min(max(columns - 1, Self.widths.lowerBound), Self.widths.upperBound)
    func column(_ value: Double) -> Int {
      guard most > least else { return width / 2 }
      // Halves, since the difference of two great values may be beyond what a double can be.
      let share = (value / 2 - least / 2) / (most / 2 - least / 2)
      return min(width - 1, max(0, Int(bounded: share * Double(width - 1))))
    }
    var lines = [metric]
    for (name, values) in phases {
      var counts = Array(repeating: 0, count: width)
      var isMarked = Array(repeating: false, count: width)
      for value in values {
        counts[column(value.amount)] += 1
        if !value.gates.isEmpty { isMarked[column(value.amount)] = true }
      }
      let marks = counts.indices.map { at in
        isMarked[at]
          ? "x"
          : counts[at] == 0
            ? "·"
            : counts[at] == 1
              ? "o"
              : counts[at] < 10
                ? "\(counts[at])" : "+"
      }
      let median = Statistics.median(values.map(\.amount)) ?? least
      let at = column(median)
      let label = DigestText.value(median, unit)
      // The text stands on the side that has room for it.
      let isLeft = at + 2 + label.count > width && at >= label.count + 1
      let below =
        isLeft
        ? String(repeating: " ", count: at - label.count - 1) + "\(label) |"
        : String(repeating: " ", count: at) + "| \(label)"
      if phases.count > 1 { lines.append(name) }
      lines += [marks.joined(), below]
    }
    let gap = width - ends.0.count - ends.1.count
    lines.append(ends.0 + String(repeating: " ", count: max(1, gap)) + ends.1)
    let disturbed = phases.flatMap(\.values).contains { !$0.gates.isEmpty }
    lines.append(
      "o one repetition, 2-9 as many, + more\(disturbed ? ", x contaminated" : ""); | the median")
    return lines.map { $0.shownInLine + "\n" }.joined()
  }
}
