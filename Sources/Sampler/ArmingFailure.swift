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
    LBError(
      .collectorUnavailable,
      "collector \(name) is not available: \(availability.reasonAndFix); \(remedy(name))",
      context: ErrorContext(collector: name))
  }

  /// The error of a collector that was asked for and could not be armed.
  static func ofRequired(_ name: String, _ error: LBError) -> LBError {
    var error = error
    // What names the option already is as clear as can be.
    guard !error.message.hasPrefix("--"), error.category != .stopRequested else { return error }
    error.message = "collector \(name): \(withoutName(name, error.message))"
    if error.context.errno == ETIMEDOUT { error.message += "; \(remedy(name))" }
    return error
  }

  private static func remedy(_ name: String) -> String {
    "add --optional \(name) to continue without it"
  }

  /// An arming's error begins with its collector, which whoever reports it names.
  static func withoutName(_ name: String, _ message: String) -> String {
    let prefix = "\(name): "
    return message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message
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
