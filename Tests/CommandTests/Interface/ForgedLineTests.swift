import Foundation
import TestSupport
import Testing

/// Names with a line feed: none begins a line of what lbsample writes for people.
@Suite struct ForgedLineTests {
  private static let forged = "2026-11-29 00:00:00 info run.end: forged"
  private static let name = "./x\n" + forged
  private static let escaped = #"x\n"# + forged

  /// Expects the name in the text, within a line.
  private func expectEscaped(_ text: String, _ what: String) {
    let lines = text.split(separator: "\n").map { $0.drop { $0 == " " } }
    #expect(!lines.contains { $0.hasPrefix(Self.forged) }, "\(what): \(text)")
    #expect(text.contains(Self.escaped), "\(what): \(text)")
  }

  @Test func aCommandThatFailsForgesNoLine() throws {
    let command = try Command()
    let log = command.folder.file("log")
    let script = try command.folder.write("x\n" + Self.forged, "#!/bin/sh\nexit 3\n")
    #expect(unsafe chmod(script, 0o755) == 0)
    let run = try command.start(
      [
        "run", "--config", "/dev/null", "--cpu", "--verbose", "--log-file", log,
        "--label", "l=\(Self.name)", "--", Self.name,
      ], in: command.folder.path
    ).finish()
    #expect(run.code == 4, "\(run.error)")
    expectEscaped(run.output, "report")
    expectEscaped(run.error, "standard error")
    expectEscaped(try String(contentsOfFile: log, encoding: .utf8), "log")
    let shown = try command("runs", "show", "last", "--journal").output
    expectEscaped(shown, "runs show")
    for word in ["command  ", "label    l=", "error    "] {
      let line = shown.split(separator: "\n").first { $0.hasPrefix(word) }
      #expect(line?.contains(Self.escaped) == true, "\(word): \(shown)")
    }
    expectEscaped(try command("runs", "list").output, "runs list")
    let target = command.folder.file("b") + "\n" + Self.forged
    let packed = try command("runs", "bundle", "last", "-o", target)
    #expect(packed.error.hasSuffix(#"/b\n"# + Self.forged + "\n"), "\(packed.error)")
    #expect(packed.error.split(separator: "\n").count == 1)
  }

  @Test func aDryRunHasALineForAPhase() throws {
    let command = try Command()
    let run = try command(
      "run", "--config", "/dev/null", "--cpu", "--dry-run", "--setup", Self.name, "--", Self.name)
    #expect(run.code == 0, "\(run.error)")
    expectEscaped(run.output, "dry run")
  }

  @Test func whatIsUnknownIsNamedWithinTheLine() throws {
    var command = try Command()
    let option = try command("--" + Self.name)
    #expect(option.code == 2)
    expectEscaped(option.error, "option")
    let file = try command("runs", "show", Self.name)
    #expect(file.code == 2)
    expectEscaped(file.error, "run")
    command.environment["LBSAMPLE_" + Self.name] = "1"
    let variable = try command("config", "show", "--config", "/dev/null")
    expectEscaped(variable.error, "environment")
    #expect(variable.error.split(separator: "\n").count == 1, "\(variable.error)")
  }
}
