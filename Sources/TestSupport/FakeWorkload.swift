import Glibc
package import LinuxSystem
package import Runner
import Synchronization

/// A spawner whose children do what a test says, with a log of what happened in which order.
package final class FakeSpawner: WorkloadSpawner {
  private let failure: SpawnFailure?
  private let exit: ExitStatus?
  fileprivate let isReaped: Bool
  private let strays: Set<Int32>
  private let state = Mutex<[String]>([])

  /// Children that exit by `exit` once their gate opens (nil: only when killed), or fail to start;
  /// where not `isReaped`, they cannot be. `strays` appear with the first and do not die.
  package init(
    exit: ExitStatus? = ExitStatus(code: 0, signal: nil), failure: SpawnFailure? = nil,
    isReaped: Bool = true, strays: Set<Int32> = []
  ) {
    self.exit = exit
    self.failure = failure
    self.isReaped = isReaped
    self.strays = strays
  }

  /// What happened, in order.
  package var log: [String] { state.withLock { $0 } }

  func note(_ what: String) { state.withLock { $0.append(what) } }

  /// Adds a word of another component's to the log.
  package func mark(_ what: String) { note(what) }

  /// A fake child.
  package func spawn(_ plan: SpawnPlan) throws(SpawnFailure) -> any Workload {
    note("spawn")
    if let failure { throw failure }
    return FakeWorkload(self, exit: exit)
  }

  /// Nothing outlives a fake child but what will not die.
  package func killRemaining(
    except known: Set<Int32>, sparingBackground: Bool, until limit: UInt64
  ) -> Int {
    note("killRemaining")
    return 0
  }

  /// The strays, once there was a child.
  package func children() -> Set<Int32> { log.contains("spawn") ? strays : [] }
}

/// A child that exists in a log only.
final class FakeWorkload: Workload {
  private let spawner: FakeSpawner
  private let exit: ExitStatus?
  private var status: ExitStatus?
  private let pipe: [Int32]

  init(_ spawner: FakeSpawner, exit: ExitStatus?) {
    self.spawner = spawner
    self.exit = exit
    var ends: [Int32] = [-1, -1]
    unsafe Glibc.pipe(&ends)
    pipe = ends
  }

  deinit { for end in pipe { close(end) } }

  func openGate() {
    spawner.note("gate")
    if let exit { end(exit) }
  }

  private func end(_ status: ExitStatus) {
    guard self.status == nil else { return }
    self.status = status
    var byte: UInt8 = 1
    _ = unsafe write(pipe[1], &byte, 1)
  }

  var pid: Int32 { 0 }
  var exitPollDescriptor: Int32 { pipe[0] }
  func peekExit() -> ExitStatus? { status }
  func execFailure() -> SpawnFailure? { nil }

  func signalGroup(_ signal: Int32) -> Int32? {
    spawner.note("signal \(signal)")
    end(ExitStatus(code: nil, signal: signal))
    return nil
  }

  func reap(until limit: UInt64) -> ResourceUsage? {
    spawner.note("reap")
    guard spawner.isReaped else { return nil }
    return ResourceUsage(userNanoseconds: 1, systemNanoseconds: 2, peakResidentBytes: 3)
  }

  func abandon() { spawner.note("abandon") }
}
