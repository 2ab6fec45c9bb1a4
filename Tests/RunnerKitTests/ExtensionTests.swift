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

    func open() throws -> any MetricReader {
      guard isThere else { throw LBError(.configuration, "the office is closed") }
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
      if frame.values["office.left"] != nil { seen.withLock { $0.frames += 1 } }
    }
    func finish() { seen.withLock { $0.isFinished = true } }
  }

  @Test func aSourceOfOnesOwnIsSampledBesideTheHost() throws {
    let receiver = Receiver()
    var configuration = HostSampler.Configuration(
      collectors: ["cpu"], interval: .milliseconds(10))
    configuration.sources = [Ticket(name: "office", isThere: true)]
    configuration.receivers = [receiver]
    let sampler = HostSampler(configuration)
    try sampler.arm()
    try sampler.start()
    let measurement = try sampler.stop()
    sampler.disarm()
    let sold = try #require(measurement.metrics["office.sold"])
    #expect(sold > 0 && measurement.metrics["office.left.min"] == 1000 - sold - 10)
    let left = try #require(measurement.metrics["office.left"])
    #expect(left > 1000 - sold - 10 && left < 990, "a gauge is its mean")
    #expect(measurement.metrics["cpu.user[all]"] != nil && measurement.ledger.isExact)
    let seen = receiver.seen.withLock { $0 }
    #expect(seen.frames >= 2 && seen.isFinished)
  }

  @Test func aSourceThatCannotBeHadIsAnErrorThatNamesIt() {
    for (source, category) in [
      (Ticket(name: "office", isThere: false), ErrorCategory.collectorUnavailable),
      (Ticket(name: "cpu", isThere: true), .configuration),
    ] {
      var configuration = HostSampler.Configuration(collectors: [])
      configuration.sources = [source]
      let error = #expect(throws: LBError.self) { try HostSampler(configuration).arm() }
      #expect(error?.category == category && error?.message.contains(source.name) == true)
    }
  }

  private final class Greeter: PhaseHandler {
    let kind = "greet"
    let said = Mutex<[String]>([])
    func run(_ phase: HandledPhase) throws(LBError) {
      guard case .text(let whom)? = phase.settings["whom"], !phase.isStopped else {
        throw LBError(.configuration, "\(phase.name) greets nobody")
      }
      said.withLock { $0.append("\(phase.name): \(whom) \(phase.result.phases.count)") }
    }
  }

  @Test func aKindOfOnesOwnIsExecutedInItsPlace() throws {
    let greeter = Greeter()
    func run(_ settings: [String: PlanValue]) throws -> RunResult {
      let inner = PhasePlan(name: "work", ["command": "true"])
      var request = WorkloadRunner.Request(
        plan: RunPlan([
          PhasePlan(
            "repeat", name: "each", ["parameters": ["n": [1, 2]]],
            phases: [PhasePlan("greet", name: "hello", settings, phases: [inner])])
        ]), collectors: ["cpu"])
      request.phases = [greeter]
      return try WorkloadRunner.run(request)
    }
    let result = try run(["whom": "number {n}"])
    #expect(result.status == .completed && result.phases.map(\.name) == ["work[n=1]", "work[n=2]"])
    #expect(
      greeter.said.withLock { $0 } == ["hello[n=1]: number 1 0", "hello[n=2]: number 2 1"])
    let failed = try run([:])
    #expect(failed.errors.first?.message == "hello[n=1] greets nobody")
    #expect(failed.errors.first?.context.phase == "hello[n=1]")
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
    var request = WorkloadRunner.Request(command: ["true"], collectors: ["cpu"])
    request.gates = [NoOdd()]
    request.isIdempotent = true
    let attempts = try WorkloadRunner.run(request).phases[0].repetitions[0].attempts
    #expect(attempts.map { $0.contamination.contains("it was odd") }.contains(true))
    #expect(attempts.count >= 2)
  }

  private struct Twice: RetryPolicy {
    func pause(after attempts: [AttemptResult]) -> UInt64? { attempts.count < 3 ? 1000 : nil }
  }

  @Test func aPolicyOfOnesOwnDecidesOnRetries() throws {
    func attempts(_ isIdempotent: Bool) throws -> [RunStatus] {
      var request = WorkloadRunner.Request(command: ["false"], collectors: ["cpu"])
      request.retries = Twice()
      request.isIdempotent = isIdempotent
      return try WorkloadRunner.run(request).phases[0].repetitions[0].attempts.map(\.status)
    }
    #expect(try attempts(true) == [.failed, .failed, .failed])
    #expect(try attempts(false) == [.failed], "what has begun is not repeated")
  }

  @Test func framesOfARunAreSubscribedTo() async throws {
    var request = WorkloadRunner.Request(
      command: ["sleep", "0.1"], collectors: [], interval: .milliseconds(10))
    request.sources = [Ticket(name: "office", isThere: true)]
    let frames = Subscription<FrameSnapshot>(capacity: 1000)
    request.frames = frames
    let result = try await WorkloadRunner.run(request)
    var count = 0
    for await frame in frames {
      #expect(frame.values["office.sold"] != nil)
      count += 1
    }
    let ledger = result.phases[0].repetitions[0].attempts[0].ledger
    #expect(count > 2 && count == Int(ledger.ring.drained))
  }
}
