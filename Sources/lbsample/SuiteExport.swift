import Foundation
import Output
import RunStore
import SampleModel

/// `export --format lb`: a run in the layout of linux-benchmark-lib style suites, so that what
/// reads theirs reads ours: `WORKLOAD/repN/result.json` and `WORKLOAD_repN_COLLECTOR.csv`.
struct SuiteExport {
  /// One repetition as such a suite describes it.
  private struct Outcome: Encodable {
    let test_name: String
    let repetition: Int
    let start_time: String
    let end_time: String
    let duration_seconds: Double
    let generator_result: Generator
    let metrics: [String: Double]
    let artifacts_dir: String
    let success: Bool
    let metric_errors: [String]
    let error_type: String?
    let error: String?
    let error_context: ErrorContext?
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

  /// Writes everything; gives the number of repetitions.
  func write() throws -> Int {
    let result = try reader.result()
    var count = 0
    for phase in result.phases {
      let workload = Self.fileName(phase.name == "main" ? result.name : phase.name)
      for repetition in phase.repetitions where !repetition.warmUp {
        guard let attempt = repetition.attempts.last else { continue }
        try write(attempt, repetition.repetition, workload, phase)
        count += 1
      }
    }
    return count
  }

  private func write(
    _ attempt: AttemptResult, _ number: Int, _ workload: String, _ phase: PhaseResult
  ) throws {
    let place = "\(directory)/\(workload)/rep\(number)"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    let output = try attempt.bracket.map { try reader.output(bracket: $0) } ?? []
    let own = attempt.metrics.filter { $0.key.hasPrefix("workload.") }
    let outcome = Outcome(
      test_name: workload, repetition: number,
      start_time: SuiteRows.timestamp(attempt.startUnixNanoseconds),
      end_time: SuiteRows.timestamp(attempt.startUnixNanoseconds &+ attempt.bracketNanoseconds),
      duration_seconds: Double(attempt.wallNanoseconds ?? attempt.bracketNanoseconds) / 1e9,
      generator_result: Generator(
        command: phase.command, returncode: attempt.exitCode, signal: attempt.signal,
        stdout: String(decoding: output, as: UTF8.self), metrics: own),
      metrics: attempt.metrics, artifacts_dir: place, success: attempt.status == .completed,
      metric_errors: attempt.contamination, error_type: attempt.error?.category.rawValue,
      error: attempt.error.map { "\($0)" }, error_context: attempt.error?.context)
    try save("\(place)/result.json", try JSONText.encode(outcome, pretty: true) + "\n")
    guard let bracket = attempt.bracket else { return }
    var selection = RunReplay.Selection()
    selection.brackets = [bracket]
    let rows = SuiteRows()
    try RunReplay(reader, selection: selection).play(into: rows)
    for (collector, lines) in rows.rows {
      let text = ([SuiteRows.header] + lines).map { $0.joined(separator: ",") + "\n" }.joined()
      try save("\(directory)/\(workload)_rep\(number)_\(collector).csv", text)
    }
  }

  private func save(_ path: String, _ text: String) throws(LBError) {
    try TextDestination(path: path).write(Array(text.utf8))
  }

  private static func fileName(_ name: String) -> String {
    String(name.map { $0 == "/" || $0 == " " ? "-" : $0 })
  }
}
