import Foundation
import SampleModel
import TestSupport
import Testing

/// A run as JSON, against docs/reference/run-json.md: each object has the keys of its section, and
/// no other.
@Suite struct RunDocumentTests {
  /// The keys of each section, by the path of its objects; those of the run itself by an empty one.
  private static func documented() throws -> [String: Set<String>] {
    let root = Command.repository
    let text = try String(contentsOfFile: "\(root)/docs/reference/run-json.md", encoding: .utf8)
    var found: [String: Set<String>] = [:]
    var path: String?
    for line in text.split(separator: "\n") {
      if line.hasPrefix("## ") {
        let quoted = line.split(separator: "`")
        path = quoted.count > 1 ? String(quoted[1]) : ""
      }
      guard let path, line.hasPrefix("| `") else { continue }
      let names = line.split(separator: "|")[0].split(separator: "`")
      found[path, default: []].formUnion(
        names.map(String.init).filter { $0.first != " " && $0.first != "," })
    }
    return found
  }

  /// Objects whose keys are names of something, and objects that other documents describe.
  private static let open: Set<String> = [
    "host", "labels", "parameters", "environment", "gaps", "findings", "findingsNotJudged",
    "digest", "busy",
  ]

  /// Adds the keys of an object and of those in it, by their paths.
  private static func add(_ value: Any, at path: String, to found: inout [String: Set<String>]) {
    if let list = value as? [Any] {
      for one in list { add(one, at: path + "[]", to: &found) }
    }
    guard let object = value as? [String: Any] else { return }
    found[path, default: []].formUnion(object.keys)
    for (key, value) in object where !open.contains(key) {
      // The metrics of an attempt are by their names.
      if key == "metrics", value is [String: Any] { continue }
      add(value, at: path.isEmpty ? key : "\(path).\(key)", to: &found)
    }
  }

  /// The section that describes the objects at a path: some occur in several places.
  private static func section(_ path: String) -> String {
    let attempt = "phases[].repetitions[].attempts[]"
    if path.hasSuffix("inputs[]") { return "phases[].provenance.executable" }
    if path == "metrics[]" { return "phases[].metrics[]" }
    if path == "phases[].cleanMetrics[]" { return "phases[].metrics[]" }
    for (place, other) in [
      ("\(attempt).error", "errors[]"), ("journal[].error", "errors[]"),
      ("ledger", "\(attempt).ledger"), ("overhead", "\(attempt).overhead"),
    ] where path == place || path.hasPrefix("\(place).") {
      return other + path.dropFirst(place.count)
    }
    return path
  }

  /// Objects that are described in a row of the section of the object that they are in.
  private static let small: [String: Set<String>] = [
    "phases[].repetitions[].attempts[].ledger": ["threads"],
    "phases[].repetitions[].attempts[].ledger.threads[].ticks": [
      "deadlines", "onTime", "late", "skipped", "latenessMaximum",
    ],
    "phases[].repetitions[].attempts[].ledger.threads[].ring": ["pushed", "drained", "dropped"],
  ]

