import Output
import Runner
import SampleModel

/// A plan as resolved: what would be executed, in which order.
enum PlanReport {
  /// One phase for a program.
  struct Step: Encodable {
    let phase: String
    let kind: String
    let parameters: [String: String]
    let command: [String]?
    let repetitions: Int?
    let warmUps: Int?
    let order: String?
    let actions: [String]
    let beside: [String]
    let fallback: String?
    let phases: [Step]
  }

  /// The phases at the top of a plan.
  static func steps(_ plan: PhaseNode) -> [Step] { plan.children.map(step) }

  private static func step(_ node: PhaseNode) -> Step {
    Step(
      phase: node.name, kind: node.kind, parameters: node.parameters,
      command: node.specification?.command, repetitions: node.specification?.repetitions,
      warmUps: node.specification?.warmUps,
      order: node.children.isEmpty ? nil : node.order.text, actions: node.actions.map(\.summary),
      beside: node.companions.map(\.summary), fallback: node.fallback?.node.name,
      phases: node.children.map(step))
  }

  /// The plan for people.
  static func text(_ plan: PhaseNode, name: String) -> String {
    let all = plan.specifications
    let counted = all.reduce(0) { $0 + $1.repetitions }
    let warmUps = all.reduce(0) { $0 + $1.warmUps }
    var lines = [
      "plan \(name): \(counted) repetitions and \(warmUps) warm-ups of \(all.count) "
        + "command\(all.count == 1 ? "" : "s"), \(plan.order.text)"
    ]
    for node in plan.children { lines += describe(node, depth: 1) }
    // In seconds: any number of repetitions of any length fits.
    let pauses = all.reduce(0.0) {
      $0 + Double($1.cooldown) * Double(max(0, $1.repetitions + $1.warmUps - 1))
    }
    if pauses > 0 { lines.append("pauses of \(duration(pauses)) in all") }
    let limits = all.compactMap { one in
      one.timeout.map { Double($0) * Double(one.repetitions + one.warmUps) }
    }
    if limits.count == all.count {
      lines.append("at most \(duration(limits.reduce(pauses, +))) by its limits")
    } else {
      lines.append("without a limit of its time: --timeout sets one for each repetition")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func duration(_ nanoseconds: Double) -> String {
    nanoseconds < 1e18
      ? Readable.duration(UInt64(nanoseconds)) : "\(Readable.count(nanoseconds / 3.6e12)) hours"
  }

  private static func describe(_ node: PhaseNode, depth: Int) -> [String] {
    let indent = String(repeating: "  ", count: depth)
    var head = "\(indent)\(node.name)"
    if let specification = node.specification {
      head += ": \(specification.repetitions) × \(specification.command.joined(separator: " "))"
      if specification.warmUps > 0 { head += ", after \(specification.warmUps) warm-ups" }
      if let until = specification.until {
        head += ", until the interval of \(until.metric) is \(Readable.percent(until.width)) wide"
      }
    } else if !node.children.isEmpty {
      head += ": \(node.kind), \(node.order.text)"
    } else {
      head += ": \(node.kind)"
    }
    var lines = [head]
    lines += node.actions.map { "\(indent)  \($0.summary)" }
    lines += node.companions.map { "\(indent)  beside it \($0.summary)" }
    for child in node.children { lines += describe(child, depth: depth + 1) }
    if let fallback = node.fallback?.node {
      lines.append("\(indent)  if it fails:")
      lines += describe(fallback, depth: depth + 2)
    }
    return lines
  }
}
