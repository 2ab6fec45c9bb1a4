import Glibc
import LinuxSystem
import RunStore
import Runner
import SampleModel
import TestSupport
import Testing

/// When a run does what, to the nanosecond of virtual time.
@Suite struct TimingTests {
  private static let ms: UInt64 = 1_000_000

  private static func lasting(_ milliseconds: UInt64?) -> SimulatedBehaviour {
    var behaviour = SimulatedBehaviour()
    behaviour.lasts = milliseconds.map { $0 * ms }
    return behaviour
  }

  @Test func aPauseEndsAtItsTimeOrAtAStop() throws {
    let scheduler = VirtualScheduler()
    let clock = scheduler.source
    let (whole, cut, times) = try scheduler.run { () -> (Bool, Bool, [UInt64]) in
      let services = try context(FakeSpawner(), clock: clock).services
      let began = clock.monotonic()
      let whole = services.pause(3_600_000_000_000)
      let hour = clock.monotonic()
      let stopper = try SystemThread(name: "stopper", time: clock) {
        scheduler.work(77)
        services.stop.raise()
      }
      // Longer than CLOCK_MONOTONIC goes: it never ends by itself.
      let cut = services.pause(.max)
      let times = [hour - began, clock.monotonic() - hour]
      stopper.join()
      return (whole, cut, times)
    }
    #expect(!whole && cut)
    #expect(times == [3_600_000_000_000, 77])
  }

  @Test func repetitionsAreACooldownAndASettlingApart() throws {
    let run = try RunnerSchedule(repetitions: 3, warmUps: 1) {
      $0.cooldown = 500 * Self.ms
      $0.settle = 20 * Self.ms
    } behaviour: { _, count in
      Self.lasting(10 * UInt64(count + 1))
    }
    // 20 to settle, then 10, 20, 30, 40 of work, each after 500 of cooling down and 20.
    #expect(run.gates == [20, 550, 1090, 1640].map { $0 * Self.ms })
    #expect(run.end == 1680 * Self.ms)
    let walls = run.result.phases[0].repetitions.flatMap(\.attempts).map(\.wallNanoseconds)
    #expect(walls == [10, 20, 30, 40].map { $0 * Self.ms })
  }

  @Test func attemptsAreTheirBackoffApart() throws {
    let run = try RunnerSchedule {
      $0.attempts.isIdempotent = true
      $0.attempts.retries = 5
      $0.attempts.backoff = [0, 5_000 * Self.ms, 15_000 * Self.ms]
    } behaviour: { _, count in
      var behaviour = Self.lasting(1)
      if count < 5 { behaviour.exit = ExitStatus(code: 3, signal: nil) }
      return behaviour
    }
    #expect(run.gates == [0, 1, 5_002, 20_003, 35_004, 50_005].map { $0 * Self.ms })
    #expect(run.result.phases[0].repetitions[0].attempts.count == 6)
    #expect(run.result.status == .completed)
  }

  @Test func aStartThatFailsForNowIsTriedATenthOfASecondLater() throws {
    let run = try RunnerSchedule { _ in
    } behaviour: { _, count throws(SpawnFailure) in
      if count == 0, Failing.next() { throw SpawnFailure(step: "forking", errno: EAGAIN) }
      return SimulatedBehaviour()
    }
    #expect(run.gates == [100 * Self.ms])
    #expect(run.result.status == .completed)
  }

  /// Says yes once: a process that could not be started is not counted.
  private enum Failing {
    nonisolated(unsafe) private static var isSpent = false
    static func next() -> Bool {
      defer { unsafe isSpent = true }
      return unsafe !isSpent
    }
  }

  @Test(arguments: [
    // It dies of SIGTERM at once; after a while; not at all, but of SIGKILL behind the grace.
    (UInt64?(0), 40), (7 * ms, 47), (nil, 70),
  ])
  func aTimeoutIsExactAndItsGraceToo(_ dies: UInt64?, _ wall: Int) throws {
    let run = try RunnerSchedule {
      $0.timeout = 40 * Self.ms
      $0.grace = 30 * Self.ms
    } behaviour: { _, _ in
      var behaviour = Self.lasting(nil)
      behaviour.diesAfterTerminate = dies
      return behaviour
    }
    let attempt = run.result.phases[0].repetitions[0].attempts[0]
    #expect(attempt.status == .timeout)
    #expect(attempt.wallNanoseconds == UInt64(wall) * Self.ms)
    #expect(attempt.signal == (dies == nil ? SIGKILL : SIGTERM))
    #expect(run.processes[0].signals.first == .init(time: 40 * Self.ms, signal: SIGTERM))
  }

