import LinuxSystem
import Synchronization
import TestSupport
import Testing

/// Virtual time itself: what it tells, whom it lets run, and what it reports.
struct VirtualSchedulerTests {
  /// Words that two threads hand to and fro, and what they counted.
  private final class Table: Sendable {
    let ball = FutexWord(0)
    let flag = FutexWord(0)
    let count = Atomic<Int>(0)
  }

  /// Two threads hand a ball to and fro; gives the time that it took.
  private static func play(_ scheduler: VirtualScheduler, rounds: UInt32) throws -> UInt64 {
    try scheduler.run {
      let (time, table) = (scheduler.source, Table())
      let began = time.monotonic()
      let other = try SystemThread(name: "other", time: time) {
        for round in 0..<rounds {
          while table.ball.load() == 2 * round {
            time.wait(table.ball, whileEqualTo: 2 * round, until: .max)
          }
          scheduler.work(7)
          table.ball.store(2 * round + 2)
          time.wakeAll(table.ball)
        }
      }
      for round in 0..<rounds {
        table.ball.store(2 * round + 1)
        time.wakeAll(table.ball)
        while table.ball.load() == 2 * round + 1 {
          time.wait(table.ball, whileEqualTo: 2 * round + 1, until: .max)
        }
      }
      other.join()
      return time.monotonic() - began
    }
  }

  @Test func twoThreadsHandABallToAndFro() throws {
    var options = VirtualScheduler.Options(seed: 3)
    options.spurious = 0.1
    let scheduler = VirtualScheduler(options)
    #expect(try Self.play(scheduler, rounds: 300) == 300 * 7)
    #expect(scheduler.handOvers >= 600)
  }

  @Test func theSeedDecidesTheSchedule() throws {
    var traces: [UInt64: UInt64] = [:]
    for seed: UInt64 in 1...8 {
      let first = VirtualScheduler(seed: seed)
      let second = VirtualScheduler(seed: seed)
      _ = try Self.play(first, rounds: 20)
      _ = try Self.play(second, rounds: 20)
      #expect(first.trace == second.trace && first.points == second.points, "seed \(seed)")
      traces[first.trace] = seed
    }
    #expect(traces.count == 8)
  }

  @Test func waitsEndToTheNanosecond() throws {
    let scheduler = VirtualScheduler(seed: 1)
    let times = try scheduler.run { () -> [UInt64] in
      let time = scheduler.source
      let word = FutexWord(4)
      let began = time.monotonic()
      time.wait(word, whileEqualTo: 4, until: began + 3_600_000_000_001)
      let hour = time.monotonic()
      time.wait(word, whileEqualTo: 5, until: .max)
      time.wait(word, whileEqualTo: 4, until: hour)
      let none = time.wait(readable: [-1], until: hour + 13)
      let after = time.monotonic()
      return [hour - began, after - hour, UInt64(none.count)]
    }
    #expect(times == [3_600_000_000_001, 13, 0])
  }

  @Test func aLateWakerWakesAtItsOwnTime() throws {
    for seed: UInt64 in 1...50 {
      let scheduler = VirtualScheduler(seed: seed)
      let passed = try scheduler.run { () -> UInt64 in
        let (time, table) = (scheduler.source, Table())
        let began = time.monotonic()
        let waker = try SystemThread(name: "waker", time: time) {
          scheduler.work(250)
          table.flag.store(1)
          time.wakeAll(table.flag)
        }
        while table.flag.load() == 0 {
          time.wait(table.flag, whileEqualTo: 0, until: began + 1000)
        }
        let passed = time.monotonic() - began
        waker.join()
        return passed
      }
      #expect(passed == 250, "seed \(seed)")
    }
  }

  @Test func workOfTwoThreadsRunsAtOnceAndAStallDoesNot() throws {
    let scheduler = VirtualScheduler(seed: 9)
    let numbers = try scheduler.run { () -> [UInt64] in
      let (time, table) = (scheduler.source, Table())
      let began = time.monotonic()
      let other = try SystemThread(name: "other", time: time) {
        scheduler.work(400)
        table.count.store(Int(time.threadCPU()), ordering: .relaxed)
      }
      scheduler.work(300)
      let mine = time.threadCPU()
      let both = time.monotonic() - began
      scheduler.advance(1000)
      other.join()
      return [
        both, mine, UInt64(table.count.load(ordering: .relaxed)), time.monotonic() - began,
      ]
    }
    #expect(numbers == [300, 300, 400, 1300])
  }

  @Test func wallClockStepsAndSuspendsAreApartFromTheMonotonicOne() throws {
    let scheduler = VirtualScheduler()
    let time = scheduler.source
    let before = (time.monotonic(), time.realtime(), time.boottime())
    scheduler.advance(5)
    scheduler.step(-20)
    scheduler.suspend(100)
    #expect(time.monotonic() - before.0 == 5)
    #expect(time.realtime() - before.1 == 85)
    #expect(time.boottime() - before.2 == 105)
    // Alone, an unregistered thread waits no real time.
    #expect(time.wait(readable: [-1], until: time.monotonic() + 3_600_000_000_000).isEmpty)
    #expect(time.monotonic() - before.0 == 3_600_000_000_005)
  }

