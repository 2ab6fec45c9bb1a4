import Foundation
import Glibc
import RunStore

/// Where result files are, and taking back one in which nothing was recorded.
enum RunsLocation {
  static func directory(_ options: StoreOptions, _ settings: Settings) -> RunDirectory {
    if let given = options.runsDirectory { return RunDirectory(path: given) }
    let configured = settings["run.runs_dir"]
    return configured.isEmpty
      ? .standard(environment: ProcessInfo.processInfo.environment)
      : RunDirectory(path: configured)
  }

  static func discard(_ path: String) {
    for suffix in ["", "-wal", "-shm", "-tail"] { _ = unsafe unlink(path + suffix) }
  }
}
