import LinuxSystem
import RunStore
import Runner
import SampleModel
import Synchronization
import TestSupport

/// A run in virtual time, with what happened at which time since its start.
struct RunnerSchedule {
  let result: RunResult
  /// Of each process: its program's name, when its gate opened and when it ended, in nanoseconds
  /// since the start, and the signals that it was sent.
  let processes: [Process]
  let end: UInt64
  let trace: UInt64

  struct Process: Equatable {
    var name: String
    var gate: UInt64?
    var end: UInt64?
    var signals: [Signal]
    /// When its group was sent SIGKILL first.
    var groupKilled: UInt64?
    var isReaped: Bool
  }

  struct Signal: Equatable {
    var time: UInt64
    var signal: Int32
  }

  /// Raised by an operator so many nanoseconds after the start.
  struct Stops {
    var first: UInt64?
    var second: UInt64?
  }

  /// Runs `/bin/true` by `change`; its processes behave as `behaviour` says.
  init(
    seed: UInt64 = 1, repetitions: Int = 1, warmUps: Int = 0, stops: Stops = Stops(),
    roots: MountRoots = MountRoots(proc: "/nowhere", sys: "/nowhere"),
    store: RunWriter? = nil, plan: PhaseNode? = nil,
    _ change: @escaping (inout RunSpecification) -> Void = { _ in },
    behaviour:
      @escaping @Sendable (SpawnPlan, Int) throws(SpawnFailure) -> SimulatedBehaviour = { _, _ in
        SimulatedBehaviour()
      }
  ) throws {
    let scheduler = VirtualScheduler(seed: seed)
    let clock = scheduler.source
    (result, processes, end) = try scheduler.run {
      let spawner = SimulatedSpawner(clock, behaviour)
      let context = try context(
        spawner, repetitions: repetitions, warmUps: warmUps, store: store, roots: roots,
        clock: clock, change)
      let collectors = FakeCollectors(FakeSpawner())
      collectors.clock = clock
      let controller = RunController(
        context, plan: plan, executor: RepetitionExecutor(), collectors: collectors)
      let began = clock.monotonic()
      let `operator` = try SystemThread(name: "operator", time: clock) {
        guard let first = stops.first else { return }
        scheduler.work(first)
        context.services.stop.raise(reason: 2)
        guard let second = stops.second else { return }
        scheduler.work(second - first)
        context.services.kill.raise(reason: 2)
      }
      let result = controller.run(session(store, clock: clock))
      let end = clock.monotonic() - began
      `operator`.join()
      let processes = spawner.processes.map { process in
        Process(
          name: String(process.path.split(separator: "/").last ?? ""),
          gate: process.gateOpened.map { $0 - began }, end: process.ended.map { $0 - began },
          signals: process.signals.map { Signal(time: $0.time - began, signal: $0.signal) },
          groupKilled: process.groupKilled.map { $0 - began }, isReaped: process.isReaped)
      }
      return (result, processes, end)
    }
    trace = scheduler.trace
  }

  /// When the gates of the workload were opened.
  var gates: [UInt64?] { processes.filter { $0.name == "true" }.map(\.gate) }
}
