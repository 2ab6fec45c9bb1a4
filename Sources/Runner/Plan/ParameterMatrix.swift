import SampleModel

/// Parameters with their values, and every combination of them.
package struct ParameterMatrix: Sendable, Hashable {
  /// One parameter.
  package struct Parameter: Sendable, Hashable {
    package let name: String
    package let values: [String]

    /// A parameter with its values in order.
    package init(_ name: String, _ values: [String]) {
      self.name = name
      self.values = values
    }
  }

  /// More combinations than this are a slip, not a plan.
  package static let limit = 10_000

  package private(set) var parameters: [Parameter] = []

  /// Without parameters: one combination.
  package init() {}

  /// Adds one; the last one added varies fastest. Gives what is wrong with it.
  package mutating func add(_ parameter: Parameter) -> String? {
    guard Self.isName(parameter.name) else {
      return "\(parameter.name): a parameter's name has letters, digits, _ and -"
    }
    if parameters.contains(where: { $0.name == parameter.name }) {
      return "the parameter \(parameter.name) is there twice"
    }
    if parameter.values.isEmpty { return "the parameter \(parameter.name) has no values" }
    let (count, overflow) = count.multipliedReportingOverflow(by: parameter.values.count)
    if overflow || count > Self.limit {
      return "the parameters have more than \(Self.limit) combinations"
    }
    parameters.append(parameter)
    return nil
  }

  private var count: Int { parameters.reduce(1) { $0 * $1.values.count } }

  /// A name that may stand in braces.
  package static func isName(_ text: String) -> Bool {
    !text.isEmpty
      && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
  }

  /// Every combination, the last parameter varying fastest.
  package var combinations: [[(name: String, value: String)]] {
    parameters.reduce([[]]) { begun, parameter in
      begun.flatMap { start in parameter.values.map { start + [(parameter.name, $0)] } }
    }
  }

  /// `FROM`, `TO` and `STEP` of a scan as values: as many decimals as the most exact of them.
  /// nil for a step that does not lead from one to the other, or too many values.
  package static func scan(from: String, to: String, step: String) -> [String]? {
    // Plain decimals alone: of others it is not known how many places are meant.
    for text in [from, to, step] {
      guard text.count <= 15, text.allSatisfy({ $0.isASCII && ($0.isNumber || "+-.".contains($0)) })
      else { return nil }
    }
    guard let first = Double(from), let last = Double(to), let width = Double(step), width != 0,
      (last - first) / width >= 0
    else { return nil }
    // A last value that rounding leaves just beyond the end belongs to it.
    let steps = ((last - first) / width * (1 + 1e-12) + 1e-9).rounded(.down)
    guard steps < Double(limit) else { return nil }
    let decimals =
      [from, step].map { text in
        text.firstIndex(of: ".").map { text.distance(from: $0, to: text.endIndex) - 1 } ?? 0
      }.max() ?? 0
    // Beyond this a double does not tell two neighbouring values apart.
    let largest = max(first.magnitude, last.magnitude)
    guard (0..<decimals).reduce(largest, { scaled, _ in scaled * 10 }) < 0x1p53 else { return nil }
    return (0...Int(bounded: steps)).map { fixed(first + Double($0) * width, decimals) }
  }

  private static func fixed(_ value: Double, _ decimals: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let units = Int64(bounded: value * scale)
    guard decimals > 0 else { return "\(units)" }
    let digits = "\(units.magnitude)"
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    return (units < 0 ? "-" : "") + padded.dropLast(decimals) + "." + padded.suffix(decimals)
  }

  /// `text` with a parameter's value for each `{name}`, in one pass: values are not looked into.
  package static func fill(_ text: String, _ parameters: [String: String]) -> String {
    guard !parameters.isEmpty, text.has("{") else { return text }
    var filled = ""
    var rest = text[...]
    while let open = rest.unicodeScalars.firstIndex(of: "{") {
      filled += rest[..<open]
      let behind = rest[rest.unicodeScalars.index(after: open)...]
      if let close = behind.unicodeScalars.firstIndex(of: "}"),
        let value = parameters[String(behind[..<close])]
      {
        filled += value
        rest = behind[behind.unicodeScalars.index(after: close)...]
      } else {
        filled += "{"
        rest = behind
      }
    }
    return filled + rest
  }
}
