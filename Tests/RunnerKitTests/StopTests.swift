import Foundation
import RunnerKit
import Synchronization
import Testing

/// What stops runs, and what they leave.
@Suite(.serialized) struct StopTests {
  // On the wall clock: the workload is a real process, which has to be dead long before its time.
  @Test(.tags(.wallClock)) func aCancelledTaskStopsTheRun() async throws {
    var options = RunOptions(sampling: Sampling(.cpu))
    let events = Subscription<JournalEntry>(capacity: 1000)
    options.events = events
    let sent = options
    let task = Task { try await Benchmark("sleep", "600").run(sent) }
    for await event in events where event.kind == "repetition.start" { break }
    let began = ContinuousClock.now
    task.cancel()
    let result = try await task.value
    #expect(result.status == .interrupted && ContinuousClock.now - began < .seconds(300))
    #expect(result.phases[0].repetitions[0].attempts[0].ledger.isExact)
    let error = #expect(throws: LBSampleError.self) { try result.get() }
    #expect(error?.category == .stopRequested)
  }

  /// A task that was cancelled before starts no workload.
  @Test func aTaskThatIsCancelledAlreadyExecutesNothing() async throws {
    let task = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      return try await Benchmark("sleep", "600").run(RunOptions(sampling: Sampling(.entropy)))
    }
    let result = try await task.value
    #expect(result.status == .interrupted && result.errors.first?.category == .stopRequested)
    let attempts = result.phases.flatMap(\.repetitions).flatMap(\.attempts)
    #expect(!attempts.contains { $0.status == .completed })
  }

  /// Nobody signalled anything: the program stopped it.
  @Test(arguments: [false, true]) func aStopEndsWhatIgnoresSIGTERM(_ isKilled: Bool) async throws {
    let workload = Benchmark("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
      .grace(isKilled ? .seconds(3600) : .milliseconds(100))
    var options = RunOptions(sampling: Sampling(.entropy))
    let stop = try StopSource()
    options.stop = stop
    let events = Subscription<JournalEntry>(capacity: 1000)
    options.events = events
    let sent = options
    let task = Task { try await workload.run(sent) }
    for await event in events where event.kind == "repetition.start" { break }
    if isKilled { stop.kill() } else { stop.stop() }
    let result = try await task.value
    #expect(result.status == .interrupted)
    let error = try #require(result.errors.first)
    #expect(error.category == .stopRequested && error.context.signal == nil)
    #expect(error.exitCode == 130 && error.message.contains("the program"), "\(error)")
  }

  /// A thread that nobody joins keeps its stack until the process ends.
  @Test func asynchronousRunsLeaveNoThread() async throws {
    func stacks() throws -> Int {
      let maps = try String(contentsOfFile: "/proc/self/maps", encoding: .utf8)
      return maps.split(separator: "\n").count { line in
        let ends = line.prefix { $0 != " " }.split(separator: "-").compactMap {
          UInt64($0, radix: 16)
        }
        return ends.count == 2 && ((8 << 20) - 65536...8 << 20).contains(ends[1] - ends[0])
      }
    }
    let options = RunOptions(sampling: Sampling(.entropy))
    let result = try await Benchmark("true").run(options)
    #expect(result.status == .completed)
    let before = try stacks()
    for _ in 0..<16 { _ = try await Benchmark("true").run(options) }
    let after = try stacks()
    #expect(after < before + 12, "\(before) and \(after) stacks")
  }

  @Test func theTasksSourceStopsUnlessTheOptionsHaveOne() async throws {
    let outer = try StopSource()
    outer.stop()
    let inner = try StopSource()
    let options = RunOptions(sampling: Sampling(.cpu))
    var own = options
    own.stop = inner
    let explicit = own
    func status(_ options: RunOptions) async throws -> RunStatus {
      try await Benchmark("true").run(options).status
    }
    let statuses = try await StopSource.$current.withValue(outer) { () async throws in
      var statuses = [try await status(options), try await status(explicit)]
      statuses.append(
        try await StopSource.$current.withValue(inner) { () async throws in
          try await status(options)
        })
      #expect(StopSource.current === outer)
      return statuses
    }
    #expect(statuses == [.interrupted, .completed, .completed])
    #expect(StopSource.current == nil)
  }

  /// What the task's source is where a handler looks.
  private final class Looker: PhaseHandler {
    let seen = Mutex<[StopSource?]>([])
    let kind = "look"
    func run(_ phase: HandledPhase) throws {
      seen.withLock { $0.append(StopSource.current) }
    }
  }

  @Test func aRunsOwnSourceIsTheTasksWithinItAlone() throws {
    let looker = Looker()
    let plan = Plan { CustomPhase("look", name: "l") { Benchmark("true") } }
    var options = RunOptions(sampling: Sampling(.cpu))
    options.handlers = [looker]
    let first = try StopSource()
    options.stop = first
    #expect(try plan.run(options).status == .completed)
    #expect(StopSource.current == nil, "after it")
    let second = try StopSource()
    options.stop = second
    #expect(try plan.run(options).status == .completed)
    options.stop = nil
    #expect(try plan.run(options).status == .completed)
    let seen = looker.seen.withLock { $0 }
    #expect(seen.count == 3 && seen[0] === first && seen[1] === second, "between two")
    #expect(seen[2] != nil && seen[2] !== second, "one without has its own")
  }
}
