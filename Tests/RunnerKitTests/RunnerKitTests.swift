import RunnerKit
import TestSupport
import Testing

@Suite(.serialized) struct WorkloadRunnerTests {
  @Test func aWorkloadIsRunSampledAndKept() throws {
    let folder = try TemporaryFolder()
    let result = try WorkloadRunner.run(
      .init(
        command: ["sh", "-c", "exit 0"], repetitions: 3, warmUps: 1,
        file: folder.file("r.lbsample")))
    #expect(result.status == .completed)
    #expect(result.phases[0].repetitions.count == 4)
    #expect(result.summary().first?.metric == "wall_time")
    #expect(result.summary().first?.count == 3)
    #expect(result.phases[0].repetitions.allSatisfy { $0.attempts[0].ledger.isExact })
  }

  @Test func failuresStandInTheResult() throws {
    let result = try WorkloadRunner.run(.init(command: ["sh", "-c", "exit 9"]))
    #expect(result.status == .failed)
    #expect(result.errors.first?.category == .workload)
    #expect(result.phases[0].repetitions[0].attempts[0].exitCode == 9)
    #expect(throws: LBError.self) { try WorkloadRunner.run(.init(command: ["no-such-thing"])) }
  }
}
