/// An error in a formula.
package struct FormulaError: Error, Equatable {
  package let reason: String
}

/// Arithmetic over named values: numbers, names, `+ - * /` and parentheses, by the usual order.
///
/// Names may have all characters of event names, so operators need blanks around them: `1000 *
/// branch-misses / instructions`.
package struct Expression: Sendable, Equatable {
  private enum Step: Sendable, Equatable {
    case number(Double)
    /// One of `names`.
    case value(Int)
    case operation(Character)
  }

  /// The names in it, each once, in order of appearance.
  package private(set) var names: [String] = []
  /// Operands before their operator.
  private var steps: [Step] = []

  /// The tokens that are neither numbers nor names.
  package static let operators: Set<String> = ["+", "-", "*", "/", "(", ")"]

  /// The tokens of a text: separated by blanks; parentheses are tokens of their own.
  package static func tokens(_ text: String) -> [String] {
    var tokens: [String] = []
    var word = ""
    for letter in text {
      if letter == " " || letter == "(" || letter == ")" {
        if !word.isEmpty { tokens.append(word) }
        word = ""
        if letter != " " { tokens.append(String(letter)) }
      } else {
        word.append(letter)
      }
    }
    return word.isEmpty ? tokens : tokens + [word]
  }

  /// The operator in a name that is several operands without blanks between them, as in `a/b`: all
  /// parts are numbers or pass `isOperand`. Nil for any other name. What stands in brackets decides
  /// nothing.
  package static func gluedOperator(
    in name: String, _ isOperand: (String) -> Bool
  ) -> Character? {
    let outside = name.prefix { $0 != "[" }
    for sign in ["+", "-", "*", "/"] as [Character] {
      let parts = outside.split(separator: sign, omittingEmptySubsequences: false).map {
        String($0)
      }
      guard parts.count > 1, parts.contains(where: isOperand) else { continue }
      // A number behind a hyphen may belong to the name.
      let areOperands = parts.allSatisfy { isOperand($0) || sign != "-" && Double($0) != nil }
      if areOperands { return sign }
    }
    return nil
  }

  /// Parses tokens.
  package init(_ tokens: [String]) throws(FormulaError) {
    var rest = tokens[...]
    try sum(&rest, depth: 0)
    if let next = rest.first { throw FormulaError(reason: "\(next) stands where + - * / could") }
    guard !names.isEmpty else { throw FormulaError(reason: "it names no value") }
  }

  private static let deepest = 32

  private mutating func sum(_ rest: inout ArraySlice<String>, depth: Int) throws(FormulaError) {
    try product(&rest, depth: depth)
    while let sign = rest.first, sign == "+" || sign == "-" {
      rest.removeFirst()
      try product(&rest, depth: depth)
      steps.append(.operation(Character(sign)))
    }
  }

  private mutating func product(_ rest: inout ArraySlice<String>, depth: Int) throws(FormulaError) {
    try operand(&rest, depth: depth)
    while let sign = rest.first, sign == "*" || sign == "/" {
      rest.removeFirst()
      try operand(&rest, depth: depth)
      steps.append(.operation(Character(sign)))
    }
  }

  private mutating func operand(_ rest: inout ArraySlice<String>, depth: Int) throws(FormulaError) {
    guard let token = rest.popFirst() else {
      throw FormulaError(reason: "a number or a name is missing at its end")
    }
    if token == "(" {
      guard depth < Self.deepest else { throw FormulaError(reason: "its parentheses are too deep") }
      try sum(&rest, depth: depth + 1)
      guard rest.popFirst() == ")" else { throw FormulaError(reason: "a ( has no matching )") }
    } else if Self.operators.contains(token) {
      throw FormulaError(reason: "a number or a name is missing before \(token)")
    } else if let number = Double(token), number.isFinite {
      steps.append(.number(number))
    } else {
      let index = names.firstIndex(of: token) ?? names.count
      if index == names.count { names.append(token) }
      steps.append(.value(index))
    }
  }

  /// Its value, with `values` for `names`; nil if one is missing, or for a division by zero.
  package func evaluate(_ values: [Double?]) -> Double? {
    var stack: [Double] = []
    for step in steps {
      switch step {
      case .number(let number): stack.append(number)
      case .value(let index):
        guard let value = values[index] else { return nil }
        stack.append(value)
      case .operation(let sign):
        guard let right = stack.popLast(), let left = stack.popLast() else { return nil }
        switch sign {
        case "+": stack.append(left + right)
        case "-": stack.append(left - right)
        case "*": stack.append(left * right)
        default: stack.append(left / right)
        }
      }
    }
    return stack.last.flatMap { $0.isFinite ? $0 : nil }
  }
}

