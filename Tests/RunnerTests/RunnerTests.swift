import LinuxSystem
import Logging
import RunStore
import Runner
import SampleModel
import Sampler
import Synchronization
import TestSupport
import Testing

@Suite struct RunControllerTests {
  private func run(
    _ outcomes: [AttemptOutcome], warmUps: Int = 0, stopAt: Int? = nil,
    cooldown: UInt64 = 0
  ) throws -> (RunResult, FakeExecutor) {
    let spawner = FakeSpawner()
    let context = try context(spawner, warmUps: warmUps) { $0.cooldown = cooldown }
    let executor = FakeExecutor(outcomes)
    executor.onExecute = {
      if $0.repetition == stopAt, !$0.warmUp { context.services.stop.raise(reason: 2) }
    }
    let controller = RunController(
      context, executor: executor, collectors: FakeCollectors(spawner))
    return (controller.run(session()), executor)
  }

  @Test func warmUpsComeFirstAndDoNotCount() throws {
    let (result, executor) = try run(
      [outcome(.failed, LBError(.workload, "cold"))], warmUps: 2)
    #expect(executor.attempts.map(\.warmUp) == [true, true, false, false, false])
    #expect(executor.attempts.map(\.repetition) == [1, 2, 1, 2, 3])
    #expect(result.status == .completed, "a failed warm-up does not count")
    #expect(result.phases[0].repetitions.count == 5)
    #expect(result.errors.map(\.message) == ["cold"])
  }

  @Test(arguments: [
    ([RunStatus.completed, .timeout, .completed], RunStatus.timeout),
    ([.failed, .timeout, .completed], .failed), ([.completed, .completed, .completed], .completed),
  ])
  func aRunTakesTheWorstStatus(_ statuses: [RunStatus], _ expected: RunStatus) throws {
    let (result, executor) = try run(statuses.map { outcome($0) })
    #expect(result.status == expected)
    #expect(executor.attempts.count == 3, "a failed repetition does not end the run")
    #expect(result.phases[0].status == expected)
  }

  @Test func aFatalErrorEndsTheRunAndStandsFirst() throws {
    let full = LBError(.resultPersistence, "disk full")
    let (result, executor) = try run([outcome(.completed), outcome(.failed, full, fatal: full)])
    #expect(executor.attempts.count == 2)
    #expect(result.status == .failed)
    #expect(result.errors == [full.located(phase: "main", repetition: 2, attempt: 1)])
  }

  @Test func aStopEndsTheRunAtOnceAlsoInALongCooldown() throws {
    var stop = LBError(.stopRequested, "stopped")
    stop.context.signal = 2
    let (result, executor) = try run(
      [outcome(.interrupted, stop)], stopAt: 1, cooldown: 3_600_000_000_000)
    #expect(executor.attempts.count == 1)
    #expect(result.status == .interrupted)
    #expect(result.errors == [stop.located(phase: "main", repetition: 1, attempt: 1)])
  }

  @Test func aLedgerThatDoesNotAddUpIsAnInternalError() throws {
    var broken = outcome(.completed)
    var thread = ThreadLedger(thread: 0, cpu: nil)
    thread.ticks.deadlines = 5
    broken.result.ledger = Ledger(threads: [thread])
    let (result, _) = try run([broken])
    #expect(
      result.phases[0].repetitions[0].attempts.count == 1, "what was measured is kept all the same")
    #expect(result.errors.first?.category == .internal)
    #expect(result.errors.first?.origin != nil)
    #expect(result.status == .failed)
  }

  @Test(arguments: [
    (FakeSpawner(isReaped: false), "true", RunStatus.failed),
    (FakeSpawner(strays: [4711]), "what true left running", .completed),
  ])
  func whatDoesNotEndIsNamedAndTheRunEnds(
    _ spawner: FakeSpawner, _ name: String, _ status: RunStatus
  ) throws {
    let context = try context(spawner, repetitions: 1) { $0.command = ["true"] }
    let controller = RunController(
      context, executor: RepetitionExecutor(), collectors: FakeCollectors(spawner))
    let result = controller.run(session())
    #expect(
      result.warnings.filter { $0.contains("did not end") }
        == ["\(name) did not end within 5000 ms"])
    #expect(result.status == status)
  }

  @Test func aCloseIsBoundedAndEachNameIsGivenOnce() throws {
    let clock = VirtualScheduler().source
    let stopping = StopCoordinator(clock: clock, limit: 30_000_000)
    let began = clock.monotonic()
    #expect(stopping.close("quick") { _ in 7 } == 7)
    let none: Int? = stopping.close("slow") { deadline in
      _ = clock.wait(readable: [], until: deadline)
      return nil
    }
    #expect(none == nil && clock.monotonic() - began == 30_000_000)
    #expect(
      stopping.takeWarnings() == ["slow did not end within 30 ms"])
    #expect(stopping.takeWarnings().isEmpty)
  }

  @Test func everyStatusReachesTheFile() throws {
    let folder = try TemporaryFolder()
    let store = try RunWriter(
      path: folder.file("r.lbsample"),
      identity: RunWriter.Identity(
        runID: "t", name: "t", kind: "run", version: "0", interval: 1, startUnixNanoseconds: 1,
        repetitions: 2),
      host: [], configuration: [], labels: [:])
    let spawner = FakeSpawner()
    let context = try context(spawner, repetitions: 2, store: store)
    let collectors = FakeCollectors(spawner)
    let controller = RunController(
      context, executor: RepetitionExecutor(), collectors: collectors)
    let result = controller.run(session(store))
    try store.finish(result)
    let reader = try RunReader(path: store.path)
    defer { reader.close() }
    let read = try reader.result()
    #expect(read.status == .completed)
    #expect(read.phases.flatMap(\.repetitions).map(\.status) == [.completed, .completed])
    #expect(read.phases[0].repetitions[1].attempts[0].metrics == ["c.m": 2])
    #expect(read.metrics.contains { $0.metric == "c.m" && $0.median == 1.5 })
    let kinds = try reader.journal(run: "t").map(\.kind)
    #expect(
      kinds == [
        "run.start", "repetition.start", "repetition.end", "repetition.start", "repetition.end",
        "run.end",
      ])
  }
}

