import SampleModel

/// A mistake in a plan.
package struct PlanProblem: Sendable, Hashable {
  /// The key path of the mistake: `phase[2].repetitions`.
  package let keyPath: String
  package let message: String
}

/// Collects the mistakes of a plan, so that all of them are reported at once.
package final class PlanProblems {
  package private(set) var all: [PlanProblem] = []
  /// Mistakes in phases of a soft plan, which are skipped.
  package private(set) var forgiven: [PlanProblem] = []
  /// Parameters that were filled into some text.
  package var usedParameters = Set<String>()

  /// The elements of `all` and of `forgiven`, to find duplicates.
  private var (known, knownForgiven) = (Set<PlanProblem>(), Set<PlanProblem>())

  /// No mistakes yet.
  package init() {}

  /// Most characters of a message: it may contain a long value of the plan.
  private static let limit = 1000
  /// Most mistakes that are reported. A short file may have a hundred thousand, each of which takes
  /// time.
  package static let most = 1000

  /// Whether the limit is reached: the rest of the plan need not be read.
  package var isFull: Bool { all.count >= Self.most }

  /// Adds a mistake. Line feeds in its message are escaped.
  package func add(_ keyPath: String, _ message: String) {
    guard !isFull else { return }
    let line = message.lines.joined(separator: "\\n")
    let problem = PlanProblem(keyPath: keyPath, message: line.shortened(to: Self.limit))
    if known.insert(problem).inserted { all.append(problem) }
    if all.count == Self.most - 1 {
      all.append(
        PlanProblem(
          keyPath: "", message: "more problems may follow; only the first are listed"))
    }
  }

  /// Forgives all mistakes after the first `count`. Returns their messages as one text.
  func forgive(after count: Int) -> String {
    let recent = Array(all[count...])
    all.removeLast(recent.count)
    known.subtract(recent)
    forgiven += recent.filter { knownForgiven.insert($0).inserted }
    return recent.map(\.message).joined(separator: "; ")
  }

  /// Reports the forgiven mistakes after all.
  func forgiveNothing() {
    all += forgiven
    forgiven = []
  }
}

