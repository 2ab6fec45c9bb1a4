import Foundation
import LinuxSystem
import RunStore
import SampleModel

/// Where result files are.
enum RunsLocation {
  /// Refuses a file of another user, unless by `force`; `reason` says what the file is
  /// for.
  static func checkOwner(_ path: String, force: Bool, _ reason: String) throws(LBError) {
    guard !force, let user = Trust.otherOwner(of: path) else { return }
    let name = UserIdentity(named: "\(user)").map { " (\($0.name))" } ?? ""
    throw LBError(
      .configuration,
      "\(path) belongs to user \(user)\(name), not to you: \(reason); --force overrides this",
      context: ErrorContext(path: path))
  }

  static func directory(_ options: StoreOptions, _ settings: Settings) -> RunDirectory {
    if let given = options.runsDirectory { return RunDirectory(path: given.text) }
    let configured = settings["run.runs_dir"]
    return configured.isEmpty
      ? .standard(environment: ProgramEnvironment.variables)
      : RunDirectory(path: configured)
  }
}
