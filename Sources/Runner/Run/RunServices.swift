package import LinuxSystem
import SampleModel
import Sampler

/// The services that a run needs. They are immutable, shared by its components, and replaced in
/// tests.
package struct RunServices: Sendable {
  package let clock: TimeSource
  package let roots: MountRoots
  package let spawner: any WorkloadSpawner
  /// The source of stop requests: `StopSource.current` during the run.
  package let stopSource: StopSource
  /// The control group for workloads; nil: they stay in that of lbsample.
  package let scope: ControlGroupScope?
  /// Whether a collector is available on this host; nil for an unknown name.
  package let isAvailable: @Sendable (String) -> Bool?
  /// The descriptor of a terminal at which a person can answer questions, or nil.
  package let answers: Int32?
  /// Outputs whose process has ended while others still write to them.
  package let orphanedOutputs = OrphanedOutputs()

  /// Services for one run.
  package init(
    clock: TimeSource, roots: MountRoots, spawner: any WorkloadSpawner, stopSource: StopSource,
    scope: ControlGroupScope? = nil, answers: Int32? = nil,
    isAvailable: @escaping @Sendable (String) -> Bool? = { _ in nil }
  ) {
    self.scope = scope
    self.answers = answers
    self.isAvailable = isAvailable
    self.clock = clock
    self.roots = roots
    self.spawner = spawner
    self.stopSource = stopSource
  }

  /// Raised by the first stop request.
  package var stop: StopFlag { stopSource.flag }
  /// Raised by the second stop request: processes are killed without grace.
  package var kill: StopFlag { stopSource.last }
  /// The error of a run that was stopped, or nil.
  var stopError: LBError? {
    stop.raised.map { .runStopped(by: $0) }
  }

  /// Waits for `nanoseconds` or a stop request; returns whether a stop was requested.
  package func pause(_ nanoseconds: UInt64) -> Bool {
    guard stop.raised == nil else { return true }
    guard nanoseconds > 0 else { return false }
    return !clock.wait(
      readable: [stop.pollDescriptor], until: clock.deadline(in: nanoseconds)
    ).isEmpty
  }
}

extension LBError {
  /// The error of a run that was stopped.
  static func runStopped(by reason: StopReason) -> LBError {
    var error = stopped(by: reason, "; its results are kept")
    error.message = "the run was \(error.message)"
    return error
  }
}

/// A process that was started and is held at its start gate.
package protocol Workload: AnyObject {
  var pid: Int32 { get }
  /// Opens the start gate: the process executes its command.
  func openGate()
  /// Readable once the process has exited. It stays a zombie until it is reaped.
  var exitPollDescriptor: Int32 { get }
  /// How it ended, nil while it runs. Does not reap it.
  func peekExit() -> ExitStatus?
  /// Why the command could not be executed, or nil; known after the exit.
  func execFailure() -> SpawnFailure?
  /// Whether any process of its group lives.
  var isGroupAlive: Bool { get }
  /// Signals its process group; returns the errno of a failure.
  @discardableResult
  func signalGroup(_ signal: Int32) -> Int32?
  /// Reaps the process once it has exited; nil when it has not by `limit` (CLOCK_MONOTONIC).
  func reap(until limit: UInt64) -> ResourceUsage?
  /// Kills and reaps it.
  func abandon()
}

extension Workload {
  /// For a process that is alone in its group.
  package var isGroupAlive: Bool { peekExit() == nil }
}

extension GatedChild: Workload {}

/// Starts workloads, and ends their descendants.
package protocol WorkloadSpawner: Sendable {
  /// Starts a process that is held at its start gate.
  func spawn(_ plan: SpawnPlan) throws(SpawnFailure) -> any Workload
  /// Kills and reaps descendants that outlived their group, except `known` ones and, if
  /// `sparingBackground`, those of background processes. Returns their number.
  func killRemaining(except known: Set<Int32>, sparingBackground: Bool, until limit: UInt64) -> Int
  /// The number of such processes that live, with their descendants.
  func remaining(except known: Set<Int32>, sparingBackground: Bool) -> Int
  /// Such processes that are children of this process.
  func strays(except known: Set<Int32>, sparingBackground: Bool) -> Set<Int32>
  /// The children of this process, without those of the spawner itself.
  func children() -> Set<Int32>
  /// A warning about how workloads are started, or nil.
  var notice: String? { get }
}

extension WorkloadSpawner {
  /// No warning.
  package var notice: String? { nil }
  /// No descendants.
  package func remaining(except known: Set<Int32>, sparingBackground: Bool) -> Int { 0 }
  /// All children that are not known.
  package func strays(except known: Set<Int32>, sparingBackground: Bool) -> Set<Int32> {
    children().subtracting(known)
  }
}

/// Starts real processes.
package struct SystemSpawner: WorkloadSpawner {
  /// nil where it cannot be started; `refusal` is the reason.
  private let starter: WorkloadStarter?
  private let refusal: SystemError?
  private let mark: ProcessMark?

  /// A spawner that starts processes through a starter process. It is made before anything is
  /// armed, by the thread that starts workloads. The processes carry `mark`, by which a later
  /// session finds them.
  package init(mark: ProcessMark? = nil) {
    self.mark = mark
    do throws(SystemError) {
      starter = try WorkloadStarter.take()
      refusal = nil
    } catch {
      starter = nil
      refusal = error
    }
  }

  /// Starts the process through the starter, or by fork without one.
  package func spawn(_ plan: SpawnPlan) throws(SpawnFailure) -> any Workload {
    var plan = plan
    plan.mark = plan.isBeside ? mark?.beside : mark?.measured
    return try GatedChild(plan, through: starter)
  }

  /// A warning where workloads are forked.
  package var notice: String? {
    guard let reason = refusal ?? starter?.failure else { return nil }
    return "workloads were forked by lbsample itself, since the process that starts them could not "
      + "be started: \(reason); the time of a short workload includes the release of lbsample's "
      + "memory at exec"
  }

  /// Counts by /proc/self/task/TID/children.
  package func remaining(except known: Set<Int32>, sparingBackground: Bool) -> Int {
    Descendants.remaining(
      except: known.union(own), sparing: sparingBackground ? mark?.beside : nil)
  }

  /// Finds them by /proc/self/task/TID/children.
  package func killRemaining(
    except known: Set<Int32>, sparingBackground: Bool, until limit: UInt64
  ) -> Int {
    Descendants.killRemaining(
      except: known.union(own), sparing: sparingBackground ? mark?.beside : nil, until: limit)
  }

  /// Finds them by /proc/self/task/TID/children, and those of background processes by their mark.
  package func strays(except known: Set<Int32>, sparingBackground: Bool) -> Set<Int32> {
    Descendants.strays(except: known.union(own), sparing: sparingBackground ? mark?.beside : nil)
  }

  /// Reads /proc/self/task/TID/children.
  package func children() -> Set<Int32> { Descendants.children().subtracting(own) }

  private var own: Set<Int32> { starter.map { [$0.pid] } ?? [] }
}
