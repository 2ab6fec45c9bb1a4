import Glibc
import LinuxSystem
package import SampleModel

/// Finds commands before anything is started.
package enum WorkloadCommand {
  /// The path of the command, by the PATH and the directory of the workload. Throws `configuration`
  /// where it cannot be executed.
  package static func resolve(_ specification: RunSpecification) throws(LBError) -> String {
    guard let command = specification.command.first, !command.isEmpty else {
      throw LBError(
        .configuration, "no command to run: put it after --, as in: lbsample run -- sleep 1")
    }
    let searchPath =
      specification.environment.last { $0.begins("PATH=") }.flatMap { $0.halves("=")?.back }
      ?? "/usr/local/bin:/usr/bin:/bin"
    do throws(CommandPath.Refusal) {
      return try CommandPath.resolve(
        command, searchPath: searchPath, directory: specification.directory)
    } catch {
      var failure: LBError
      switch error {
      case .notFound(let searched):
        failure = LBError(
          .configuration, "\(command): no such command in PATH (\(searched)); check the name")
      case .unreachable(let path, ENOENT):
        failure = LBError(.configuration, "\(path) does not exist; check the path")
      case .unreachable(let path, EACCES):
        failure = LBError(
          .configuration,
          "\(path): permission denied: you need search permission (x) on all its directories")
      case .unreachable(let path, let errno):
        failure = LBError(.configuration, "\(path): \(SystemError.words(errno)); check the path")
      case .notExecutable(let path):
        failure = LBError(
          .configuration, "\(path) is not executable: chmod +x it, or name its interpreter")
      case .isDirectory(let path):
        failure = LBError(.configuration, "\(path) is a directory, not a command")
      }
      failure.context.command = specification.command
      throw failure
    }
  }
}
