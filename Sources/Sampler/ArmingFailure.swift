import Glibc
import LinuxSystem
import SampleModel

/// What a collector or thread that could not be armed is called.
enum ArmingFailure {
  /// The outcome that a failed arming stands for.
  static func outcome(of error: LBError) -> String {
    switch error.context.errno {
    case EACCES, EPERM: "denied"
    case nil: AcquisitionOutcome.malformed.word
    default: "absent"
    }
  }

  /// The error that names a collector which was asked for and is not there.
  static func unavailable(_ name: String, _ availability: Availability) -> LBError {
    var message = "collector \(name) is \(availability.word): \(availability.reason)"
    if case .denied(_, let fix) = availability { message += "; to change that: \(fix)" }
    return LBError(
      .collectorUnavailable, message, context: ErrorContext(collector: name))
  }

  /// What to do about a thread that could not be set up.
  static func fix(_ error: SystemError) -> String {
    if error.call.hasPrefix("pthread_setschedparam") {
      return "real-time priority needs CAP_SYS_NICE: run as root, or: "
        + "setcap cap_sys_nice+ep $(command -v lbsample)"
    }
    return "see lbsample doctor for what this host permits"
  }
}
