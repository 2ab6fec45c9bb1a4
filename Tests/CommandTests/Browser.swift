import Foundation
import TestSupport
import Testing

/// A headless browser that says what is on pages: `Tests/Browser/browse`.
enum Browser {
  private static let program =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Browser/browse").path

  /// Why a test without one is skipped.
  static let need: Comment = "needs chromium and python3 (apt-get install chromium python3)"

  static let isThere = ["chromium", "python3"].allSatisfy { name in
    ["/usr/bin", "/usr/local/bin"].contains {
      FileManager.default.isExecutableFile(atPath: "\($0)/\(name)")
    }
  }

  /// All that a page shows and does.
  static func whole(_ command: Command, _ page: String) throws -> [String: Any] {
    try #require(try answer(command, [page, "--search", "user all"]) as? [String: Any])
  }

  /// What several pages have, by the order of their files.
  static func brief(_ command: Command, _ pages: [String]) throws -> [[String: Any]] {
    try #require(try answer(command, ["--brief"] + pages) as? [[String: Any]])
  }

  private static func answer(_ command: Command, _ arguments: [String]) throws -> Any {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
    process.arguments = ["-k", "5", "180", "python3", program] + arguments
    process.environment = [
      "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": command.folder.path,
      "TMPDIR": command.folder.path,
    ]
    let out = command.folder.file("browse.json")
    try Data().write(to: URL(fileURLWithPath: out))
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: out))
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try JSONSerialization.jsonObject(with: try Data(contentsOf: URL(fileURLWithPath: out)))
  }
}