  private static func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  /// A run that has everything that a run may have.
  private static func whole() throws -> RunResult {
    var error = LBError(.internal, "it failed")
    error.context = ErrorContext(collector: "c", path: "/", errno: 1)
    error = error.located(phase: "p", repetition: 1, isWarmUp: true, attempt: 1)
    (error.context.command, error.context.exitCode, error.context.signal) = (["c"], 1, 9)
    var thread = ThreadLedger(thread: 0, cpu: 1)
    thread.collectors = [CollectorLedger(collector: "cpu")]
    var attempt = AttemptResult(attempt: 1)
    attempt.bracket = 1
    (attempt.wallNanoseconds, attempt.userNanoseconds, attempt.systemNanoseconds) = (1, 1, 1)
    (attempt.exitCode, attempt.signal, attempt.peakResidentBytes) = (0, 1, 1)
    (attempt.voluntarySwitches, attempt.involuntarySwitches) = (1, 1)
    attempt.ledger = Ledger(threads: [thread])
    attempt.overhead = Overhead()
    attempt.overhead?.memoryResident = 1
    attempt.error = error
    var repetition = RepetitionResult(repetition: 1, warmUp: false)
    repetition.label = "l"
    repetition.attempts = [attempt]
    var row = MetricSummary(
      metric: "m", unit: "ns", count: 6, median: 1, minimum: 1, maximum: 1,
      medianAbsoluteDeviation: 0, medianLow: 1, medianHigh: 1)
    (row.running, row.repetitions) = (0.5, [1])
    var phase = PhaseResult(name: "p", command: ["c"])
    (phase.repetitions, phase.metrics, phase.cleanMetrics) = ([repetition], [row], [row])
    (phase.note, phase.replacedBy) = ("n", "q")
    var provenance = PhaseProvenance()
    provenance.executable = PhaseProvenance.File(path: "/", sha256: "0")
    provenance.inputs = [PhaseProvenance.File(path: "/", sha256: "0")]
    (provenance.key, provenance.unknown, provenance.takenFrom) = ("k", "u", "t")
    phase.provenance = provenance
    var run = RunResult(runID: "r", name: "r", kind: "run", startUnixNanoseconds: 1)
    run.configuration = [ConfigurationEntry(key: "k", value: "v", origin: "default")]
    (run.phases, run.metrics, run.errors) = ([phase], [row], [error])
    run.unavailable = [UnavailableCollector(collector: "c", outcome: "absent", reason: "r")]
    (run.endUnixNanoseconds, run.durationNanoseconds) = (2, 1)
    (run.ledger, run.overhead, run.file) = (attempt.ledger, attempt.overhead, "/")
    return run
  }

  @Test func everyKeyOfAResultIsDescribedAndNoOther() throws {
    let json = try JSONEncoder().encode(try Self.whole())
    var found: [String: Set<String>] = [:]
    Self.add(try JSONSerialization.jsonObject(with: json), at: "", to: &found)
    var entry = JournalEntry(
      unixNanoseconds: 1, level: "info", kind: "k", message: "m", run: "r", phase: "p",
      repetition: 1, attempt: 1)
    (entry.status, entry.error) = (.completed, LBError(.internal, "it failed"))
    let journal = try JSONEncoder().encode([entry])
    Self.add(try JSONSerialization.jsonObject(with: journal), at: "journal", to: &found)
    let documented = try Self.documented()
    let beside: Set = [
      "schema", "findings", "findingsNotJudged", "digest", "busy", "recording", "journal",
    ]
    var seen: Set<String> = []
    for (path, keys) in found {
      let section = Self.section(path)
      seen.insert(section)
      // An error of a journal may lack what the run's has.
      if path.hasPrefix("journal[].error") { continue }
      let wanted = Self.small[section] ?? documented[section] ?? []
      #expect(keys == (path.isEmpty ? wanted.subtracting(beside) : wanted), "\(path)")
    }
    #expect(documented[""]?.isSuperset(of: beside) == true)
    #expect(Set(documented.keys).subtracting(seen) == ["recording", "recording.metrics[]"])
  }

  /// What the command itself writes, of a run and of a recording.
  @Test func theCommandWritesWhatIsDescribed() throws {
    let command = try Command()
    let common = ["--config", "/dev/null"]
    let run = try command.start(["run"] + common + ["--format", "json", "--cpu", "--", "true"])
      .finish()
    let shown = try command.start(
      ["runs", "show"] + common + ["--journal", "--format", "json", "last"]
    ).finish()
    let recorded = command.folder.file("r.lbsample")
    _ = try command.start(
      ["--cpu", "--interval", "10ms", "--count", "2", "--record", recorded, "--quiet"] + common
    ).finish()
    let recording = try command.start(
      ["runs", "show"] + common + ["--format", "json", recorded]
    ).finish()
    let documented = try Self.documented()
    for (name, outcome) in [("run", run), ("show", shown), ("recording", recording)] {
      #expect(outcome.code == 0, "\(name): \(outcome.error)")
      let object = try Self.object(outcome.output)
      #expect(object["schema"] as? Int == 1)
      var found: [String: Set<String>] = [:]
      Self.add(object, at: "", to: &found)
      for (path, keys) in found {
        let section = Self.section(path)
        let known = Self.small[section] ?? documented[section] ?? []
        #expect(keys.subtracting(known).isEmpty, "\(name): \(path)")
      }
    }
    #expect(try Self.object(shown.output)["journal"] is [Any])
    #expect(try Self.object(recording.output)["recording"] is [String: Any])
  }
}
