import LinuxSystem
import SampleModel

/// Everything that two measurements of a phase must have in common for the earlier one to stand for
/// the later one (`--reuse`), and the hash of it. Pure.
package struct CellKey: Sendable, Hashable {
  /// One thing that must be the same: a name, and its values in order.
  package struct Part: Sendable, Hashable {
    package let name: String
    package var values: [String]

    /// A part.
    package init(_ name: String, _ values: [String]) {
      self.name = name
      self.values = values
    }
  }

  package let parts: [Part]

  /// A key of these parts, in their order.
  package init(_ parts: [Part]) { self.parts = parts }

  /// The parts as bytes, of which no two lists of parts have the same: how many parts there are,
  /// and of each its name, how many values it has, and the values. A number is eight bytes, the
  /// highest first; a text is its number of bytes and its UTF-8.
  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    func add(_ number: Int) {
      for shift in stride(from: 56, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: number >> shift))
      }
    }
    func add(_ text: String) {
      add(text.utf8.count)
      bytes += text.utf8
    }
    add("lbsample cell 1")
    add(parts.count)
    for part in parts {
      add(part.name)
      add(part.values.count)
      for value in part.values { add(value) }
    }
    return bytes
  }

  /// The SHA-256 of the bytes, in hexadecimal digits.
  package var hex: String { SHA256.hex(of: bytes) }
}

extension CellKey {
  /// The parts that a specification says by itself, one for each of its fields but `elsewhere` and
  /// `indifferent`. A test holds the three lists to the fields that there are.
  package static func parts(of one: RunSpecification) -> [Part] {
    func text(_ value: some Any) -> String { String(describing: value) }
    // The position of the key in the plan decides nothing.
    var attempts = one.attempts
    attempts.requestedAt = nil
    // A set has no order.
    var gates = one.gates
    gates.noted = []
    let ignored: [String] =
      switch one.ignoredFailures {
      case .none: ["none"]
      case .all: ["all"]
      case .codes(let codes): codes.sorted().map { "\($0)" }
      }
    let hooks = one.hooks.sorted { $0.key.rawValue < $1.key.rawValue }
    return [
      Part("command", one.command), Part("repetitions", [text(one.repetitions)]),
      Part("warmUps", [text(one.warmUps)]), Part("cooldown", [text(one.cooldown)]),
      Part("timeout", [text(one.timeout)]), Part("idleTimeout", [text(one.idleTimeout)]),
      Part("settle", [text(one.settle)]), Part("quietLimit", [text(one.quietLimit)]),
      Part("quietShare", [text(one.quietShare)]), Part("grace", [text(one.grace)]),
      Part("workloadCPUs", one.workloadCPUs.map { [$0.description] } ?? []),
      Part("environment", one.environment), Part("input", [kind(of: one.input)]),
      Part("output", [text(one.output)]),
      Part("user", one.user.map { ["\($0.uid)", "\($0.gid)", text($0.groups)] } ?? []),
      Part("ignoredFailures", ignored), Part("outputLimit", [text(one.outputLimit)]),
      Part("showOutput", [text(one.showOutput)]),
      Part("hooks", hooks.flatMap { [$0.key.rawValue, $0.value] }),
      Part("metrics", one.metrics.flatMap { [$0.name, $0.unit, text($0.source)] }),
      Part("requiresMetrics", [text(one.requiresMetrics)]), Part("attempts", [text(attempts)]),
      Part("gates", [text(gates)] + one.gates.noted.sorted()), Part("until", [text(one.until)]),
      Part("maximumRepetitions", [text(one.maximumRepetitions)]),
      Part("hostChanges", one.hostChanges.map { "\($0.name.rawValue)=\($0.value)" }),
      Part("adoptsOrphans", [text(one.adoptsOrphans)]),
      Part("configuration", configuration(one.configuration)),
    ]
  }

  /// What the workload reads: how the path of a file is written decides nothing.
  private static func kind(of input: WorkloadInput) -> String {
    switch input {
    case .null: "null"
    case .inherit: "inherit"
    case .file: "file"
    }
  }

  /// Fields that make other parts: the directory as a whole path, the contents of the inputs, and
  /// what makes a key impossible.
  package static let elsewhere: Set<String> = [
    "directory", "inputs", "customGates", "retryPolicy", "workspace",
  ]

  /// Fields that change nothing of what is measured: names, and what a run does around it.
  package static let indifferent: Set<String> = [
    "name", "labels", "host", "askLimit", "keep", "keepLimit", "quota", "reuse", "isMasked",
  ]

  /// The settings that decide about what is measured. How the command line was written, the plan
  /// whose phases are resolved, and where results go do not; retries and pauses of one phase, and
  /// the files and directories that are named, are parts of their own.
  private static func configuration(_ entries: [ConfigurationEntry]) -> [String] {
    let others = [
      "command.", "plan.", "sample.", "run.runs_dir", "run.mask", "gates.host", "workload.depends",
      "workload.input", "workload.directory",
    ]
    return entries.filter { entry in !others.contains { entry.key.hasPrefix($0) } }
      .map { "\($0.key)=\($0.value)" }.sorted()
  }
}
