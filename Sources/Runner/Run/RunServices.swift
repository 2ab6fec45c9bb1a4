package import LinuxSystem
import SampleModel
import Sampler

/// What a run stands on: immutable, shared by its components, replaced in tests.
package struct RunServices: Sendable {
  package let clock: TimeSource
  package let roots: MountRoots
  package let spawner: any WorkloadSpawner
  /// What asks the run to stop: `StopSource.current` of all that it does.
  package let stopSource: StopSource
  /// The control group that workloads are put into, nil to leave them in ours.
  package let scope: ControlGroupScope?
  /// Whether a collector can be had here; nil for one that there is not.
  package let isAvailable: @Sendable (String) -> Bool?
  /// Where a person answers: a terminal's descriptor, nil when nobody is there.
  package let answers: Int32?
  /// What is read on of outputs whose process has ended.
  package let leftOutputs = LeftOutputs()

  /// Services.
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

  /// Raised by a first stop request.
  package var stop: StopFlag { stopSource.flag }
  /// Raised by a second one: no more grace.
  package var kill: StopFlag { stopSource.last }
  /// What ends a run that was stopped.
  var stopError: LBError? {
    stop.raised.map { .runStopped(by: $0) }
  }

  /// Waits for `nanoseconds` or a stop request; gives whether it was a stop.
  package func pause(_ nanoseconds: UInt64) -> Bool {
    guard stop.raised == nil else { return true }
    guard nanoseconds > 0 else { return false }
    return !clock.wait(
      readable: [stop.pollDescriptor], until: clock.deadline(in: nanoseconds)
    ).isEmpty
  }
}

extension LBError {
  /// What ends a run that was stopped.
  static func runStopped(by reason: StopReason) -> LBError {
    var error = stopped(by: reason, "; its results are kept")
    error.message = "the run was \(error.message)"
    return error
  }
}

/// A child at its gate, as the executor needs it.
package protocol Workload: AnyObject {
  /// Its process.
  var pid: Int32 { get }
  /// Lets it exec.
  func openGate()
  /// Readable once it has exited; stays a zombie until reaped.
  var exitPollDescriptor: Int32 { get }
  /// How it ended, nil while it runs. Does not reap.
  func peekExit() -> ExitStatus?
  /// Why it never became the command, if so. After the exit.
  func execFailure() -> SpawnFailure?
  /// Whether a process of its group lives, itself or another one.
  var isGroupAlive: Bool { get }
  /// Signals its process group; gives the errno of a refusal.
  @discardableResult
  func signalGroup(_ signal: Int32) -> Int32?
  /// Reaps it once it has exited; nil when it has not by `limit`.
  func reap(until limit: UInt64) -> ResourceUsage?
  /// Ends one that is not wanted any more.
  func abandon()
}

extension Workload {
  /// It is alone in its group.
  package var isGroupAlive: Bool { peekExit() == nil }
}

extension GatedChild: Workload {}

/// What starts workloads.
package protocol WorkloadSpawner: Sendable {
  /// A child at its gate.
  func spawn(_ plan: SpawnPlan) throws(SpawnFailure) -> any Workload
  /// Kills and reaps what outlived the group, or only what was not begun by what stands beside it;
  /// gives how many.
  func killRemaining(except known: Set<Int32>, sparingBeside: Bool, until limit: UInt64) -> Int
  /// How many such processes live, those below them included.
  func remaining(except known: Set<Int32>, sparingBeside: Bool) -> Int
  /// Those of them that are children of this process.
  func strays(except known: Set<Int32>, sparingBeside: Bool) -> Set<Int32>
  /// Present children of this process, but for what belongs to the spawner itself.
  func children() -> Set<Int32>
  /// What the user should know of how workloads are started.
  var remark: String? { get }
}

extension WorkloadSpawner {
  /// Nothing.
  package var remark: String? { nil }
  /// None.
  package func remaining(except known: Set<Int32>, sparingBeside: Bool) -> Int { 0 }
  /// All that are not known.
  package func strays(except known: Set<Int32>, sparingBeside: Bool) -> Set<Int32> {
    children().subtracting(known)
  }
}

/// Real processes.
package struct SystemSpawner: WorkloadSpawner {
  /// nil where it cannot be had.
  private let starter: WorkloadStarter?
  private let refusal: SystemError?
  private let mark: ProcessMark?

  /// Real processes, begun by a starter: made before anything is armed, by the thread that runs
  /// them. They carry `mark`, by which they are known again.
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

  /// Clones, or forks where that cannot be had.
  package func spawn(_ plan: SpawnPlan) throws(SpawnFailure) -> any Workload {
    var plan = plan
    plan.mark = plan.isBeside ? mark?.beside : mark?.measured
    return try GatedChild(plan, through: starter)
  }

  /// That workloads are forked.
  package var remark: String? {
    guard let reason = refusal ?? starter?.failure else { return nil }
    return "workloads were forked by lbsample itself, since the process that starts them cannot be "
      + "had: \(reason); the time of a short one is longer by what its exec has to tear down"
  }

  /// By /proc/self/task/TID/children.
  package func remaining(except known: Set<Int32>, sparingBeside: Bool) -> Int {
    Descendants.remaining(
      except: known.union(own), sparing: sparingBeside ? mark?.beside : nil)
  }

  /// As the protocol says.
  package func killRemaining(
    except known: Set<Int32>, sparingBeside: Bool, until limit: UInt64
  ) -> Int {
    Descendants.killRemaining(
      except: known.union(own), sparing: sparingBeside ? mark?.beside : nil, until: limit)
  }

  /// By /proc/self/task/TID/children, and the mark that they carry.
  package func strays(except known: Set<Int32>, sparingBeside: Bool) -> Set<Int32> {
    Descendants.strays(except: known.union(own), sparing: sparingBeside ? mark?.beside : nil)
  }

  /// By /proc/self/task/TID/children.
  package func children() -> Set<Int32> { Descendants.children().subtracting(own) }

  private var own: Set<Int32> { starter.map { [$0.pid] } ?? [] }
}