@Suite struct RepetitionExecutorTests {
  private func execute(
    _ spawner: FakeSpawner, _ context: RunContext,
    _ prepare: (FakeCollectors) -> Void = { _ in }
  ) -> (AttemptOutcome, [UInt32]) {
    let collectors = FakeCollectors(spawner)
    prepare(collectors)
    var began: [UInt32] = []
    let outcome = RepetitionExecutor().execute(
      AttemptID(phase: "main", repetition: 1, warmUp: false, attempt: 1), context,
      collectors
    ) { bracket throws(LBError) in
      spawner.mark("began")
      began.append(bracket)
    }
    return (outcome, began)
  }

  @Test func theOrderIsSpawnOpenGateCloseReap() throws {
    let spawner = FakeSpawner()
    let (outcome, began) = execute(spawner, try context(spawner))
    #expect(
      spawner.log == [
        "spawn", "aim", "began", "start", "gate", "stop", "signal 9", "reap", "killRemaining",
      ])
    #expect(began == [1])
    #expect(outcome.result.status == .completed)
    #expect(outcome.result.exitCode == 0)
    #expect(outcome.result.bracketNanoseconds == 250)
    #expect(outcome.result.userNanoseconds == 1 && outcome.result.peakResidentBytes == 3)
    #expect(outcome.fatal == nil)
  }

  @Test func aTimeoutIsTerminatedThenMeasured() throws {
    let spawner = FakeSpawner(exit: nil)
    let context = try context(spawner) { $0.timeout = 10_000_000 }
    let (outcome, _) = execute(spawner, context)
    #expect(
      spawner.log == [
        "spawn", "aim", "began", "start", "gate", "signal 15", "stop", "signal 9", "reap",
        "killRemaining",
      ])
    #expect(outcome.result.status == .timeout)
    #expect(outcome.result.error?.category == .workload)
    #expect(outcome.result.wallNanoseconds == 10_000_000)
  }

  @Test func aStopIsMeasuredThenTerminated() throws {
    let spawner = FakeSpawner(exit: nil)
    let context = try context(spawner)
    context.services.stop.raise(reason: 15)
    let (outcome, _) = execute(spawner, context)
    let stop = try #require(spawner.log.firstIndex(of: "stop"))
    let signal = try #require(spawner.log.firstIndex(of: "signal 15"))
    #expect(stop < signal, "the closing sample comes first")
    #expect(outcome.result.status == .interrupted)
    #expect(outcome.result.error?.exitCode == 143)
  }

  /// A sampling that fails at a stop takes nothing from the workload's grace.
  @Test func aStopWithoutASampleTerminatesToo() throws {
    let spawner = FakeSpawner(exit: nil)
    let context = try context(spawner)
    context.services.stop.raise(reason: 15)
    let error = LBError(.metricCollection, "no")
    let (outcome, _) = execute(spawner, context) { $0.failAtStop = error }
    let log = spawner.log
    let stop = try #require(log.firstIndex(of: "stop"))
    let asked = try #require(log.firstIndex(of: "signal 15"))
    let killed = try #require(log.firstIndex(of: "signal 9"))
    #expect(stop < asked && asked < killed, "\(log)")
    #expect(outcome.fatal == error)
  }

  @Test func failuresAreNamedAndAcceptedWhenAsked() throws {
    let failed = LinuxSystem.ExitStatus(code: 7, signal: nil)
    let table: [(LinuxSystem.ExitStatus, IgnoredFailures, RunStatus)] = [
      (failed, .none, .failed), (failed, .all, .completed), (failed, .codes([7]), .completed),
      (failed, .codes([8]), .failed),
      (LinuxSystem.ExitStatus(code: nil, signal: 11), .codes([11]), .failed),
      (LinuxSystem.ExitStatus(code: nil, signal: 11), .all, .completed),
      (LinuxSystem.ExitStatus(code: nil, signal: 9), .codes([137]), .completed),
      (LinuxSystem.ExitStatus(code: nil, signal: 15), .codes([137]), .failed),
    ]
    for (status, ignored, expected) in table {
      let spawner = FakeSpawner(exit: status)
      let context = try context(spawner) { $0.ignoredFailures = ignored }
      let (outcome, _) = execute(spawner, context)
      #expect(outcome.result.status == expected, "\(status) \(ignored)")
      #expect((outcome.result.error == nil) == (expected == .completed))
      if expected == .failed { #expect(outcome.result.error?.context.command == ["/bin/true"]) }
    }
  }

  @Test func aWorkloadThatCannotStartIsFatal() throws {
    let spawner = FakeSpawner(failure: SpawnFailure(step: "fork", errno: 11))
    let (outcome, began) = execute(spawner, try context(spawner))
    #expect(outcome.fatal?.category == .workload)
    #expect(began.isEmpty && spawner.log == ["spawn"])
  }

  @Test func aFailingCollectorNeverLeavesTheWorkloadBehind() throws {
    for atStart in [true, false] {
      let spawner = FakeSpawner(exit: nil)
      let context = try context(spawner) { $0.timeout = 1_000_000 }
      let error = LBError(.metricCollection, "no")
      let (outcome, _) = execute(spawner, context) {
        if atStart { $0.failAtStart = error } else { $0.failAtStop = error }
      }
      #expect(outcome.fatal == error)
      #expect(outcome.isUnopened == atStart)
      #expect(outcome.result.status == .failed)
      #expect(spawner.log.contains("signal 9") && spawner.log.contains("reap"))
    }
  }
}

