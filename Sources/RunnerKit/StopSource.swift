import LinuxSystem
import SampleModel

/// Stops runs: whatever they wait for, within 200 ms.
///
/// A request's own source goes first; else the one that the task has:
///
/// ```swift
/// let source = try StopSource()
/// try await StopSource.$current.withValue(source) { try await suite() }
/// ```
public final class StopSource: Sendable {
  /// The source of the runs that this task starts; an inner value ends with its scope.
  @TaskLocal public static var current: StopSource?

  let flag: StopFlag

  /// A source that has not been asked to stop. Throws `internal` where there is no descriptor left.
  public init() throws(LBError) {
    do throws(SystemError) { flag = try StopFlag() } catch {
      throw LBError(.internal, "\(error)")
    }
  }

  /// Stops what runs with it, now and later.
  public func stop() { flag.raise() }

  /// Whether it was asked to.
  public var isStopped: Bool { flag.raised != nil }
}
