import Foundation
import LinuxSystem
import RunStore
import RunnerKit
import SampleModel
import TestSupport
import Testing

@Suite(.serialized) struct BenchmarkTests {
  @Test func aWorkloadIsRunSampledAndKept() throws {
    let folder = try TemporaryFolder()
    var options = RunOptions(file: folder.file("r.lbsample"))
    options.labels = ["kind": "test"]
    let result = try Benchmark("sh", "-c", "exit 0").repetitions(3).warmUps(1).run(options)
    #expect(result.status == .completed && result.name == "sh" && result.labels["kind"] == "test")
    #expect(result.phases.map(\.name) == ["main"])
    #expect(result.phases[0].repetitions.count == 4)
    #expect(result.summary().first?.key == .wallTime)
    let wall = try #require(result.summary(of: .wallTime))
    #expect(wall.count == 3 && wall.confidenceInterval == nil, "fewer than six have none")
    #expect(result.phases[0].repetitions.allSatisfy { $0.attempts[0].ledger.isExact })
    let attempt = result.phases[0].repetitions[1].attempts[0]
    let time = try #require(attempt.wallTime)
    #expect(time > .zero && time <= attempt.bracketTime && attempt.start >= result.start)
    #expect(attempt[.cpu.ctxt] != nil && attempt.keys.contains(.cpu.ctxt))
    #expect(try result.get() == result)
    let stored = try StoredRun(at: folder.file("r.lbsample"))
    #expect(stored.result.labels["kind"] == "test")
  }

