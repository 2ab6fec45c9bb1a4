import ArgumentParser
import Collectors
import LinuxSystem
import Output
import SampleModel
import Sampler

/// `lbsample overhead`: what each collector costs on this host.
struct OverheadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "overhead",
    abstract: "Measure what each collector costs on this host.",
    discussion: """
      Every collector is armed and read again and again on one pinned CPU, in turn with readings
      of the same kernel texts that are not looked at. `fastest` is the shortest interval at which
      it stays below one hundredth of a CPU.
      """)
  @Flag(help: "Measure this collector.")
  var chosen: [CollectorFlag] = []
  @Option(
    name: .customLong("time"), parsing: .unconditional,
    help: ArgumentHelp("Time for each collector (default: 200ms).", valueName: "time"))
  var time = "200ms"
  @Option(
    name: .customLong("format"), help: ArgumentHelp("text or ndjson.", valueName: "format"))
  var format = "text"
  @OptionGroup var mounts: MountOptions

  func run() throws {
    try Formats.check(format, of: ["text", "ndjson"])
    guard let duration = Durations.parse(time), duration >= 1_000_000 else {
      throw LBError(
        .configuration, "--time \(time): expected a length of time of at least 1ms, such as 200ms")
    }
    let roots = mounts.roots
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
    for collector in CollectorRegistry.host().collectors {
      let name = collector.description.name
      guard chosen.isEmpty || chosen.contains(where: { $0.rawValue == name }) else { continue }
      let availability = collector.probe(context)
      guard availability == .available else {
        Console.say("lbsample: without \(name): \(availability.word): \(availability.reason)")
        continue
      }
      let cost: CollectorCost
      do throws(LBError) {
        cost = try CollectorCost.measure(collector, context, duration: duration)
      } catch {
        // One that fails leaves the others theirs, but for the ones that were asked for.
        guard chosen.isEmpty else { throw error }
        Console.say("lbsample: without \(name): \(error)")
        continue
      }
      if format == "ndjson" {
        try Console.write(try JSONText.encode(cost, pretty: false) + "\n")
      } else {
        rows.append(Self.row(cost))
      }
    }
    guard format == "text" else { return }
    try Console.write(TextTable.lines(rows, leftColumns: 1).joined(separator: "\n") + "\n")
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
