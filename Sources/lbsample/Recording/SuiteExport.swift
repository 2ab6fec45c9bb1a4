import Foundation
import LinuxSystem
import Output
import RunStore
import SampleModel

/// `export --format lb`: a run in the layout of linux-benchmark-lib style suites, so that what
/// reads theirs reads ours: `WORKLOAD/repN/result.json` and `WORKLOAD_repN_COLLECTOR.csv`.
struct SuiteExport {
  /// A value that is written as null, not left out, where it is not there: readers index the key.
  private struct OrNull<Value: Encodable>: Encodable {
    let value: Value?

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      try container.encode(value)
    }
  }

  /// One repetition as such a suite describes it.
  private struct Outcome: Encodable {
    let testName: String
    let repetition: Int
    let startTime: String
    let endTime: String
    let durationSeconds: Double
    let generatorResult: Generator
    let metrics: [String: Double]
    let artifactsDirectory: String
    let success: Bool
    let metricErrors: [String]
    let errorType: OrNull<String>
    let error: OrNull<String>
    let errorContext: OrNull<ErrorContext>

    enum CodingKeys: String, CodingKey {
      case repetition, metrics, success, error
      case testName = "test_name"
      case startTime = "start_time"
      case endTime = "end_time"
      case durationSeconds = "duration_seconds"
      case generatorResult = "generator_result"
      case artifactsDirectory = "artifacts_dir"
      case metricErrors = "metric_errors"
      case errorType = "error_type"
      case errorContext = "error_context"
    }
  }

  /// What became of the workload itself.
  private struct Generator: Encodable {
    let command: [String]
    let returncode: Int32?
    let signal: Int32?
    let stdout: String
    let metrics: [String: Double]
  }

  let reader: RunReader
  let directory: String
  private let replay: RunReplay

  /// An export of what `reader` reads into `directory`.
  init(reader: RunReader, directory: String) {
    self.reader = reader
    self.directory = directory
    replay = RunReplay(reader)
  }

  /// Writes everything; gives the number of repetitions.
  func write() throws -> Int {
    let result = try reader.result()
    var count = 0
    for phase in result.phases {
      let workload = Self.fileName(phase.name == "main" ? result.name : phase.name)
      for repetition in phase.repetitions where !repetition.warmUp {
        guard let attempt = repetition.standing else { continue }
        try write(attempt, repetition.repetition, workload, phase)
        count += 1
      }
    }
    return count
  }

  private func write(
    _ attempt: AttemptResult, _ number: Int, _ workload: String, _ phase: PhaseResult
  ) throws {
    let folder = "\(directory)/\(workload)/rep\(number)"
    do throws(SystemError) { try Directories.make(folder) } catch {
      throw LBError(
        .resultPersistence, "\(folder): cannot create this directory: \(error.reason)",
        context: ErrorContext(path: folder, errno: error.errno))
    }
    let output = try attempt.bracket.map { try reader.output(bracket: $0) } ?? []
    let own = attempt.metrics.filter { $0.key.hasPrefix("workload.") }
    let outcome = Outcome(
      testName: workload, repetition: number,
      startTime: SuiteRows.timestamp(attempt.startUnixNanoseconds),
      endTime: SuiteRows.timestamp(attempt.startUnixNanoseconds &+ attempt.bracketNanoseconds),
      durationSeconds: Double(attempt.wallNanoseconds ?? attempt.bracketNanoseconds) / 1e9,
      generatorResult: Generator(
        command: phase.command, returncode: attempt.exitCode, signal: attempt.signal,
        stdout: String(decoding: output, as: UTF8.self), metrics: own),
      metrics: attempt.metrics, artifactsDirectory: folder, success: attempt.status == .completed,
      metricErrors: attempt.contamination,
      errorType: OrNull(value: attempt.error?.category.rawValue),
      error: OrNull(value: attempt.error.map { "\($0)" }),
      errorContext: OrNull(value: attempt.error?.context))
    try save("\(folder)/result.json", try JSONText.encode(outcome, pretty: true) + "\n")
    guard let bracket = attempt.bracket else { return }
    var selection = RunReplay.Selection()
    selection.brackets = [bracket]
    let rows = SuiteRows()
    try replay.selecting(selection).play(into: rows)
    for (collector, lines) in rows.rows {
      let text = ([SuiteRows.header] + lines).map { $0.joined(separator: ",") + "\n" }.joined()
      try save("\(directory)/\(workload)_rep\(number)_\(Self.fileName(collector)).csv", text)
    }
  }

  private func save(_ path: String, _ text: String) throws(LBError) {
    try TextDestination(path: path).write(Array(text.utf8))
  }

  private static func fileName(_ name: String) -> String {
    // By scalars: a slash that a combining mark follows is another Character, but still a slash.
    let foreign: Set<Unicode.Scalar> = ["/", " ", "\0"]
    var plain = String.UnicodeScalarView()
    for scalar in name.unicodeScalars {
      // `..` would lead out of the directory.
      let isFirstPoint = plain.isEmpty && scalar == "."
      plain.append(isFirstPoint || foreign.contains(scalar) ? "-" : scalar)
    }
    return String(plain)
  }
}