@Suite struct ServicesTests {
  @Test func servicesAreGivenNotMade() throws {
    let spawner = FakeSpawner()
    let one = try context(spawner)
    let other = try context(spawner)
    #expect(one.services.stop !== other.services.stop)
    one.services.stop.raise()
    #expect(one.services.stop.raised != nil && other.services.stop.raised == nil)
    // Copies share what they were given: there is nothing in them to change.
    let copy = one.services
    #expect(copy.stop === one.services.stop && copy.kill === one.services.kill)
  }

  @Test func theJournalTellsStoreLogAndObserverTheSame() throws {
    let seen = Mutex<[JournalEntry]>([])
    let journal = Journal(
      runID: "r", clock: VirtualScheduler().source,
      logger: Logger(label: "t", factory: { _ in SwiftLogNoOpLogHandler() }), store: nil,
      observer: { entry in seen.withLock { $0.append(entry) } })
    let place = AttemptID(phase: "p", repetition: 2, warmUp: false, attempt: 3)
    try journal.record(.notice, "kind", "message", at: place)
    let entry = try #require(seen.withLock { $0 }.first)
    #expect(entry.run == "r" && entry.phase == "p" && entry.repetition == 2)
    #expect(entry.attempt == 3 && entry.level == "notice" && entry.kind == "kind")
  }
}

/// Which requests of a control channel fit which state.
@Suite struct ControlStateTests {
  @Test func everyRequestInEveryState() {
    var state = ControlState()
    let requests: [ControlRequest] = [
      .start(label: "a"), .stop, .mark(name: "m"), .status, .disarm,
    ]
    func refused() -> [String] {
      requests.filter { state.refusal($0) != nil }.map(\.word)
    }
    #expect(refused() == ["stop"])
    state.opened(7, label: "a")
    #expect(refused() == ["start", "disarm"])
    #expect(state.open?.number == 7 && state.open?.label == "a" && state.closed == 0)
    state.ended()
    #expect(refused() == ["stop"] && state.closed == 1)
  }
}