/// A value derived from others of the same frame, such as instructions by cycles.
package struct Formula: Sendable, Hashable {
  /// Its name and unit.
  public let column: Column
  /// Full names of columns, numbers, operators and parentheses, in the order of writing.
  public let tokens: [String]

  /// A column of these tokens.
  public init(_ column: Column, tokens: [String]) {
    self.column = column
    self.tokens = tokens.map(OSText.distinct)
  }
}

/// The formulas of one layout, ready to be evaluated.
struct FormulaSet: Sendable {
  private struct Part: Sendable {
    let index: Int
    /// The indices of its times.
    let times: (enabled: Int, running: Int)?
  }

  private struct Ready: Sendable {
    let expression: Expression
    let parts: [Part]
  }

  /// In the layout's order; nil for a formula whose columns are missing.
  private let formulas: [Ready?]

  init(_ layout: Layout, _ times: [(enabled: Int, running: Int)?]) {
    var indices: [String: Int] = [:]
    if !layout.formulas.isEmpty {
      for (index, column) in layout.columns.enumerated() { indices[column.name] = index }
    }
    formulas = layout.formulas.map { formula in
      guard let expression = Self.expression(formula.tokens) else { return nil }
      let parts = expression.names.compactMap { name in
        indices[name].map { Part(index: $0, times: times[$0]) }
      }
      guard parts.count == expression.names.count else { return nil }
      return Ready(expression: expression, parts: parts)
    }
  }

  private static func expression(_ tokens: [String]) -> Expression? {
    do throws(FormulaError) { return try Expression(tokens) } catch { return nil }
  }

  var isEmpty: Bool { formulas.isEmpty }

  /// Evaluates every formula over the amounts of the layout's columns in base units. `grown` are
  /// raw amounts, including the times.
  ///
  /// Counts of one group are counted simultaneously; counts of several groups only if each was
  /// counted all the time.
  func values(_ amounts: [Double?], grown: [UInt64?], least: Double) -> [Double?] {
    formulas.map { formula in
      guard let formula else { return nil }
      let times = formula.parts.compactMap(\.times)
      if let first = times.first {
        let areOneGroup = times.allSatisfy { $0.enabled == first.enabled }
        for time in times {
          guard let running = grown[time.running], running > 0,
            areOneGroup || running == grown[time.enabled]
          else { return nil }
        }
      }
      return formula.expression.evaluate(
        formula.parts.map { part in
          guard let times = part.times else { return amounts[part.index] }
          guard let share = CountingShare(grown, times, least: least) else { return nil }
          return amounts[part.index].flatMap { share.corrected($0) }
        })
    }
  }
}

extension Layout {
  /// The totals over a period in which the columns amount to `amounts` in base units, and their raw
  /// values grew by `grown`: counts scaled to the whole time, then the formulas.
  package func totals(_ amounts: [Double?], grown: [UInt64?]) -> [(Column, Double)] {
    let times = timeColumns()
    var totals: [(Column, Double)] = []
    for (index, column) in columns.enumerated() {
      guard let amount = amounts[index] else { continue }
      guard let times = times[index] else {
        totals.append((column, amount))
        continue
      }
      let share = CountingShare(grown, times, least: minimumRunningRatio)
      if let whole = share?.corrected(amount) { totals.append((column, whole)) }
    }
    for (formula, value) in zip(
      formulas, FormulaSet(self, times).values(amounts, grown: grown, least: minimumRunningRatio))
    {
      if let value { totals.append((formula.column, value)) }
    }
    return totals
  }
}