  @Test func aStoredRunIsReadAgain() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let sampling = Sampling(.load, .cpu, interval: .milliseconds(10))
    let made = try Benchmark("sh", "-c", "echo said; sleep 0.05").repetitions(2)
      .run(RunOptions(sampling: sampling, file: path))
    let run = try StoredRun(at: path)
    #expect(run.result.status == .completed && run.result.runID == made.runID)
    let attempts = run.result.phases[0].repetitions.map { $0.attempts[0] }
    for (attempt, other) in zip(attempts, attempts.reversed()) {
      #expect(try run.output(of: attempt) == Array("said\n".utf8))
      let frames = try run.frames(of: attempt)
      #expect(frames.count >= 8 && frames.allSatisfy { $0.bracket == attempt.bracket })
      #expect(frames.allSatisfy { $0.bracket != other.bracket })
      #expect(frames.map(\.start) == frames.map(\.start).sorted())
      #expect(frames.allSatisfy { $0.collector != .cpu || $0[.cpu.user.all] != nil })
    }
    let all = try run.frames()
    #expect(UInt64(all.count) == attempts.reduce(0) { $0 + $1.ledger.ring.drained })
    var count = 0
    try run.forEachFrame { _ in count += 1 }
    #expect(count == all.count)
    #expect(throws: LBSampleError.self) { _ = try StoredRun(at: folder.file("none")) }
  }

  private struct Enough: Error {}

  @Test func aBodyThatThrowsEndsTheReading() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    _ = try Benchmark("true").run(RunOptions(sampling: Sampling(.load), file: path))
    let run = try StoredRun(at: path)
    var count = 0
    #expect(throws: Enough.self) {
      try run.forEachFrame { _ in
        count += 1
        throw Enough()
      }
    }
    #expect(count == 1)
    #expect(try run.frames().count >= 2, "it can be read again")
  }

  /// What cannot be armed leaves no file that would look like a run under way.
  @Test func aRunThatIsNotArmedLeavesNoFile() async throws {
    let folder = try TemporaryFolder()
    let file = folder.file("r.lbsample")
    var source = Sampling()
    source.sources = [Closed()]
    for sampling in [Sampling("no-such"), Sampling(.cgroup), source] {
      let options = RunOptions(sampling: sampling, file: file)
      #expect(throws: LBSampleError.self) { try Benchmark("true").run(options) }
      #expect(directoryEntries(folder.path).isEmpty)
    }
    await #expect(throws: LBSampleError.self) {
      try await Benchmark("true").run(sampling: .cgroup, into: file)
    }
    #expect(directoryEntries(folder.path).isEmpty)
  }

  private struct Closed: MetricSource {
    let name = "office"
    let metrics = [MetricDescription("left", .count, .gauge, meaning: "")]
    func open() throws -> sending any MetricReader { throw Enough() }
  }

  /// Of a plan it is known beforehand how much is to come, unless something in it decides.
  @Test func aPlansFileSaysWhatWasPlanned() throws {
    let folder = try TemporaryFolder()
    let work = Benchmark("true", name: "work").repetitions(2).warmUps(1)
    let plans = ["plain": Plan { work }, "open": Plan { When("host.cpus > 0") { work } }]
    for (name, plan) in plans {
      let file = folder.file("\(name).lbsample")
      let made = try plan.run(RunOptions(sampling: Sampling(.entropy), file: file))
      #expect(made.status == .completed)
      let reader = try RunReader(path: file)
      defer { reader.close() }
      let planned = try reader.planned()
      #expect(planned?.repetitions == (name == "plain" ? 2 : nil))
      #expect(planned?.warmUps == (name == "plain" ? 1 : nil))
    }
  }

  @Test func failuresStandInTheResult() throws {
    let result = try Benchmark("sh", "-c", "exit 9").run(RunOptions(sampling: Sampling(.entropy)))
    #expect(result.status == .failed)
    #expect(result.errors.first?.category == .workload)
    #expect(result.phases[0].repetitions[0].attempts[0].exitCode == 9)
    let error = #expect(throws: LBSampleError.self) { try result.get() }
    #expect(error?.context.exitCode == 9)
    #expect(throws: LBSampleError.self) { try Benchmark("no-such-thing").run() }
    let accepted = try Benchmark("sh", "-c", "exit 9").ignoringFailures(.codes([9]))
      .run(RunOptions(sampling: Sampling(.entropy)))
    #expect(accepted.errors.isEmpty)
  }

  /// The environment of the program, variables of its own, or some alone.
  @Test func theEnvironmentIsWhatWasAskedFor() throws {
    let folder = try TemporaryFolder()
    func output(_ environment: RunOptions.Environment) throws -> String {
      let path = folder.file("\(environment == .inherited).lbsample")
      var options = RunOptions(sampling: Sampling(.entropy), file: path)
      options.environment = environment
      let result = try Benchmark("/bin/sh", "-c", "echo $A,$B,${HOME-none}")
        .environment(["A": "1"]).environment(["B": "2"]).run(options)
      #expect(result.errors.isEmpty)
      let attempt = result.phases[0].repetitions[0].attempts[0]
      return String(decoding: try StoredRun(at: path).output(of: attempt), as: UTF8.self)
    }
    #expect(try output(.only(["A": "0"])) == "1,2,none\n")
    let home = ProgramEnvironment.variables["HOME"] ?? "none"
    #expect(try output(.inherited) == "1,2,\(home)\n")
  }

  /// All mistakes are named at once, and nothing is begun.
  @Test func wrongOptionsAreAClearError() throws {
    let folder = try TemporaryFolder()
    var options = RunOptions(file: folder.file("r.lbsample"))
    options.maximumAttempts = 0
    options.backoff = [.seconds(-1)]
    options.limits.resultBytes = -1
    options.outputLimit = .max
    let error = #expect(throws: LBSampleError.self) { try Benchmark("true").run(options) }
    #expect(error?.category == .configuration)
    let lines = error?.message.split(separator: "\n").map { String($0.prefix { $0 != " " }) }
    #expect(lines == ["maximumAttempts", "outputLimit", "backoff", "limits.resultBytes"])
    let wrong = Benchmark("true").repetitions(0).timeout(.seconds(-1)).coolDown(.seconds(1))
    let problems = #expect(throws: LBSampleError.self) { try wrong.run() }
    #expect(problems?.message.contains("phase[1].repetitions") == true)
    #expect(problems?.message.contains("phase[1].timeout") == true)
    #expect(problems?.message.contains("cooldown") == false)
    #expect(directoryEntries(folder.path).isEmpty)
    var user = RunOptions()
    user.user = "no-such-user"
    #expect(throws: LBSampleError.self) { try Benchmark("true").run(user) }
  }
}