/// Reads one table of a plan: with types, with parameters filled in for `{name}`, and with every
/// unknown key reported at the end.
package final class PlanTable {
  /// The key path of the table: `phase[2]`; empty for the plan itself.
  package let keyPath: String
  package let parameters: [String: String]
  package let problems: PlanProblems
  private let values: [String: PlanValue]
  private var known: Set<String> = []

  /// The table at this key path.
  package init(
    _ values: [String: PlanValue], keyPath: String, parameters: [String: String],
    problems: PlanProblems
  ) {
    self.values = values
    self.keyPath = keyPath
    self.parameters = parameters
    self.problems = problems
  }

  /// The key path of a key of this table.
  package func keyPath(of key: String) -> String { keyPath.isEmpty ? key : "\(keyPath).\(key)" }

  /// The value of a key, which is a known key from now on.
  package func value(_ key: String) -> PlanValue? {
    known.insert(key)
    return values[key]
  }

  private func refuse(_ key: String, _ value: PlanValue, _ expected: String) {
    problems.add(
      keyPath(of: key), "\(key) is \(value.plain ?? value.form): expected \(expected)")
  }

  private func typed<Value>(
    _ key: String, _ expected: String, _ read: (PlanValue) -> Value?
  ) -> Value? {
    guard let value = value(key) else { return nil }
    let result = read(value)
    if result == nil { refuse(key, value, expected) }
    return result
  }

  /// Text with parameters filled in.
  package func text(_ key: String) -> String? {
    typed(key, "a string in quotes") { value in
      guard case .text(let text) = value else { return nil }
      return filled(text)
    }
  }

  /// One of these words.
  package func choice(_ key: String, _ words: [String]) -> String? {
    typed(key, "one of " + words.joined(separator: ", ")) { value in
      value.plain.map(filled).flatMap { words.contains($0) ? $0 : nil }
    }
  }

  /// A whole number in a range, which may come from a text with parameters.
  package func integer(_ key: String, _ range: ClosedRange<Int>) -> Int? {
    typed(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") { value in
      value.plain.flatMap { Int(filled($0)) }.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// A length of time in nanoseconds.
  package func duration(_ key: String) -> UInt64? {
    guard case .text(let text)? = value(key), let excess = Durations.excess(filled(text)) else {
      return typed(key, "a duration in quotes, such as \"500ms\"") { value in
        guard case .text(let text) = value else { return nil }
        return Durations.parse(filled(text))
      }
    }
    problems.add(keyPath(of: key), "\(key) is \(text): \(excess)")
    return nil
  }

  /// A share such as `"1%"`.
  package func share(_ key: String) -> Double? {
    typed(key, "a share in quotes, such as \"1%\"") { value in
      guard case .text(let text) = value else { return nil }
      return Share.parse(filled(text))
    }
  }

  /// The value of a setting as text that its type accepts; nil where there is none or a wrong one.
  func setting(_ setting: Setting) -> String? {
    guard let key = setting.planKey else { return nil }
    let found: String? =
      switch setting.type {
      case .integer(let range), .optionalInteger(let range): integer(key, range).map { "\($0)" }
      case .duration, .limit, .optionalDuration: duration(key).map(Durations.text)
      case .boolean: boolean(key).map { "\($0)" }
      case .choice(let words): choice(key, words)
      default: text(key)
      }
    guard let found, !setting.type.accepts(found) else { return found }
    problems.add(keyPath(of: key), "\(key) is \(found): \(setting.type.complaint(found))")
    return nil
  }

  /// `true` or `false`.
  package func boolean(_ key: String) -> Bool? {
    typed(key, "true or false, without quotes") { value in
      if case .boolean(let boolean) = value { boolean } else { nil }
    }
  }

  /// A list of texts and numbers.
  package func list(_ key: String) -> [String]? {
    typed(key, "a list of strings") { value in
      guard case .list(let list) = value else { return nil }
      let words = list.compactMap(\.plain).map(filled)
      return words.count == list.count ? words : nil
    }
  }

  /// A command: a list of words, or a text that is split into words as by a shell.
  package func command(_ key: String) -> [String]? {
    typed(key, "a list of words, or text with its quotes closed") { value in
      if case .text(let text) = value {
        return CommandWords.split(text).map { $0.map(filled) }
      }
      guard case .list(let list) = value else { return nil }
      let words = list.compactMap(\.plain).map(filled)
      return words.count == list.count && !words.isEmpty ? words : nil
    }
  }

  /// A table of texts and numbers.
  package func texts(_ key: String) -> [String: String]? {
    typed(key, "a table of strings") { value in
      guard case .table(let table) = value else { return nil }
      let texts = table.compactMapValues { $0.plain.map(filled) }
      return texts.count == table.count ? texts : nil
    }
  }

  /// A table below this one.
  package func table(_ key: String) -> PlanTable? {
    typed(key, "a table") { value in
      guard case .table(let table) = value else { return nil }
      return PlanTable(
        table, keyPath: keyPath(of: key), parameters: parameters, problems: problems)
    }
  }

  /// A list of tables, each with its key path.
  package func tables(_ key: String) -> [(values: [String: PlanValue], keyPath: String)] {
    let list = typed(key, "tables, each begun by [[\(key)]]") { value -> [PlanValue]? in
      if case .list(let list) = value { list } else { nil }
    }
    return (list ?? []).enumerated().compactMap { index, value in
      let keyPath = self.keyPath(of: "\(key)[\(index + 1)]")
      guard case .table(let table) = value else {
        problems.add(keyPath, "\(key) is \(value.form): expected a table, begun by [[\(key)]]")
        return nil
      }
      return (table, keyPath)
    }
  }

  /// `text` with the value of each parameter for `{name}`; other braces stay.
  package func filled(_ text: String) -> String {
    guard text.has("{") else { return text }
    for name in parameters.keys
    where ParameterMatrix.fill(text, [name: ""]).utf8.count < text.utf8.count {
      problems.usedParameters.insert(name)
    }
    return ParameterMatrix.fill(text, parameters)
  }

  /// A copy with other parameters. Which keys are known stays with this table.
  package func filling(_ parameters: [String: String]) -> PlanTable {
    PlanTable(values, keyPath: keyPath, parameters: parameters, problems: problems)
  }

  /// The names of all keys of the table.
  package var keys: [String] { values.keys.sorted() }

  /// Reports every key that was not read.
  package func rejectTheRest() {
    for key in values.keys.sorted() where !known.contains(key) {
      if !keyPath.isEmpty, PlanBounds.keys.contains(key) {
        problems.add(
          keyPath(of: key), "\(key) is valid only at the top of the plan: move it there")
        continue
      }
      let nearest = Nearest.word(to: key, in: known.sorted())
      problems.add(keyPath(of: key), "unknown key \(key)\(Nearest.hint(nearest))")
    }
  }
}

/// Command lines in one text.
package enum CommandWords {
  /// Splits a text as a POSIX shell does, with blanks, quotes and backslashes but without
  /// expansions. nil where a quote is not closed or there is no word.
  package static func split(_ text: String) -> [String]? {
    var words: [String] = []
    var word: String?
    var quote: Unicode.Scalar?
    // By scalars: a blank or quote that a combining mark follows is another Character.
    var letters = text.unicodeScalars.makeIterator()
    while let letter = letters.next() {
      switch (quote, letter) {
      case ("'", "'"), ("\"", "\""): quote = nil
      case ("'", _): word?.unicodeScalars.append(letter)
      case (_, "\\"):
        guard let next = letters.next() else { return nil }
        let isKept = quote != nil && !"\"\\$`".unicodeScalars.contains(next)
        word = (word ?? "") + (isKept ? "\\" : "") + String(next)
      case ("\"", _): word?.unicodeScalars.append(letter)
      case (_, "'"), (_, "\""):
        quote = letter
        word = word ?? ""
      case (_, " "), (_, "\t"), (_, "\n"):
        if let whole = word { words.append(whole) }
        word = nil
      default: word = (word ?? "") + String(letter)
      }
    }
    guard quote == nil else { return nil }
    if let word { words.append(word) }
    return words.isEmpty ? nil : words
  }
}
