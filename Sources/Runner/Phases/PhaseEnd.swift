import SampleModel

/// How the execution of a phase, or of a list of phases, ended. An error that ends the run whatever
/// takes the phase's place is thrown instead.
enum PhaseEnd {
  /// It was executed, skipped, or ended by a stop request. The results of its repetitions stand in
  /// the run's result, failures included.
  case over
  /// It could not be executed to its end. The error ends the run, unless a fallback takes the
  /// phase's place or the failure policy continues after it.
  case failed(LBError)

  /// The failure, or nil.
  var error: LBError? {
    if case .failed(let error) = self { error } else { nil }
  }

  /// A failure with this error; over without one.
  init(_ error: LBError?) {
    self = error.map { .failed($0) } ?? .over
  }
}
