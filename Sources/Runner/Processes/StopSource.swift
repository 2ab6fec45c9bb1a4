package import LinuxSystem
public import SampleModel
import Synchronization

/// Stops runs: whatever they wait for themselves, within 200 ms. A workload that takes no notice of
/// SIGTERM has its grace longer (`grace`), unless it is killed.
///
/// The source of a run's options goes first; else the one that the task has:
///
/// ```swift
/// let source = try StopSource()
/// try await StopSource.$current.withValue(source) { try await suite() }
/// ```
public final class StopSource: Sendable {
  /// The source of the runs that this task starts; an inner value ends with its scope.
  @TaskLocal public static var current: StopSource?

  package let flag: StopFlag
  package let last: StopFlag
  private let adopted = Mutex<[ObjectIdentifier: StopSource]>([:])

  /// A source that has not been asked to stop. Throws `internal` where there is no descriptor left.
  public init() throws(LBSampleError) {
    do throws(SystemError) {
      flag = try StopFlag()
      last = try StopFlag()
    } catch {
      throw LBError(.internal, "\(error)")
    }
  }

  /// A source with these flags: to stop, and to stop without grace.
  package init(stop: StopFlag, kill: StopFlag) {
    flag = stop
    last = kill
  }

  /// Stops the runs that use this source, now and later.
  public func stop() {
    flag.raise()
    for one in adopted.withLock({ Array($0.values) }) { one.stop() }
  }

  /// Stops the runs without grace: workloads are killed at once.
  public func kill() {
    flag.raise()
    last.raise()
    for one in adopted.withLock({ Array($0.values) }) { one.kill() }
  }

  /// From now on `other` stops together with this source.
  package func adopt(_ other: StopSource) {
    adopted.withLock { $0[ObjectIdentifier(other)] = other }
    if last.raised != nil { other.kill() } else if isStopped { other.stop() }
  }

  /// From now on `other` does not stop together with this source.
  package func release(_ other: StopSource) {
    adopted.withLock { $0[ObjectIdentifier(other)] = nil }
  }

  /// Whether a stop was requested.
  public var isStopped: Bool { flag.raised != nil }
}
