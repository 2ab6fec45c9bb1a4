import SampleModel

/// A condition of a plan: comparisons of facts of the host, of available collectors and of metrics
/// of earlier phases, joined by `and` and `or`.
///
/// `host.cpus >= 4 and available.perf`, `not available.numa`, `load.wall_time < 2s`.
package struct Condition: Sendable, Hashable {
  /// The value of a name.
  package enum Value: Sendable, Hashable {
    case number(Double)
    case text(String)
  }

  /// Why a text is not a condition.
  package struct Failure: Error, Equatable {
    package let reason: String
  }

  private struct Term: Sendable, Hashable {
    let isNegated: Bool
    let left: String
    let comparison: String?
    let right: String
  }

  private static let comparisons = ["==", "!=", "<=", ">=", "<", ">"]
  /// Most characters of a condition.
  private static let limit = 4096

  package let text: String
  /// The condition holds if all terms of one of these lists hold.
  private let alternatives: [[Term]]

  /// Reads a condition.
  package init(_ text: String) throws(Failure) {
    guard text.count <= Self.limit else {
      throw Failure(reason: "longer than \(Self.limit) characters")
    }
    self.text = text
    var alternatives: [[Term]] = [[]]
    var words: [Substring] = []
    func term() throws(Failure) -> Term {
      let isNegated = words.first == "not"
      let rest = isNegated ? Array(words.dropFirst()) : words
      if let name = rest.first, !Self.isName(name) {
        throw Failure(
          reason: "\(name.shortened(to: 200)): expected a name, without brackets and with blanks "
            + "around a comparison")
      }
      if rest.count == 1 {
        return Term(isNegated: isNegated, left: String(rest[0]), comparison: nil, right: "")
      }
      guard rest.count == 3, Self.comparisons.contains(String(rest[1])) else {
        throw Failure(
          reason: "\(words.joined(separator: " ")): expected NAME, not NAME, or NAME with blanks "
            + "around one of \(Self.comparisons.joined(separator: " ")) and a value")
      }
      return Term(
        isNegated: isNegated, left: String(rest[0]), comparison: String(rest[1]),
        right: String(rest[2]))
    }
    for word in text.split(whereSeparator: \.isWhitespace) {
      guard word == "and" || word == "or" else {
        words.append(word)
        continue
      }
      alternatives[alternatives.count - 1].append(try term())
      if word == "or" { alternatives.append([]) }
      words = []
    }
    alternatives[alternatives.count - 1].append(try term())
    self.alternatives = alternatives
  }

  /// Whether a word can be a name. Any characters may stand in square brackets: values of
  /// parameters and instances of metrics.
  private static func isName(_ word: Substring) -> Bool {
    guard let first = word.first, first.isLetter || first.isNumber || first == "_" || first == "-"
    else { return false }
    var depth = 0
    for letter in word {
      switch letter {
      case "[": depth += 1
      case "]": depth -= 1
      case "(", ")", "<", ">", "!", "&", "|": if depth <= 0 { return false }
      default: break
      }
    }
    return true
  }

  /// All names in it.
  package var names: [String] { alternatives.flatMap { $0.map(\.left) } }

  /// Whether the condition holds, and if not, the reason: the terms that do not hold, with the
  /// values of their names.
  package func evaluate(_ value: (String) -> Value?) -> (holds: Bool, reason: String) {
    var reasons: [String] = []
    for alternative in alternatives {
      let failed = alternative.filter { !Self.holds($0, value($0.left)) }
      if failed.isEmpty { return (true, "") }
      reasons += failed.map { Self.explain($0, value($0.left)) }
    }
    return (false, reasons.joined(separator: ", "))
  }

  private static func explain(_ term: Term, _ value: Value?) -> String {
    switch value {
    case nil: "\(term.left) is not there"
    // Shown as a duration where it is compared with one: 1.2 ms, not 1203296.
    case .number(let number)
    where number >= 0 && Double(decimal: term.right) == nil && Durations.parse(term.right) != nil:
      "\(term.left) is \(Durations.rounded(UInt64(bounded: number)))"
    case .number(let number): "\(term.left) is \(PlanValue.number(number).plain ?? "")"
    case .text(let text): "\(term.left) is \(text)"
    }
  }

  private static func holds(_ term: Term, _ value: Value?) -> Bool {
    guard let comparison = term.comparison else {
      let isThere =
        switch value {
        case nil: false
        case .number(let number): number != 0
        case .text(let text): !text.isEmpty
        }
      return isThere != term.isNegated
    }
    // A comparison with a missing value never holds, negated or not.
    guard let value else { return false }
    return compare(value, comparison, term.right) != term.isNegated
  }

  private static func compare(_ value: Value, _ comparison: String, _ right: String) -> Bool {
    if case .number(let left) = value, let right = number(right) {
      switch comparison {
      case "==": return left == right
      case "!=": return left != right
      case "<": return left < right
      case ">": return left > right
      case "<=": return left <= right
      default: return left >= right
      }
    }
    let left =
      switch value {
      case .number(let number): PlanValue.number(number).plain ?? ""
      case .text(let text): text
      }
    switch comparison {
    case "==": return left == right
    case "!=": return left != right
    default: return false
    }
  }

  /// A number, or a length of time with its unit in nanoseconds.
  private static func number(_ text: String) -> Double? {
    if let number = Double(decimal: text) { return number }
    return Durations.parse(text).map { Double($0) }
  }
}