  @Test func aDeadlockIsReportedWithNames() throws {
    let scheduler = VirtualScheduler(seed: 5)
    let failure = #expect(throws: VirtualFailure.self) {
      try scheduler.run {
        let (time, table) = (scheduler.source, Table())
        let left = try SystemThread(name: "left", time: time) {
          time.wait(table.ball, whileEqualTo: 0, until: .max)
        }
        let right = try SystemThread(name: "right", time: time) {
          _ = time.wait(readable: [-1], until: nil)
        }
        left.join()
        right.join()
      }
    }
    #expect(failure?.kind == .deadlock && failure?.seed == 5)
    let lines = failure?.threads ?? []
    #expect(lines.count == 3)
    #expect(lines.contains { $0.hasPrefix("main waits for the end of thread 1") })
    #expect(lines.contains { $0.hasPrefix("left waits while word 0 is 0") })
    #expect(lines.contains { $0.hasPrefix("right waits for descriptors [-1]") })
    #expect(failure?.decisions.isEmpty == false)
  }

  @Test func whoIsLeftWaitingBehindTheBodyIsReported() throws {
    let scheduler = VirtualScheduler(seed: 5)
    let failure = #expect(throws: VirtualFailure.self) {
      try scheduler.run {
        let (time, table) = (scheduler.source, Table())
        try SystemThread(name: "forgotten", time: time) {
          while true { time.wait(table.ball, whileEqualTo: 0, until: .max) }
        }.detach()
      }
    }
    #expect(failure?.threads.map { $0.prefix(15) } == ["forgotten waits"])
  }

  /// One thread sets a flag and bumps a word; the other looks at the flag and waits for the word.
  /// Read behind the flag, the word may have the bump already: the wake-up is lost.
  private static func isWoken(seed: UInt64, readsWordFirst: Bool) -> Bool {
    let scheduler = VirtualScheduler(seed: seed)
    do {
      try scheduler.run {
        let (time, table) = (scheduler.source, Table())
        let waker = try SystemThread(name: "waker", time: time) {
          table.flag.store(1)
          table.ball.store(1)
          time.wakeAll(table.ball)
        }
        var seen = table.ball.load()
        while table.flag.load() == 0 {
          _ = time.monotonic()
          if !readsWordFirst { seen = table.ball.load() }
          time.wait(table.ball, whileEqualTo: seen, until: .max)
          seen = table.ball.load()
        }
        waker.join()
      }
      return true
    } catch {
      return false
    }
  }

  @Test func aLostWakeUpIsFoundAndARightProgramPasses() {
    let seeds: ClosedRange<UInt64> = 1...200
    #expect(seeds.contains { !Self.isWoken(seed: $0, readsWordFirst: false) })
    #expect(seeds.allSatisfy { Self.isWoken(seed: $0, readsWordFirst: true) })
  }

  @Test func threadsThatKeepEachOtherBusyAreALivelock() {
    var options = VirtualScheduler.Options()
    options.pointLimit = 1000
    let scheduler = VirtualScheduler(options)
    let failure = #expect(throws: VirtualFailure.self) {
      try scheduler.run { while scheduler.monotonic() < 2_000_000_000 {} }
    }
    #expect(failure?.kind == .livelock)
    #expect(scheduler.points == 1001)
    // With a cost, the clock moves by being read.
    options.readCost = 2_000_000
    let costly = VirtualScheduler(options)
    #expect(throws: Never.self) {
      try costly.run { while costly.monotonic() < 2_000_000_000 {} }
    }
    #expect(costly.monotonic() == 2_000_000_000)
  }

  @Test func aThreadThatReallyBlocksIsAStall() {
    var options = VirtualScheduler.Options()
    options.timeout = 20_000_000
    let scheduler = VirtualScheduler(options)
    let table = Table()
    let failure = #expect(throws: VirtualFailure.self) {
      try scheduler.run { Futex.wait(table.ball, whileEqualTo: 0, until: Futex.forever) }
    }
    #expect(failure?.kind == .stall)
    #expect(failure?.threads == ["main can run (it has the token)"])
  }

  @Test func descriptorsAreLookedAtWhenOthersHaveRun() throws {
    let scheduler = VirtualScheduler(seed: 2)
    let seen = try scheduler.run { () -> [UInt64] in
      let (time, flag) = (scheduler.source, try StopFlag())
      let began = time.monotonic()
      let raiser = try SystemThread(name: "raiser", time: time) {
        scheduler.work(5_000_000)
        flag.raise()
      }
      let ready = time.wait(readable: [-1, flag.pollDescriptor], until: began + 10_000_000)
      let passed = time.monotonic() - began
      raiser.join()
      return ready.map { UInt64($0) } + [passed]
    }
    #expect(seen == [1, 5_000_000])
  }

  @Test func outsideProcessesAreWaitedForReally() throws {
    var options = VirtualScheduler.Options()
    options.realDescriptors = true
    let scheduler = VirtualScheduler(options)
    let flag = try StopFlag()
    let gate = FutexWord(0)
    let outside = try SystemThread(name: "outside") { [time = scheduler.source] in
      // It raises the flag once virtual time has moved, which only real waiting does here.
      let began = time.monotonic()
      while time.monotonic() < began + 2_000_000 {
        Futex.wait(gate, whileEqualTo: 0, until: Clock.monotonic() + 100_000)
      }
      flag.raise()
    }
    let (ready, passed) = try scheduler.run { () -> ([Int], UInt64) in
      let began = scheduler.monotonic()
      let ready = scheduler.wait(readable: [flag.pollDescriptor], until: nil)
      return (ready, scheduler.monotonic() - began)
    }
    outside.join()
    #expect(ready == [0] && passed >= 1_000_000)
  }
}
