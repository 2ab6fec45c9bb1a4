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

  /// Most combinations.
  package static let limit = 10_000

  /// What is wrong with more of them.
  static let excess = "the parameters have more than \(limit) combinations"

  package private(set) var parameters: [Parameter] = []

  /// A matrix without parameters, which has one combination.
  package init() {}

  /// Adds a parameter; the last one varies fastest. Returns what is wrong with it, or nil.
  package mutating func add(_ parameter: Parameter) -> String? {
    guard Self.isName(parameter.name) else {
      return "\(parameter.name): a parameter's name has letters, digits, _ and -"
    }
    if parameters.contains(where: { $0.name == parameter.name }) {
      return "the parameter \(parameter.name) is given twice"
    }
    if parameter.values.isEmpty { return "the parameter \(parameter.name) has no values" }
    let (count, overflow) = count.multipliedReportingOverflow(by: parameter.values.count)
    if overflow || count > Self.limit {
      return Self.excess
    }
    parameters.append(parameter)
    return nil
  }

  private var count: Int { parameters.reduce(1) { $0 * $1.values.count } }

  /// Whether a text can be a parameter's name.
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

  /// The values of a scan from `FROM` to `TO` by `STEP`, with as many decimals as FROM or STEP.
  /// nil for texts that are no numbers, a step that does not lead from FROM to TO, or too many
  /// values.
  package static func scan(from: String, to: String, step: String) -> [String]? {
    guard let scan = Scan(from: from, to: to, step: step) else { return nil }
    return (0..<scan.count).map { fixed(scan.first + Double($0) * scan.width, scan.decimals) }
  }

  /// How many values that scan has; nil where it has none.
  static func count(from: String, to: String, step: String) -> Int? {
    Scan(from: from, to: to, step: step)?.count
  }

  /// A scan that can be made.
  private struct Scan {
    let first: Double
    let width: Double
    let decimals: Int
    let count: Int

    init?(from: String, to: String, step: String) {
      // Only plain decimals: an exponent does not tell the number of decimals.
      for text in [from, to, step] {
        guard text.count <= 15,
          text.allSatisfy({ $0.isASCII && ($0.isNumber || "+-.".contains($0)) })
        else { return nil }
      }
      guard let first = Double(from), let last = Double(to), let width = Double(step), width != 0,
        (last - first) / width >= 0
      else { return nil }
      // A last value that exceeds the end by a rounding error is included.
      let steps = ((last - first) / width * (1 + 1e-12) + 1e-9).rounded(.down)
      guard steps < Double(ParameterMatrix.limit) else { return nil }
      let decimals =
        [from, step].map { text in
          text.firstIndex(of: ".").map { text.distance(from: $0, to: text.endIndex) - 1 } ?? 0
        }.max() ?? 0
      // Above 2^53 two neighbouring values are the same double.
      let largest = max(first.magnitude, last.magnitude)
      guard (0..<decimals).reduce(largest, { scaled, _ in scaled * 10 }) < 0x1p53 else {
        return nil
      }
      self.first = first
      self.width = width
      self.decimals = decimals
      count = Int(bounded: steps) + 1
    }
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

  /// `text` with a parameter's value for each `{name}`, in one pass: braces in values stay.
  package static func fill(_ text: String, _ parameters: [String: String]) -> String {
    guard !parameters.isEmpty, text.has("{") else { return text }
    var filled = ""
    var rest = text[...]
    while let open = rest.unicodeScalars.firstIndex(of: "{") {
      filled += rest[..<open]
      let after = rest[rest.unicodeScalars.index(after: open)...]
      if let close = after.unicodeScalars.firstIndex(of: "}"),
        let value = parameters[String(after[..<close])]
      {
        filled += value
        rest = after[after.unicodeScalars.index(after: close)...]
      } else {
        filled += "{"
        rest = after
      }
    }
    return filled + rest
  }
}
