import LinuxSystem
import RunAnalysis
import SampleModel
import Sampler

/// What a setting's value may be.
package enum SettingType: Sendable {
  /// A length of time, at least this many nanoseconds.
  case duration(minimum: UInt64)
  /// No time at all, which is no limit, or at least this many nanoseconds, because of this.
  case limit(minimum: UInt64, reason: String)
  /// A length of time as in `duration`, or nothing.
  case optionalDuration(minimum: UInt64)
  /// Lengths of time with commas between.
  case durations
  case integer(ClosedRange<Int>)
  /// A whole number, or nothing.
  case optionalInteger(ClosedRange<Int>)
  case boolean
  case text
  /// A share in percent, or nothing.
  case share
  /// A share of one CPU in percent, of which a host may have many, or nothing.
  case cpuShare
  /// One of these words.
  case choice([String])
  /// Some of these words, with commas between, or nothing.
  case words([String])
  /// Names of collectors.
  case collectors
  case placement
  case priority
  /// Arithmetic over names of events.
  case formula
  /// A row of the digest, or nothing.
  case digestRow
  /// A text that `accepts` knows, described by `expected`.
  case form(expected: String, accepts: @Sendable (String) -> Bool)

  /// What is wrong with `text`, which is no such value: what is expected, and the nearest word.
  package func complaint(_ text: String) -> String {
    switch self {
    case .digestRow: return Self.digestComplaint(text) ?? "expected \(expectation)"
    case .duration(let minimum), .optionalDuration(let minimum):
      if Durations.parse(text) == nil { return Durations.excess(text) ?? Self.noDuration }
      return "too short; the minimum is \(Durations.text(minimum))"
    case .limit(let minimum, let reason):
      if Durations.parse(text) == nil { return Durations.excess(text) ?? Self.noDuration }
      return "at least \(Durations.text(minimum)), \(reason); 0s for no limit"
    case .choice(let words):
      return "expected \(expectation)\(Nearest.hint(Nearest.word(to: text, in: words)))"
    case .words(let words):
      let unknown = Self.parts(text).first { !words.contains($0) } ?? text
      return "there is no \(unknown)\(Nearest.hint(Nearest.word(to: unknown, in: words))); "
        + "expected \(expectation)"
    default: return "expected \(expectation)"
    }
  }

  /// What is said of a text that is no length of time.
  package static let noDuration =
    "not a duration; expected a number with a unit (ns, us, ms, s, m, h), such as 500ms"

  /// What is expected, in words.
  package var expectation: String {
    switch self {
    case .duration(let minimum): "a duration of at least \(Durations.text(minimum))"
    case .optionalDuration(let minimum):
      "a duration of at least \(Durations.text(minimum)), or nothing"
    case .limit(let minimum, _): "0s, or a duration of at least \(Durations.text(minimum))"
    case .durations: "durations such as 0s,5s,15s"
    case .integer(let range) where range.upperBound == .max:
      "a whole number from \(range.lowerBound) on"
    case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .optionalInteger(let range):
      "a whole number from \(range.lowerBound) to \(range.upperBound), or nothing"
    case .boolean: "true or false"
    case .text: "text"
    case .share: "a percentage above 0% and up to 100%, with the % sign, such as 0.5%"
    case .cpuShare:
      "a percentage of one CPU above 0% and up to 100000%, with the % sign, such as 150%"
    case .formula:
      "a formula of names and numbers with blanks around + - * /, such as instructions / cycles"
    case .digestRow: "a row \(DigestRow.form), or nothing"
    case .choice(let words): "one of " + words.joined(separator: ", ")
    case .words(let words): "names out of " + words.joined(separator: ", ")
    case .collectors: "collector names, separated by commas in the environment"
    case .placement: "auto, node, a CPU or a list of CPUs such as 0-3,8"
    case .priority: "other, fifo:1 to fifo:99, or rr:1 to rr:99"
    case .form(let expected, _): expected
    }
  }

  /// The values of the type as the reference lists them.
  var values: String {
    switch self {
    case .duration(0): "duration"
    case .duration(let minimum): "duration, at least \(Durations.text(minimum))"
    case .optionalDuration(let minimum):
      "duration, at least \(Durations.text(minimum)), or empty"
    case .limit(let minimum, _): "0s, or duration, at least \(Durations.text(minimum))"
    case .durations: "durations"
    case .integer(let range) where range.upperBound == .max: "\(range.lowerBound) or more"
    case .integer(let range): "\(range.lowerBound)–\(range.upperBound)"
    case .optionalInteger(let range): "\(range.lowerBound)–\(range.upperBound) or empty"
    case .boolean: "true, false"
    case .share, .cpuShare: "percentage or empty"
    case .choice(let words): words.joined(separator: ", ")
    case .words: "names or empty"
    case .collectors: "names"
    case .placement: "auto, node, or a list of CPUs"
    case .priority: "other, fifo:1–99, rr:1–99"
    case .formula: "formula"
    case .digestRow: "row or empty"
    case .text: "text"
    case .form(let expected, _): expected
    }
  }

  /// Whether `text` is such a value.
  package func accepts(_ text: String) -> Bool {
    switch self {
    case .duration(let minimum): Durations.parse(text).map { $0 >= minimum } ?? false
    case .optionalDuration(let minimum):
      text.isEmpty || Durations.parse(text).map { $0 >= minimum } ?? false
    case .limit(let minimum, _):
      Durations.parse(text).map { $0 == 0 || $0 >= minimum } ?? false
    case .durations:
      !Self.parts(text).isEmpty && Self.parts(text).allSatisfy { Durations.parse($0) != nil }
    case .integer(let range): Int(text).map(range.contains) ?? false
    case .optionalInteger(let range): text.isEmpty || Int(text).map(range.contains) ?? false
    case .boolean: text == "true" || text == "false"
    case .text, .collectors: true
    case .choice(let words): words.contains(text)
    case .words(let words): Self.parts(text).allSatisfy(words.contains)
    case .share: text.isEmpty || Share.parse(text) != nil
    case .cpuShare: text.isEmpty || Share.parse(text, most: Share.mostCPUs) != nil
    case .formula: Self.isFormula(text)
    case .digestRow: text.isEmpty || Self.digestComplaint(text) == nil
    case .placement: Placement(text) != nil
    case .priority: SchedulingPriority(text) != nil
    case .form(_, let accepts): accepts(text)
    }
  }

  /// The parts of a list with commas between, without empty ones.
  package static func parts(_ text: String) -> [String] {
    text.parts(",").map { $0.trimmed }.filter { !$0.isEmpty }
  }

  private static func isFormula(_ text: String) -> Bool {
    do throws(FormulaError) {
      _ = try Expression(Expression.tokens(text))
      return true
    } catch {
      return false
    }
  }

  /// What is wrong with a text that is to be a row of the digest; nil of one that is.
  private static func digestComplaint(_ text: String) -> String? {
    do throws(DigestRowError) {
      _ = try DigestRow(key: "", text)
      return nil
    } catch {
      return error.reason
    }
  }
}
