import Foundation
import Glibc
import TestSupport

/// The built command, run as a user would run it.
struct Command {
  /// What a finished command left.
  struct Outcome {
    let code: Int32
    let output: String
    let error: String
    var lines: [String] { output.split(separator: "\n").map(String.init) }

    /// Each line as a JSON object.
    func objects() throws -> [[String: Any]] {
      try lines.map {
        try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
      }
    }
  }

  /// The folder of the repository.
  static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// The executable beside the test bundle.
  static let path: String = {
    let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    return bundle.deletingLastPathComponent().appendingPathComponent("lbsample").path
  }()

  let folder: TemporaryFolder
  var environment: [String: String]

  /// A command whose results, configuration and home are in a folder of its own.
  init() throws {
    folder = try TemporaryFolder()
    environment = [
      "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder.path,
      "XDG_DATA_HOME": folder.file("data"), "XDG_CONFIG_HOME": folder.file("config"),
    ]
    if let profile = ProcessInfo.processInfo.environment["LLVM_PROFILE_FILE"] {
      environment["LLVM_PROFILE_FILE"] = profile
    }
  }

  /// Starts it with its output going to files.
  func start(_ arguments: [String], in directory: String? = nil) throws -> Running {
    try Running(arguments, folder: folder, environment: environment, directory: directory)
  }

  /// Runs it to its end.
  func callAsFunction(_ arguments: String...) throws -> Outcome {
    let running = try start(arguments)
    return try running.finish()
  }

  /// Runs a shell script with `$0` as the command; a script that is not over after ten seconds is
  /// ended with code 137.
  func shell(_ script: String) throws -> (code: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
    process.arguments = ["-s", "KILL", "10", "/bin/bash", "-c", script, Self.path]
    process.environment = environment
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    let output = Foundation.Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let code =
      process.terminationReason == .uncaughtSignal
      ? 128 + process.terminationStatus : process.terminationStatus
    return (code, String(decoding: bytes, as: UTF8.self))
  }

  /// Runs it to its end as nobody, without a capability, from copies of itself and of `programs`:
  /// others may be kept out of the build folder. Only root can. In an argument `@name` stands for
  /// the copy of a program.
  func unprivileged(_ arguments: [String], programs: [String: String] = [:]) throws -> Outcome {
    for path in [folder.path, folder.file("data")] {
      _ = unsafe mkdir(path, 0o777)
      _ = unsafe chmod(path, 0o777)
    }
    var copies = programs
    copies["lbsample"] = Self.path
    for (name, path) in copies {
      try Self.copy(path, to: folder.file(name))
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
    process.arguments =
      [
        "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
        "--bounding-set=-all", folder.file("lbsample"),
      ] + arguments.map { $0.hasPrefix("@") ? folder.file(String($0.dropFirst())) : $0 }
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path]
    return try Self.run(process)
  }

  /// Copies a program. By a process of its own: what another test starts meanwhile would inherit a
  /// copy that is open for writing here, and no such program can be executed (ETXTBSY).
  static func copy(_ program: String, to path: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/cp")
    process.arguments = ["--", program, path]
    guard try run(process).code == 0 else {
      throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: path])
    }
  }

  private static func run(_ process: Process) throws -> Outcome {
    let output = Foundation.Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Outcome(
      code: process.terminationStatus, output: String(decoding: bytes, as: UTF8.self), error: "")
  }

  /// The only result file, or the newest.
  var resultFile: String? {
    let runs = folder.file("data/lbsample/runs")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: runs)) ?? []
    return names.filter { $0.hasSuffix(".lbsample") }.sorted().last.map { "\(runs)/\($0)" }
  }
}

/// Others who use a CPU each.
struct BusyNeighbours {
  private let processes: [Process]

  /// Begins with so many.
  init(_ count: Int = 1) throws {
    processes = try (0..<count).map { _ in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments = ["-c", "while :; do :; done"]
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      return process
    }
  }

  /// Ends them. Not by SIGTERM: it may be blocked here, and so in the child.
  func end() { for process in processes { kill(process.processIdentifier, SIGKILL) } }
}

/// A command under way.
final class Running {
  private static let lock = NSLock()
  nonisolated(unsafe) private static var number = 0
  let process = Process()
  private let outputPath: String
  private let errorPath: String

  init(
    _ arguments: [String], folder: TemporaryFolder, environment: [String: String],
    directory: String? = nil
  ) throws {
    let number = Self.lock.withLock {
      unsafe Self.number += 1
      return unsafe Self.number
    }
    outputPath = folder.file("out-\(number)")
    errorPath = folder.file("err-\(number)")
    for path in [outputPath, errorPath] {
      try Data().write(to: URL(fileURLWithPath: path))
    }
    process.executableURL = URL(fileURLWithPath: Command.path)
    process.arguments = arguments
    process.environment = environment
    process.currentDirectoryURL = URL(fileURLWithPath: directory ?? folder.path)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(forWritingAtPath: outputPath)
    process.standardError = FileHandle(forWritingAtPath: errorPath)
    try process.run()
  }

  /// What it has written so far.
  var output: String { Self.text(outputPath) }

  /// What it has said so far.
  var error: String { Self.text(errorPath) }

  /// Waits for its end.
  func finish() throws -> Command.Outcome {
    process.waitUntilExit()
    let code =
      process.terminationReason == .uncaughtSignal
      ? 128 + process.terminationStatus : process.terminationStatus
    return Command.Outcome(code: code, output: output, error: Self.text(errorPath))
  }

  /// Waits until `condition` holds; gives up after ten seconds.
  func wait(until condition: () -> Bool) -> Bool {
    for _ in 0..<2000 {
      if condition() { return true }
      usleep(5000)
    }
    return false
  }

  private static func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }
}
