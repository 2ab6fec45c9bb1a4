import RunnerKit
import Synchronization
import TestSupport
import Testing

/// What a program may bring of its own.
@Suite(.serialized) struct ExtensionTests {
  private struct Ticket: MetricSource {
    let name: String
    let isThere: Bool
    let metrics = [
      MetricDescription("sold", .count, .counter, meaning: "tickets that were sold"),
      MetricDescription("left", .count, .gauge, meaning: "tickets that are left"),
    ]

    func open() throws -> sending any MetricReader {
      guard isThere else { throw LBSampleError(.configuration, "the office is closed") }
      return Reader()
    }

    final class Reader: MetricReader {
      private var sold: UInt64 = 0
      func read(into values: inout MutableSpan<UInt64>) -> Bool {
        sold += 10
        values[0] = sold
        values[1] = 1000 - sold
        return true
      }
    }
  }

  private final class Receiver: FrameReceiver {
    let seen = Mutex<(frames: Int, isFinished: Bool)>((0, false))
    func receive(_ frame: FrameSnapshot) {
      if frame["office.left"] != nil { seen.withLock { $0.frames += 1 } }
    }
    func finish() { seen.withLock { $0.isFinished = true } }
  }

  @Test func aSourceOfOnesOwnIsSampledBesideTheHost() throws {
    let receiver = Receiver()
    var sampling = Sampling(.cpu, interval: .milliseconds(10))
    sampling.sources = [Ticket(name: "office", isThere: true)]
    sampling.receivers = [receiver]
    let sampler = try HostSampler(sampling)
    let measurement = try sampler.measure {}.measurement
    sampler.disarm()
    let sold = try #require(measurement["office.sold"])
    #expect(sold > 0 && measurement["office.left.min"] == 1000 - sold - 10)
    let left = try #require(measurement["office.left"])
    #expect(left > 1000 - sold - 10 && left < 990, "a gauge is its mean")
    #expect(measurement[.cpu.user.all] != nil && measurement.ledger.isExact)
    let seen = receiver.seen.withLock { $0 }
    #expect(seen.frames >= 2 && seen.isFinished)
  }

  @Test func aSourceThatCannotBeHadIsAnErrorThatNamesIt() {
    for (source, category) in [
      (Ticket(name: "office", isThere: false), ErrorCategory.collectorUnavailable),
      (Ticket(name: "cpu", isThere: true), .configuration),
    ] {
      var sampling = Sampling()
      sampling.sources = [source]
      let error = #expect(throws: LBSampleError.self) { try HostSampler(sampling) }
      #expect(error?.category == category && error?.message.contains(source.name) == true)
    }
  }

  private struct Rudeness: Error, CustomStringConvertible {
    var description: String { "it greets nobody" }
  }

  private final class Greeter: PhaseHandler {
    let kind = "greet"
    let said = Mutex<[String]>([])
    func run(_ phase: HandledPhase) throws {
      guard case .text(let whom)? = phase.settings["whom"], !phase.isStopped else {
        throw Rudeness()
      }
      if whom == "nobody" { throw LBSampleError(.gate, "nobody is there") }
      said.withLock { $0.append("\(phase.name): \(whom) \(phase.result.phases.count)") }
    }
  }

  @Test func aKindOfOnesOwnIsExecutedInItsPlace() throws {
    let greeter = Greeter()
    func run(_ settings: [String: PlanValue]) throws -> RunResult {
      let plan = Plan {
        Matrix(["n": [1, 2]], name: "each") {
          CustomPhase("greet", name: "hello", settings) { Benchmark("true", name: "work") }
        }
      }
      var options = RunOptions(sampling: Sampling(.cpu))
      options.handlers = [greeter]
      return try plan.run(options)
    }
    let result = try run(["whom": "number {n}"])
    #expect(result.status == .completed && result.phases.map(\.name) == ["work[n=1]", "work[n=2]"])
    #expect(
      greeter.said.withLock { $0 } == ["hello[n=1]: number 1 0", "hello[n=2]: number 2 1"])
    let failed = try run([:])
    #expect(failed.errors.first?.message == "hello[n=1]: it greets nobody")
    #expect(failed.errors.first?.category == .workload, "an error of any type")
    #expect(failed.errors.first?.context.phase == "hello[n=1]")
    let refused = try run(["whom": "nobody"])
    #expect(refused.errors.first?.category == .gate && !refused.errors.isEmpty)
  }

  private struct NoOdd: RepetitionGate {
    let name = "odd"
    let attempts = Calls()
    func objection(to attempt: AttemptResult) -> String? {
      attempts.next() % 2 == 1 ? "it was odd" : nil
    }
  }

  private final class Calls: Sendable {
    private let count = Atomic<Int>(0)
    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
  }

  @Test func aGateOfOnesOwnContaminatesAndRepeats() throws {
    var options = RunOptions(sampling: Sampling(.cpu))
    options.gates = [NoOdd()]
    let result = try Benchmark("true").idempotent().run(options)
    let attempts = result.phases[0].repetitions[0].attempts
    #expect(attempts.map { $0.contamination.contains("it was odd") }.contains(true))
    #expect(attempts.count >= 2)
  }

  private struct Twice: RetryPolicy {
    func pause(after attempts: [AttemptResult]) -> Duration? {
      attempts.count < 3 ? .microseconds(1) : nil
    }
  }

  @Test func aPolicyOfOnesOwnDecidesOnRetries() throws {
    func attempts(_ isIdempotent: Bool) throws -> [RunStatus] {
      var options = RunOptions(sampling: Sampling(.cpu))
      options.retryPolicy = Twice()
      let result = try Benchmark("false").idempotent(isIdempotent).run(options)
      return result.phases[0].repetitions[0].attempts.map(\.status)
    }
    #expect(try attempts(true) == [.failed, .failed, .failed])
    #expect(try attempts(false) == [.failed], "what has begun is not repeated")
  }

  @Test func framesOfARunAreSubscribedTo() async throws {
    let receiver = Receiver()
    var sampling = Sampling(interval: .milliseconds(10))
    sampling.sources = [Ticket(name: "office", isThere: true)]
    sampling.receivers = [receiver]
    var options = RunOptions(sampling: sampling)
    let frames = Subscription<FrameSnapshot>(capacity: 1000)
    options.frames = frames
    let result = try await Benchmark("sleep", "0.1").run(options)
    var count = 0
    for await frame in frames {
      #expect(frame["office.sold"] != nil)
      count += 1
    }
    let ledger = result.phases[0].repetitions[0].attempts[0].ledger
    #expect(count > 2 && count == Int(ledger.ring.drained))
    let seen = receiver.seen.withLock { $0 }
    #expect(seen.frames == count && seen.isFinished)
  }
}