/// Numbers that workloads print.
@Suite struct WorkloadMetricTests {
  private func value(
    _ text: String, json: Bool = false, in output: String, isWhole: Bool = true
  ) throws -> Double {
    let metric = try WorkloadMetric(text) { json ? .json($0) : .pattern($0) }
    let bytes = Array(output.utf8)
    return try metric.value(
      in: isWhole ? KeptOutput(bytes) : KeptOutput(head: bytes, tail: [], total: 9999))
  }

  @Test func theLastLineThatMatchesCounts() throws {
    let output = "run 1: 10.5 MB/s\nrun 2: 12.5 MB/s\ndone in 3e2 ms\n"
    #expect(try value(#"speed[MB/s]=([0-9.]+) MB/s"#, in: output) == 12.5)
    #expect(try value(#"time=[0-9]+e[0-9]+"#, in: output) == 300, "without a group all of it")
    let metric = try WorkloadMetric("speed[MB/s]=x") { .pattern($0) }
    #expect(metric.name == "workload.speed" && metric.unit == "MB/s")
  }

  @Test func aLineOfProgressIsBegunAnew() throws {
    #expect(try value(#"v=v=(\d+)"#, in: "v=1\rv=2\rv=3\n") == 3)
    #expect(try value(#"v=v=(\d+)"#, in: "v=1\nv=2\rv=3\r\ndone\r\n") == 3)
    let cut = KeptOutput(head: [], tail: Array("=1\rv=2\rv=3\r".utf8), total: 9999)
    #expect(try WorkloadMetric(#"v=v=(\d+)"#) { .pattern($0) }.value(in: cut) == 3)
  }

  @Test func aNumberIsDecimal() throws {
    for text in ["0x10", "0x1p4", "inf", "nan", "1e400"] {
      #expect(throws: LBError.self) { _ = try value("v=v=(.*)", in: "v=\(text)\n") }
      #expect(throws: LBError.self) {
        _ = try value("v=a", json: true, in: "{\"a\":\"\(text)\"}")
      }
    }
    #expect(try value("v=v=(.*)", in: "v=-1.5E+3\n") == -1500)
  }

  @Test func aWholeNumberBeyondADoublesDigitsIsTheNearest() throws {
    for (text, number) in [
      ("9007199254740993", 9_007_199_254_740_992), ("-9007199254740993", -9_007_199_254_740_992),
      ("18446744073709551615", 18_446_744_073_709_551_616),
    ] as [(String, Double)] {
      #expect(try value("v=a", json: true, in: "{\"a\":\(text)}") == number)
    }
  }

  @Test func aPlaceInJSONIsFound() throws {
    let output =
      #"{"jobs":[{"read":{"iops":7}},{"read":{"iops":"8.5"}}],"ok":true,"n":null,"zero":0,"one":1}"#
    #expect(try value("a=zero", json: true, in: output) == 0)
    #expect(try value("a=one", json: true, in: output) == 1)
    let remarked = "[INFO] a remark\n{\n \"jobs\": [\n {\"iops\": 3}\n]\n}\nanother: [1]."
    #expect(try value("a=jobs[0].iops", json: true, in: remarked) == 3)
    #expect(try value("a=jobs[0].read.iops", json: true, in: output) == 7)
    #expect(try value("a=jobs[1].read.iops", json: true, in: output) == 8.5)
    for (path, words) in [
      ("jobs[2].read", "the array has 2"), ("jobs.read", "is not in an object"),
      ("ok", "is no number: true"), ("n", "is no number"), ("none", "there is no none"),
    ] {
      #expect {
        _ = try value("a=\(path)", json: true, in: output)
      } throws: {
        ($0 as? LBError)?.category == .outputParse
          && ($0 as? LBError)?.message.contains(words) == true
      }
    }
    #expect {
      _ = try value("a=b", json: true, in: "no json")
    } throws: {
      ($0 as? LBError)?.message.contains("is not JSON") == true
    }
  }

  @Test func whatIsNotThereIsNamedWithItsLine() {
    #expect {
      _ = try value("n=took (.*)", in: "a\ntook long\n")
    } throws: {
      ($0 as? LBError)?.message.contains("line 2 of the output matches, but long is not a number")
        == true
    }
    #expect {
      _ = try value("n=absent", in: "a\n", isWhole: false)
    } throws: {
      ($0 as? LBError)?.message.contains("a part before them is not kept") == true
    }
    for text in ["novalue", "=x", "a b=x", "a=(", "[u]=x"] {
      #expect(throws: WorkloadMetricError.self) { _ = try WorkloadMetric(text) { .pattern($0) } }
    }
    for path in ["a=", "a=b..c", "a=b[x]", "a=b[1"] {
      #expect(throws: WorkloadMetricError.self) { _ = try WorkloadMetric(path) { .json($0) } }
    }
  }
}
