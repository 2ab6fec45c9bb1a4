import ArgumentParser
import Foundation
import LinuxSystem
import Output
import Runner
import SampleModel
import Sampler

/// `lbsample overhead --workload`: what sampling costs a command that runs beside it.
extension OverheadCommand {
  private static let defaultInterval = "100ms"
  private static let defaultRounds = 15

  /// What makes no sense without a workload, by option.
  private var workloadOptions: [(String, Bool)] {
    [
      ("--interval", intervals != nil), ("--set", !sets.isEmpty),
      ("--repetitions", repetitions != nil), ("--warmup", warmUps != nil),
      ("--workload-cpus", workloadCPUs != nil), ("--pin", sampling.pin != nil),
      ("--priority", sampling.priority != nil), ("--budget", sampling.budget != nil),
      ("--align", sampling.align), ("a command after --", !command.isEmpty),
    ]
  }

  func checkIsAboutCollectors() throws(LBError) {
    if let (option, _) = workloadOptions.first(where: \.1) {
      let needed = option.hasPrefix("--") ? "--workload and a command" : "--workload"
      throw LBError(.configuration, "\(option) needs \(needed)")
    }
  }

  func measureWorkload() throws {
    guard !command.isEmpty else {
      throw LBError(
        .configuration,
        "--workload needs a command, as in: lbsample overhead --workload -- ./benchmark")
    }
    guard time == nil else {
      throw LBError(
        .configuration,
        "--time is the measuring time of a collector and has no effect with --workload: remove "
          + "--time")
    }
    let specification = try specification()
    let intervals = try (intervals ?? Self.defaultInterval).split(separator: ",").map {
      text throws(LBError) in
      guard let interval = Durations.parse(String(text)),
        interval >= Setting.shortestInterval
      else {
        throw LBError(
          .configuration, "--interval \(text): expected lengths of time such as 10ms,100ms")
      }
      return interval
    }
    let stops = try StopSignals()
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("lbsample-overhead-\(ProcessInfo.processInfo.processIdentifier)")
    // A new directory that no other user can read.
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    var recordings: [Recording] = []
    var conditions: [WorkloadOverhead.Condition] = []
    defer {
      for condition in conditions { condition.sampler.disarm() }
      for recording in recordings { recording.discard() }
      do { try FileManager.default.removeItem(at: folder) } catch {
        Console.say("lbsample: \(folder.path) could not be removed: \(error.localizedDescription)")
      }
    }
    for set in try collectorSets() {
      for interval in intervals {
        let (sampler, recording) = try arm(
          set, interval, specification,
          path: folder.appendingPathComponent("\(conditions.count).lbsample").path)
        recordings.append(recording)
        conditions.append(.init(name: set, interval: interval, sampler: sampler))
      }
    }
    let measurement = try WorkloadOverhead(specification, conditions, stop: stops.first)
    let isShown = isatty(STDERR_FILENO) == 1 && format == "text"
    let results = try measurement.measure { round in
      if isShown {
        Console.say("round \(round) of \(specification.repetitions)")
      }
    }
    try report(results)
  }

  private func specification() throws(LBError) -> RunSpecification {
    var specification = RunSpecification(name: "overhead", command: command)
    func number(_ text: String?, _ option: String, least: Int, usually: Int) throws(LBError) -> Int
    {
      guard let text else { return usually }
      guard let number = Int(text), number >= least else {
        throw LBError(
          .configuration, "\(option) \(text): expected a whole number of at least \(least)")
      }
      return number
    }
    specification.repetitions = try number(
      repetitions, "--repetitions", least: Precision.fewest, usually: Self.defaultRounds)
    specification.warmUps = try number(warmUps, "--warmup", least: 0, usually: 1)
    specification.user = try WorkloadOptions.user(nil)
    specification.environment = WorkloadOptions.environment(of: specification.user, [])
    specification.workloadCPUs = try WorkloadOptions.cpus(workloadCPUs)
    return specification
  }

  /// The sets of collectors as comma lists: those of --set, else the one of the flags, else all.
  private func collectorSets() throws(LBError) -> [String] {
    let own = ((all ? ["all"] : []) + chosen.map(\.rawValue)).joined(separator: ",")
    guard !sets.isEmpty else { return [own.isEmpty ? "all" : own] }
    guard own.isEmpty else {
      throw LBError(
        .configuration, "--set cannot be combined with flags of collectors: remove one of them")
    }
    return sets
  }

  private func arm(
    _ set: String, _ interval: UInt64, _ specification: RunSpecification, path: String
  ) throws -> (SamplerSession, Recording) {
    let words = set.split(separator: ",").map(String.init)
    let flags = CollectorFlag.allCases.map(\.rawValue) + ["all"]
    if let unknown = words.first(where: { !flags.contains($0) }) {
      throw LBError(
        .configuration,
        "--set \(set): no collector \(unknown)\(Nearest.hint(Nearest.word(to: unknown, in: flags)))"
      )
    }
    let collectors = try CollectorOptions.parse(words.map { "--\($0)" })
    let settings = try sampling.settings(
      Given.all(of: sampling) + [Given("sample.interval", "\(interval)ns")])
    let configuration = try sampling.configuration(
      settings, interval: "sample.interval", filter: ColumnFilter(only: [], except: []),
      workload: specification.workloadCPUs)
    let requests = try collectors.requests(settings, sampling.roots)
    let recording = try Recording(
      path: path, name: "overhead", interval: interval, host: [], configuration: [])
    let sampler = SamplerSession(
      configuration, requests: requests,
      sinks: [recording.sink])
    do throws(LBError) {
      try sampler.arm()
    } catch {
      recording.discard()
      throw error
    }
    return (sampler, recording)
  }

  private func report(_ results: [WorkloadOverhead.Result]) throws {
    if format == "ndjson" {
      for result in results {
        try Console.write(try JSONText.encode(result, pretty: false) + "\n")
      }
      return
    }
    var rows = [
      [
        "collectors", "interval", "without", "with", "slowdown", "95 % CI", "detectable",
        "CPU time",
        "95 % CI", "own CPU",
      ]
    ]
    for result in results {
      rows.append([
        result.collectors, Durations.text(result.intervalNanoseconds),
        Readable.duration(UInt64(bounded: result.wallWithout)),
        Readable.duration(UInt64(bounded: result.wallWith)),
        Self.signed(result.wallSlowdown), Self.range(result.wallLow, result.wallHigh),
        Readable.percent(result.wallDetectable), result.cpuSlowdown.map(Self.signed) ?? "–",
        Self.range(result.cpuLow, result.cpuHigh), Readable.percent(result.ownShare),
      ])
    }
    try Console.show(TextTable.lines(rows, leftColumns: 1).joined(separator: "\n") + "\n")
  }

  private static func signed(_ share: Double) -> String {
    (share > 0 ? "+" : "") + Readable.percent(share)
  }

  private static func range(_ low: Double?, _ high: Double?) -> String {
    guard let low, let high else { return "–" }
    return "\(signed(low)) … \(signed(high))"
  }
}
