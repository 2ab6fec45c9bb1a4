import LinuxSystem
import Runner
import SampleModel
import TOMLKit

/// Plans as TOML files, and what is wrong with them by line.
final class PlanFiles: PlanSource {
  /// The line of each key path in each file that was read.
  private var lines: [String: [String: Int]] = [:]
  /// Every plan that was read, by its path.
  private(set) var plans: [String: RunPlan] = [:]

  func plan(at path: String) throws(LBError) -> RunPlan { try plan(at: path, ofAnyKind: false) }

  /// A plan that was named itself may be of any kind, a pipe for instance; what a plan includes has
  /// to be a file.
  func plan(at path: String, ofAnyKind: Bool) throws(LBError) -> RunPlan {
    let file = try TOMLFile(path, title: "plan", ofAnyKind: ofAnyKind)
    lines[path] = Self.lines(of: file.text)
    let plan = RunPlan(settings: Self.values(file.table))
    plans[path] = plan
    return plan
  }

  private static func values(_ table: TOMLTable) -> [String: PlanValue] {
    var values: [String: PlanValue] = [:]
    for key in table.keys { values[OSText.string(key.utf8)] = table[key].flatMap(value) }
    return values
  }

  private static func value(_ value: any TOMLValueConvertible) -> PlanValue? {
    if let boolean = value.bool { return .boolean(boolean) }
    if let integer = value.int { return .integer(integer) }
    if let number = value.double {
      // Plans are kept as JSON, which has neither nan nor inf: they are texts, which a command may
      // have and no setting takes for a number.
      return number.isFinite ? .number(number) : .text("\(number)")
    }
    if let text = value.string { return .text(OSText.string(text.utf8)) }
    if let list = value.array { return .list(list.compactMap(Self.value)) }
    if let table = value.table { return .table(values(table)) }
    return .text("\(value)")
  }

  /// All problems in one error.
  func error(_ problems: [PlanProblem], in path: String) -> LBError {
    .listing(
      .configuration, texts(problems, in: path), context: ErrorContext(path: path))
  }

  /// Each problem with its file and line.
  func texts(_ problems: [PlanProblem], in path: String) -> [String] {
    problems.map { problem in
      var file = path
      var keyPath = problem.keyPath
      for included in lines.keys
      where keyPath.hasPrefix("\(included):.") || keyPath == "\(included):" {
        file = included
        keyPath = String(keyPath.dropFirst(included.count + 2))
      }
      return "\(file):\(line(of: keyPath, in: file)): \(problem.message)"
    }
  }

  /// The line of a key path, or of the nearest table that contains it.
  private func line(of keyPath: String, in file: String) -> Int {
    var keyPath = keyPath
    while true {
      if let line = lines[file]?[keyPath] { return line }
      guard let dot = keyPath.lastIndex(of: ".") else { return 1 }
      keyPath = String(keyPath[..<dot])
    }
  }

  /// Lines on which tables and keys stand: the parser does not keep them.
  private static func lines(of text: String) -> [String: Int] {
    var lines: [String: Int] = [:]
    var counts: [String: Int] = [:]
    var section = ""
    for (index, line) in text.lines.enumerated() {
      let content = line.trimmed
      if content.hasPrefix("["), let end = content.firstIndex(of: "]") {
        let isList = content.hasPrefix("[[")
        let name = content[..<end].drop { $0 == "[" }.description.trimmed
        section = ""
        let parts = name.split(separator: ".").map(String.init)
        for (depth, part) in parts.enumerated() {
          section += (section.isEmpty ? "" : ".") + part
          let isLast = depth == parts.count - 1
          if isLast, isList { counts[section, default: 0] += 1 }
          if let count = counts[section] { section += "[\(count)]" }
        }
        lines[section] = lines[section] ?? index + 1
      } else if let equals = content.firstIndex(of: "="), !content.hasPrefix("#") {
        let key = content[..<equals].description.trimmed
        let keyPath = section.isEmpty ? key : "\(section).\(key)"
        lines[keyPath] = lines[keyPath] ?? index + 1
      }
    }
    return lines
  }
}
