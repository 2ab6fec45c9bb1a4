package import RunAnalysis
import SampleModel

/// A comparison as CSV: one row per metric of each further side, with all numbers in base units and
/// shares; a missing value is an empty cell.
package enum ComparisonCSV {
  private static let header = [
    "base", "side", "design", "metric", "unit", "family", "base_count", "base_median",
    "side_count", "side_median", "effect_kind", "effect", "effect_low", "effect_high", "detectable",
    "test", "p", "p_adjusted", "verdict", "direction", "needs", "why",
  ]

  /// All rows that pass.
  package static func text(_ comparison: Comparison, passes: (String) -> Bool) -> String {
    var buffer = TextBuffer()
    buffer.append(header.joined(separator: ",") + "\n")
    for pair in comparison.pairs {
      for row in pair.rows where passes(row.metric) {
        append(row, pair, comparison.base, to: &buffer)
      }
    }
    return String(decoding: buffer.bytes, as: UTF8.self)
  }

  private static func append(
    _ row: Comparison.Row, _ pair: Comparison.Pair, _ base: ComparedSide,
    to buffer: inout TextBuffer
  ) {
    func word(_ text: String?) { buffer.append("," + CSVSink.quoted(text ?? "")) }
    func number(_ number: Double?) {
      buffer.append(ascii: ",")
      if let number, number.isFinite { buffer.append(real: number) }
    }
    buffer.append(CSVSink.quoted(base.name))
    word(pair.other.name)
    word(pair.design.rawValue)
    word(row.metric)
    word(row.unit)
    word(row.isPrimary ? "primary" : "other")
    number(row.a.map { Double($0.count) })
    number(row.a?.median)
    number(row.b.map { Double($0.count) })
    number(row.b?.median)
    word(row.effect?.kind.rawValue)
    number(row.effect?.value)
    number(row.effect?.interval?.low)
    number(row.effect?.interval?.high)
    number(row.detectable)
    word(row.test?.name)
    number(row.test?.p)
    number(row.test?.adjusted)
    word(row.verdict.rawValue)
    word(pair.isBetter(row).map { $0 ? "better" : "worse" })
    number(row.needs.map { Double($0) })
    word(row.why)
    buffer.append(ascii: "\n")
  }
}
