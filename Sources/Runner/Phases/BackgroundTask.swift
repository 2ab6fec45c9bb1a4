package import SampleModel

/// Something that a phase began and that has to be ended: a process, a checkpoint.
package protocol PhaseResource: AnyObject {
  /// Reacts to the outcome of its phase, before it is stopped. Returns what went wrong with that.
  func phaseEnded(_ status: RunStatus) -> LBError?
  /// Ends it. Returns what went wrong with that.
  func stop() -> LBError?
}

extension PhaseResource {
  /// The outcome of the phase makes no difference.
  package func phaseEnded(_ status: RunStatus) -> LBError? { nil }
}

/// A process that runs beside what is measured: a server, a load.
package protocol BackgroundTask: PhaseResource {
  /// Its name in messages.
  var title: String { get }
  /// The failure that ended it, or nil.
  var failure: LBError? { get }
  /// A warning about it although it has not failed, or nil.
  var notice: String? { get }
  /// Readable once it has ended; nil for a task that cannot end by itself.
  var endDescriptor: Int32? { get }
  /// Starts it again after a failure.
  func restart() throws(LBError)
}
