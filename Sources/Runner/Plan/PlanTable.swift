import SampleModel

/// Something in a plan that is not right, and where it stands: `phase[2].repetitions`.
package struct PlanProblem: Sendable, Hashable {
  package let place: String
  package let message: String
}

/// Everything that is wrong with a plan, collected so that all of it is told at once.
package final class PlanProblems {
  package private(set) var all: [PlanProblem] = []
  /// What is wrong with phases of a soft plan, which are skipped.
  package private(set) var forgiven: [PlanProblem] = []
  /// Parameters that were put into some text.
  package var usedParameters = Set<String>()

  /// Those of `all` and of `forgiven`, to find one among many.
  private var (known, knownForgiven) = (Set<PlanProblem>(), Set<PlanProblem>())

  /// None yet.
  package init() {}

  /// Characters of a message: a value that somebody wrote may have many more.
  private static let limit = 1000
  /// Problems that are told. A short file may have a hundred thousand, and each takes time.
  package static let most = 1000

  /// Whether no more are told: nothing behind is worth a look.
  package var isFull: Bool { all.count >= Self.most }

  /// Adds one, in one line, whatever the values that it names hold.
  package func add(_ place: String, _ message: String) {
    guard !isFull else { return }
    let line = message.lines.joined(separator: "\\n")
    let problem = PlanProblem(place: place, message: line.shortened(to: Self.limit))
    if known.insert(problem).inserted { all.append(problem) }
    if all.count == Self.most - 1 {
      all.append(
        PlanProblem(
          place: "", message: "more problems may follow; only the first are listed"))
    }
  }

  /// Forgives all but the first `count`; gives what they are, in words.
  func forgive(behind count: Int) -> String {
    let fresh = Array(all[count...])
    all.removeLast(fresh.count)
    known.subtract(fresh)
    forgiven += fresh.filter { knownForgiven.insert($0).inserted }
    return fresh.map(\.message).joined(separator: "; ")
  }

  /// Takes all of that back.
  func forgiveNothing() {
    all += forgiven
    forgiven = []
  }
}

/// One table of a plan while it is read: typed, with parameters put in for `{name}`, and with every
/// key that nobody asked for reported at the end.
package final class PlanTable {
  package let place: String
  package let parameters: [String: String]
  package let problems: PlanProblems
  private let values: [String: PlanValue]
  private var known: Set<String> = []

  /// A table that stands at `place`.
  package init(
    _ values: [String: PlanValue], at place: String, parameters: [String: String],
    problems: PlanProblems
  ) {
    self.values = values
    self.place = place
    self.parameters = parameters
    self.problems = problems
  }

  /// Where a key of this table stands.
  package func at(_ key: String) -> String { place.isEmpty ? key : "\(place).\(key)" }

  /// The value of a key, and that it is one.
  package func value(_ key: String) -> PlanValue? {
    known.insert(key)
    return values[key]
  }

  private func refuse(_ key: String, _ value: PlanValue, _ expected: String) {
    problems.add(at(key), "\(key) is \(value.plain ?? value.form): expected \(expected)")
  }

  private func typed<Value>(
    _ key: String, _ expected: String, _ read: (PlanValue) -> Value?
  ) -> Value? {
    guard let value = value(key) else { return nil }
    let result = read(value)
    if result == nil { refuse(key, value, expected) }
    return result
  }

  /// Text with its parameters put in.
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

  /// A whole number of a range; text with parameters may become one.
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
    problems.add(at(key), "\(key) is \(text): \(excess)")
    return nil
  }

  /// A share such as `"1%"`.
  package func share(_ key: String) -> Double? {
    typed(key, "a share in quotes, such as \"1%\"") { value in
      guard case .text(let text) = value else { return nil }
      return Share.parse(filled(text))
    }
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

  /// A command: a list of its words, or one text that is split as a shell would, without a shell.
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
      return PlanTable(table, at: at(key), parameters: parameters, problems: problems)
    }
  }

  /// A list of tables, each with its place.
  package func tables(_ key: String) -> [(values: [String: PlanValue], place: String)] {
    let list = typed(key, "tables, each begun by [[\(key)]]") { value -> [PlanValue]? in
      if case .list(let list) = value { list } else { nil }
    }
    return (list ?? []).enumerated().compactMap { index, value in
      let place = at("\(key)[\(index + 1)]")
      guard case .table(let table) = value else {
        problems.add(place, "\(key) is \(value.form): expected a table, begun by [[\(key)]]")
        return nil
      }
      return (table, place)
    }
  }

  /// `text` with the value of each parameter for `{name}`; braces around anything else stay.
  package func filled(_ text: String) -> String {
    guard text.has("{") else { return text }
    for name in parameters.keys
    where ParameterMatrix.fill(text, [name: ""]).utf8.count < text.utf8.count {
      problems.usedParameters.insert(name)
    }
    return ParameterMatrix.fill(text, parameters)
  }

  /// The same table with other parameters: what is known of it stays with this one.
  package func filling(_ parameters: [String: String]) -> PlanTable {
    PlanTable(values, at: place, parameters: parameters, problems: problems)
  }

  /// The names of all keys that are there.
  package var keys: [String] { values.keys.sorted() }

  /// Reports every key that was not asked for.
  package func rejectTheRest() {
    for key in values.keys.sorted() where !known.contains(key) {
      if !place.isEmpty, PlanBounds.keys.contains(key) {
        problems.add(at(key), "\(key) is a key for the top of the plan")
        continue
      }
      let nearest = Nearest.word(to: key, in: known.sorted())
      problems.add(at(key), "unknown key \(key)\(Nearest.hint(nearest))")
    }
  }
}

/// Command lines in one text.
package enum CommandWords {
  /// Words as a POSIX shell would split them: blanks, quotes and backslashes, and nothing of a
  /// shell beyond that. nil where a quote is not closed or there is no word.
  package static func split(_ text: String) -> [String]? {
    var words: [String] = []
    var word: String?
    var quote: Unicode.Scalar?
    // By scalars: with a combining mark behind it a blank or a quote is another character.
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