  @Test(arguments: [
    (Int32?.none, "and was ended by signal 15; its samples are kept"),
    (3, "and exited after SIGTERM with code 3; its samples are kept"),
  ]) func howATimeoutEndedIsSaid(_ code: Int32?, _ words: String) throws {
    let run = try RunnerSchedule {
      $0.timeout = 40 * Self.ms
      $0.grace = 30 * Self.ms
    } behaviour: { _, _ in
      var behaviour = Self.lasting(nil)
      behaviour.diesAfterTerminate = 10 * Self.ms
      behaviour.exitAtTerminate = code.map { .init(code: $0, signal: nil) }
      return behaviour
    }
    let error = run.result.phases[0].repetitions[0].attempts[0].error
    #expect(error?.message.contains(words) == true, "\(String(describing: error))")
  }

  /// A shell dies of SIGTERM at once; the server that it started has the whole grace.
  @Test(arguments: [(UInt64?(20 * ms), 71), (nil, 80)])
  func theGraceIsTheWholeGroups(_ dies: UInt64?, _ killed: Int) throws {
    let run = try RunnerSchedule {
      $0.timeout = 40 * Self.ms
      $0.grace = 40 * Self.ms
    } behaviour: { _, _ in
      var behaviour = Self.lasting(nil)
      behaviour.membersDieAfterTerminate = dies
      return behaviour
    }
    // Looked for after 1, 3, 7, 15 and 31 ms.
    let process = run.processes[0]
    #expect(process.end == 40 * Self.ms && process.groupKilled == UInt64(killed) * Self.ms)
    #expect(process.signals == [.init(time: 40 * Self.ms, signal: SIGTERM)])
  }

  @Test func aSecondStopEndsTheGraceOfTheGroupToo() throws {
    let run = try RunnerSchedule(stops: .init(first: 13, second: 1_000_017)) { _ in
    } behaviour: { _, _ in
      var behaviour = Self.lasting(nil)
      behaviour.membersDieAfterTerminate = nil
      return behaviour
    }
    #expect(run.processes[0].end == 13 && run.processes[0].groupKilled == 1_000_017)
  }

  @Test func aLimitBeyondTheClockIsNone() throws {
    let run = try RunnerSchedule {
      $0.timeout = .max
      $0.grace = .max
    } behaviour: { _, _ in
      Self.lasting(86_400_000)
    }
    #expect(run.result.status == .completed && run.end == 86_400_000 * Self.ms)
  }

  @Test func silenceEndsAWorkloadAndALineDoesNot() throws {
    let silent = try RunnerSchedule {
      $0.idleTimeout = 400 * Self.ms
    } behaviour: { _, _ in
      Self.lasting(nil)
    }
    // It is looked at four times within the limit, the first time to know where it stands.
    #expect(silent.result.phases[0].repetitions[0].attempts[0].status == .timeout)
    #expect(silent.end == 500 * Self.ms)
    let talking = try RunnerSchedule {
      $0.idleTimeout = 400 * Self.ms
    } behaviour: { _, _ in
      var behaviour = Self.lasting(10_000)
      behaviour.talksEvery = 350 * Self.ms
      return behaviour
    }
    #expect(talking.result.status == .completed && talking.end == 10_000 * Self.ms)
    #expect(talking.result.phases[0].repetitions[0].attempts[0].outputBytes == 28)
  }

