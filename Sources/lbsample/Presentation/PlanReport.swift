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
    /// What else was asked for, and what the phase is allowed to change.
    let settings: [String: String]
    let phases: [Step]
  }

  /// The phases at the top of a plan, in a run as `run` says.
  static func steps(_ plan: PhaseNode, of run: RunSpecification) -> [Step] {
    plan.children.map { step($0, run) }
  }

  private static func step(_ node: PhaseNode, _ run: RunSpecification) -> Step {
    Step(
      phase: node.name, kind: node.kind, parameters: node.parameters,
      command: node.specification?.command, repetitions: node.specification?.repetitions,
      warmUps: node.specification?.warmUps,
      order: node.children.isEmpty ? nil : node.order.text, actions: node.actions.map(\.summary),
      beside: node.coRunners.map(\.summary), fallback: node.fallback?.node.name,
      settings: Dictionary(
        node.specification.map { settings($0, run) } ?? [],
        uniquingKeysWith: { first, _ in first }),
      phases: node.children.map { step($0, run) })
  }

  /// The plan for people, in a run as `run` says.
  static func text(_ plan: PhaseNode, of run: RunSpecification) -> String {
    let all = plan.specifications
    let counted = all.reduce(0) { $0 + $1.repetitions }
    let warmUps = all.reduce(0) { $0 + $1.warmUps }
    var lines = [
      "plan \(run.name): \(Counted.text(counted, "repetition")) and "
        + "\(Counted.text(warmUps, "warm-up")) of \(Counted.text(all.count, "command")), "
        + plan.order.text
    ]
    for hook in [Hook.setup, .cleanup] {
      if let command = (plan.listHooks ?? run).hooks[hook] {
        lines.append("\(hook.rawValue): \(command)")
      }
    }
    for node in plan.children { lines += describe(node, run, depth: 1) }
    // In seconds: any number of repetitions of any length fits.
    let pauses = all.reduce(0.0) {
      let count = $1.repetitions + $1.warmUps
      return $0 + Double($1.cooldown) * Double(max(0, count - 1)) + Double($1.settle)
        * Double(count)
    }
    if pauses > 0 { lines.append("pauses of \(duration(pauses)) in all") }
    let limits = all.compactMap { one in
      one.timeout.map { Double($0) * Double(one.repetitions + one.warmUps) }
    }
    if limits.count == all.count {
      let most = duration(limits.reduce(pauses, +))
      lines.append(
        !run.hooks.isEmpty || waits(plan) || all.contains(where: takesMore)
          ? "\(most) if each repetition takes its limit; hooks, waits, and further attempts and "
            + "repetitions take more"
          : "at most \(most) by its limits")
    } else {
      lines.append("no time limit is set: --timeout limits each repetition")
    }
    return lines.map { $0.shownInLine + "\n" }.joined()
  }

  /// Whether anything is waited for before or after what is measured.
  private static func waits(_ node: PhaseNode) -> Bool {
    !node.actions.isEmpty || node.listHooks?.hooks.isEmpty == false
      || node.children.contains(where: waits)
  }

  /// Whether more than its planned repetitions can take time.
  private static func takesMore(_ one: RunSpecification) -> Bool {
    let policy = one.attempts
    let isRepeated = policy.isIdempotent && policy.retries + policy.contaminatedRepeats > 0
    return one.until != nil || isRepeated || !one.hooks.isEmpty || one.quietLimit > 0
  }

  /// What was asked for beside the command: name and value, in the words of the options.
  private static func settings(
    _ one: RunSpecification, _ run: RunSpecification
  ) -> [(String, String)] {
    var found: [(String, String)] = []
    func time(_ name: String, _ nanoseconds: UInt64?) {
      if let nanoseconds, nanoseconds > 0 { found.append((name, Durations.text(nanoseconds))) }
    }
    time("timeout", one.timeout)
    time("idle-timeout", one.idleTimeout)
    time("cooldown", one.cooldown)
    time("settle", one.settle)
    time("cooldown-until-idle", one.quietLimit)
    time("ask", run.askLimit)
    time("max-wall", run.quota.wall)
    time("max-own-cpu", run.quota.ownCPU)
    for (name, most) in [
      ("max-bytes", run.quota.bytes), ("max-ring-memory", run.quota.ringBytes),
      ("max-retries", run.quota.retries),
    ] {
      if let most { found.append((name, "\(most)")) }
    }
    if !one.inputs.isEmpty { found.append(("depends", one.inputs.joined(separator: ", "))) }
    if let age = one.reuse { found.append(("reuse", ReuseAge.text(age))) }
    if one.attempts.retries > 0 { found.append(("retries", "\(one.attempts.retries)")) }
    if let workspace = one.workspace {
      let content =
        switch workspace.content {
        case .empty: "empty"
        case .copy(let path): "a copy of \(path)"
        case .git(let repository, let revision):
          "git:\(repository)\(revision.map { "@\($0)" } ?? "")"
        }
      found.append(("workspace", "\(content), kept \(one.keep.rawValue)"))
    }
    for hook in Hook.allCases {
      if let command = one.hooks[hook] { found.append((hook.rawValue, command)) }
    }
    if !run.hostChanges.isEmpty {
      let changes = run.hostChanges.map { "\($0.name.rawValue)=\($0.value)" }
      found.append(("changes of the host", changes.joined(separator: ", ")))
    }
    return found
  }

  private static func duration(_ nanoseconds: Double) -> String {
    nanoseconds < 1e18
      ? Readable.duration(UInt64(bounded: nanoseconds))
      : "\(Readable.count(nanoseconds / 3.6e12)) hours"
  }

  private static func describe(
    _ node: PhaseNode, _ run: RunSpecification, depth: Int
  ) -> [String] {
    let indent = String(repeating: "  ", count: depth)
    var head = "\(indent)\(node.name)"
    if let specification = node.specification {
      head += ": \(specification.repetitions) × \(specification.command.joined(separator: " "))"
      if specification.warmUps > 0 {
        head += ", after \(Counted.text(specification.warmUps, "warm-up"))"
      }
      if let until = specification.until {
        head += ", until the interval of \(until.metric) is \(Readable.percent(until.width)) wide"
      }
    } else if !node.children.isEmpty {
      head += ": \(node.kind), \(node.order.text)"
    } else {
      head += ": \(node.kind)"
    }
    var lines = [head]
    for (name, value) in node.specification.map({ settings($0, run) }) ?? [] {
      lines.append("\(indent)  \(name): \(value)")
    }
    lines += node.actions.map { "\(indent)  \($0.summary)" }
    lines += node.coRunners.map { "\(indent)  beside it \($0.summary)" }
    for child in node.children { lines += describe(child, run, depth: depth + 1) }
    if let fallback = node.fallback?.node {
      lines.append("\(indent)  if it fails:")
      lines += describe(fallback, run, depth: depth + 2)
    }
    return lines
  }
}
