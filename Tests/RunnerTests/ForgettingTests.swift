import RunAnalysis
import RunStore
import Runner
import SampleModel
import TestSupport
import Testing

/// A sampler that stays armed keeps nothing of the brackets that are over.
@Suite struct ForgettingTests {
  private func writer(_ path: String) throws -> RunWriter {
    try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "f-20260101-000000-00000001", name: "f", kind: "run", version: "0",
        interval: 1_000_000, startUnixNanoseconds: 5), host: [], configuration: [], labels: [:])
  }

  private func outcome(_ number: Int) -> AttemptOutcome {
    var attempt = AttemptResult(attempt: 1)
    attempt.status = number > 180 ? .failed : .completed
    attempt.error = number > 180 ? LBError(.workload, "bracket \(number) failed") : nil
    attempt.metrics = ["cpu.user": Double(number % 17)]
    if number % 3 == 0 {
      attempt.metrics["cpu.rare"] = Double(number)
      attempt.metrics["cpu.level"] = 2
    }
    if number % 6 == 0 { attempt.metrics["cpu.level.max"] = 3 }
    return AttemptOutcome(result: attempt)
  }

  @Test func repetitionsThatAreOverAreInTheFileAlone() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("f.lbsample")
    let store = try writer(path)
    let session = RunSession(
      result: RunResult(runID: store.runID, name: "f", kind: "run", startUnixNanoseconds: 5),
      store: store, clock: VirtualScheduler().source, forgets: true)
    try session.begin(PhaseResult(name: "main", command: []))
    for number in 1...300 {
      try session.begin(RepetitionResult(repetition: number, warmUp: false))
      try session.beginAttempt(number: 1, bracket: UInt32(number))
      #expect(session.result.phases[0].repetitions.map(\.repetition) == [number])
      try session.end(outcome(number))
      #expect(session.result.phases[0].repetitions.isEmpty)
    }
    #expect(session.result.errors.count == 100, "those of 120 that failed")
    let metrics = try session.metrics(ofPhase: 0)
    #expect(metrics.repetitions == Array(1...180))
    try session.endPhase(0) { $0.metrics = RunSummary.rows(of: metrics) { _ in "ns" } }
    try session.end(stopped: false, fatal: false, at: 7)
    #expect(session.result.status == .failed)
    try store.finish(session.result)

    let reader = try RunReader(path: path)
    defer { reader.close() }
    let phase = try #require(try reader.result().phases.first)
    #expect(phase.status == .failed && phase.repetitions.map(\.repetition) == Array(1...300))
    #expect(phase.repetitions.flatMap(\.attempts).compactMap(\.error).count == 120)
    #expect(phase.metrics.map(\.metric) == ["cpu.level", "cpu.level.max", "cpu.rare", "cpu.user"])
    #expect(
      phase.metrics == RunSummary.rows(of: phase) { _ in "ns" },
      "the summary is that of all of them")
    #expect(phase.metrics[2].repetitions == Array(stride(from: 3, through: 180, by: 3)))
  }

  /// A run that keeps its repetitions has each once, whatever is begun again.
  @Test func aRepetitionThatIsBegunAgainIsTheSame() throws {
    let session = RunSession(
      result: RunResult(runID: "t", name: "t", kind: "run", startUnixNanoseconds: 1), store: nil,
      clock: VirtualScheduler().source)
    try session.begin(PhaseResult(name: "main", command: []))
    for (number, isWarmUp) in [(1, true), (1, false), (2, false)] {
      try session.begin(RepetitionResult(repetition: number, warmUp: isWarmUp))
      try session.end(outcome(1), another: number == 2)
    }
    try session.begin(RepetitionResult(repetition: 2, warmUp: false))
    try session.end(outcome(1))
    let repetitions = session.result.phases[0].repetitions
    #expect(repetitions.map(\.repetition) == [1, 1, 2])
    #expect(repetitions.map(\.attempts.count) == [1, 1, 2])
    #expect(repetitions.map(\.status) == [.completed, .completed, .completed])
  }
}
