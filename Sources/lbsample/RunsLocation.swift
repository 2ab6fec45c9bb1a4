import Foundation
import RunStore

/// Where result files are.
enum RunsLocation {
  static func directory(_ options: StoreOptions, _ settings: Settings) -> RunDirectory {
    if let given = options.runsDirectory { return RunDirectory(path: given) }
    let configured = settings["run.runs_dir"]
    return configured.isEmpty
      ? .standard(environment: ProcessInfo.processInfo.environment)
      : RunDirectory(path: configured)
  }
}
