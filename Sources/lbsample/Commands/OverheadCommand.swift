import ArgumentParser
import Collectors
import LinuxSystem
import Output
import SampleModel
import Sampler

/// `lbsample overhead`: what each collector costs on this host, or what sampling costs a workload.
struct OverheadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overhead",
    abstract: "Measure what each collector costs here, or how sampling slows a command.",
    discussion: """
      EXAMPLES
        lbsample overhead --cpu --net
        lbsample overhead --workload --all --interval 10ms,100ms -- ./benchmark

      Each collector is read repeatedly on one pinned CPU, alternating with plain
      reads of the same kernel files without decoding: column "read µs", and
      "kernel %" as a share of the median. The column "fastest" is the shortest
      interval at which the collector uses less than 1 % of a CPU.

      With --workload the command runs without sampling and with each set of
      collectors at each interval, in turn; the samples go to a file that is
      deleted afterwards. Each slowdown has its 95 % confidence interval and the
      smallest slowdown that this number of rounds could have found.
      """)
  @Flag(help: "Measure this collector.")
  var chosen: [CollectorFlag] = []
  @Flag(
    name: .customLong("all"),
    help: ArgumentHelp(
      "Every collector of the whole host (the default); not process, tree, footprint, cgroup, top, "
        + "perf, packets."))
  var all = false
  @Option(
    name: .customLong("time"), parsing: .unconditional,
    help: ArgumentHelp("Time for each collector (default: 200ms).", valueName: "time"))
  var time: String?
  @Option(
    name: .customLong("format"), help: ArgumentHelp("text or ndjson.", valueName: "format"))
  var format = "text"
  @Flag(
    name: .customLong("workload"), help: "Measure how much sampling slows the command after --.")
  var isOfWorkload = false
  @Option(
    name: [.customShort("i"), .customLong("interval")], parsing: .unconditional,
    help: ArgumentHelp(
      "With --workload: sampling intervals, such as 10ms,100ms (default: 100ms).",
      valueName: "times"))
  var intervals: String?
  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "With --workload: a set of collectors, such as cpu,net; may be repeated.",
      valueName: "names"))
  var sets: [String] = []
  @Option(
    name: [.customShort("r"), .customLong("repetitions")], parsing: .unconditional,
    help: ArgumentHelp(
      "With --workload: rounds, each with one run per condition (default: 15).", valueName: "n"))
  var repetitions: String?
  @Option(
    name: [.customShort("w"), .customLong("warmup")], parsing: .unconditional,
    help: ArgumentHelp(
      "With --workload: runs before the first round (default: 1).", valueName: "n"))
  var warmUps: String?
  @Option(
    name: .customLong("workload-cpus"), parsing: .unconditional,
    help: ArgumentHelp("With --workload: CPUs that the command may use.", valueName: "list"))
  var workloadCPUs: String?
  @OptionGroup(title: "Sampling") var sampling: SamplingOptions
  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("The command of --workload, after --.", valueName: "command"))
  var command: [String] = []

  func run() throws {
    try Formats.check(format, of: ["text", "ndjson"])
    if isOfWorkload {
      try measureWorkload()
    } else {
      try checkIsAboutCollectors()
      try measureCollectors()
    }
  }

  private func measureCollectors() throws {
    let time = time ?? "200ms"
    guard let duration = Durations.parse(time), duration >= 1_000_000 else {
      throw LBError(
        .configuration, "--time \(time): expected a duration of at least 1ms, such as 200ms")
    }
    let roots = sampling.roots
    let context = CollectorContext(roots: roots)
    let allowed = CPUSet.allowed()
    let cpus = try Placement.automatic.resolve(roots: roots, allowed: allowed, workload: nil)
    try ownErrors { () throws(SystemError) in try CPUSet(cpus).applyToThisThread() }
    var rows = [
      [
        "collector", "columns", "calls", "bytes", "median µs", "p99 µs", "read µs", "kernel %",
        "fastest",
      ]
    ]
    for collector in CollectorRegistry.host().collectors where !collector.needsTarget {
      let name = collector.description.name
      guard all || chosen.isEmpty || chosen.contains(where: { $0.rawValue == name }) else {
        continue
      }
      let availability = collector.probe(context)
      guard availability == .available else {
        Console.say("lbsample: skipping \(name): \(availability.reasonAndFix)")
        continue
      }
      let cost: CollectorCost
      do throws(LBError) {
        cost = try CollectorCost.measure(collector, context, duration: duration)
      } catch {
        // A failing collector is skipped, unless the user has named it.
        guard chosen.isEmpty else { throw error }
        Console.say("lbsample: skipping \(name): \(error)")
        continue
      }
      if format == "ndjson" {
        try Console.write(try JSONText.encode(cost, pretty: false) + "\n")
      } else {
        rows.append(Self.row(cost))
      }
    }
    guard format == "text" else { return }
    try Console.show(TextTable.lines(rows, leftColumns: 1).joined(separator: "\n") + "\n")
  }

  private static func row(_ cost: CollectorCost) -> [String] {
    func microseconds(_ nanoseconds: UInt64) -> String {
      Readable.fixed(Double(nanoseconds) / 1000, 1)
    }
    let share = cost.readNanoseconds.map {
      Readable.fixed(100 * Double($0) / Double(max(1, cost.medianNanoseconds)), 0)
    }
    return [
      cost.collector, "\(cost.columns)", "\(cost.systemCalls)", cost.bytes.map { "\($0)" } ?? "–",
      microseconds(cost.medianNanoseconds), microseconds(cost.p99Nanoseconds),
      cost.readNanoseconds.map(microseconds) ?? "–", share ?? "–",
      Durations.text(cost.fastestInterval),
    ]
  }
}