  @Test func aStopIsHeardAtOnceAndASecondOneEndsTheGrace() throws {
    func run(_ stops: RunnerSchedule.Stops) throws -> RunnerSchedule {
      try RunnerSchedule(repetitions: 3, stops: stops) {
        $0.grace = 30_000 * Self.ms
      } behaviour: { _, _ in
        var behaviour = Self.lasting(nil)
        behaviour.diesAfterTerminate = nil
        return behaviour
      }
    }
    let first = try run(.init(first: 13))
    #expect(
      first.processes.map(\.signals) == [
        [.init(time: 13, signal: SIGTERM), .init(time: 30_000 * Self.ms + 13, signal: SIGKILL)]
      ])
    let second = try run(.init(first: 13, second: 1_000_017))
    #expect(
      second.processes.map(\.signals) == [
        [.init(time: 13, signal: SIGTERM), .init(time: 1_000_017, signal: SIGKILL)]
      ])
    #expect(second.end == 1_000_017)
    for result in [first.result, second.result] {
      #expect(result.status == .interrupted && result.phases[0].repetitions.count == 1)
      #expect(result.phases[0].repetitions[0].attempts[0].bracketNanoseconds == 13)
    }
  }

  @Test func whatNeverDiesIsGivenUpWithinItsBound() throws {
    let run = try RunnerSchedule(repetitions: 2) {
      $0.timeout = Self.ms
      $0.grace = Self.ms
    } behaviour: { _, _ in
      var behaviour = Self.lasting(30_000)
      behaviour.diesAfterTerminate = nil
      behaviour.diesAfterKill = nil
      return behaviour
    }
    #expect(run.result.status == .failed)
    #expect(run.result.warnings.contains { $0.hasSuffix("true did not end within 5000 ms") })
    let error = run.result.phases[0].repetitions[0].attempts[0].error
    #expect(error?.message.contains("and could not be ended; its samples") == true)
    // A timeout, a grace, the wait behind SIGKILL, the reaping, and the end of its output.
    #expect(run.end == (1 + 1 + 5000 + 5000 + 200) * Self.ms)
  }

  @Test func noAttemptBeginsThatTheWallTimeHasNoRoomFor() throws {
    let run = try RunnerSchedule(repetitions: 10) {
      $0.quota.wall = 100 * Self.ms
    } behaviour: { _, _ in
      Self.lasting(30)
    }
    // The fourth one is estimated at 30 of the 10 that remain.
    #expect(run.gates == [0, 30, 60].map { $0 * Self.ms } && run.end == 90 * Self.ms)
    #expect(run.result.errors.map(\.category) == [.quota])
  }

  @Test func aCleanUpHasAMinute() throws {
    let run = try RunnerSchedule {
      $0.hooks[.cleanup] = "sleep 1000"
      // Longer than anything of ours takes to end.
      $0.grace = 8_000 * Self.ms
    } behaviour: { plan, _ in
      var behaviour = Self.lasting(plan.path == "/bin/sh" ? nil : 5)
      behaviour.diesAfterTerminate = nil
      return behaviour
    }
    #expect(run.result.errors.map(\.message) == ["--cleanup took too long and was ended"])
    #expect(run.end == (5 + 60_000 + 8_000) * Self.ms)
  }

  @Test func aHostIsWatchedInWindowsUntilItIsQuiet() throws {
    let folder = try TemporaryFolder()
    let roots = MountRoots(proc: folder.file("proc"), sys: "/nowhere")
    func wait(_ limit: UInt64, quietAfter calm: UInt64) throws -> (QuietHost.Outcome, UInt64) {
      let scheduler = VirtualScheduler()
      let clock = scheduler.source
      try folder.write("proc/stat", "cpu 0 0 0 0 0 0 0 0\n")
      return try scheduler.run {
        let services = try context(FakeSpawner(), roots: roots, clock: clock).services
        let began = clock.monotonic()
        let load = try SystemThread(name: "load", time: clock) {
          // Between the looks, which come every 200 ms.
          scheduler.work(100 * Self.ms)
          var (busy, idle) = (0, 0)
          for round: UInt64 in 1...10 {
            busy += round * 200 <= calm ? 20 : 0
            idle += round * 200 <= calm ? 20 : 1000
            do {
              try folder.write("proc/stat", "cpu \(busy) 0 0 \(idle) 0 0 0 0\n")
            } catch {
              return
            }
            scheduler.work(200 * Self.ms)
          }
        }
        let outcome = QuietHost.wait(below: 0.05, limit: limit, services)
        let passed = clock.monotonic() - began
        load.join()
        return (outcome, passed)
      }
    }
    let quiet = try wait(10_000 * Self.ms, quietAfter: 600)
    #expect(quiet.0 == .quiet && quiet.1 == 800 * Self.ms)
    let busy = try wait(1_000 * Self.ms, quietAfter: 10_000)
    #expect(busy.0 == .busy(0.5) && busy.1 == 1_000 * Self.ms)
  }
}
