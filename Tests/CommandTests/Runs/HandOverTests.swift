import Foundation
import RunStore
import SampleModel
import TestSupport
import Testing
import Yams

/// Results on their way to others: as YAML, and packed.
@Suite struct HandOverTests {
  /// Whoever wrote the file chose its id: it leads nowhere, is no option of tar's and no host.
  @Test(arguments: ["../victim", "..", "--version", "-T/etc/passwd", "host:x", "/etc/x", "a-1"])
  func aBundleHasANameOfItsOwn(_ id: String) throws {
    let command = try Command()
    let file = command.folder.file("x.lbsample")
    let writer = try RunWriter(
      path: file,
      identity: RunWriter.Identity(
        runID: id, name: "x", kind: "run", version: "0", interval: 1_000_000,
        startUnixNanoseconds: 5), host: [], configuration: [], labels: [:])
    try writer.finish(
      RunResult(runID: id, name: "x", kind: "run", startUnixNanoseconds: 5))
    try command.folder.write("victim/README.txt", "mine")
    let packed = try command("runs", "bundle", file)
    let names = try FileManager.default.contentsOfDirectory(atPath: command.folder.path)
    #expect(
      FileManager.default.contents(atPath: command.folder.file("victim/README.txt"))
        == Data("mine".utf8))
    guard packed.code == 0 else {
      #expect(packed.code == 5 && packed.error.contains("it is not a run id"), "\(packed.error)")
      #expect(names.allSatisfy { !$0.contains(".tar") } && id != "a-1")
      return
    }
    let archive = try #require(names.first { $0.hasSuffix(".tar.gz") })
    #expect(!archive.hasPrefix("-") && !archive.contains(":"))
    let list = Process()
    list.executableURL = URL(fileURLWithPath: "/bin/tar")
    list.arguments = ["-tzf", command.folder.file(archive)]
    let output = Foundation.Pipe()
    list.standardOutput = output
    try list.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    list.waitUntilExit()
    let base = archive.dropLast(".tar.gz".count)
    let lines = text.split(separator: "\n")
    #expect(lines.count > 5 && lines.allSatisfy { $0.hasPrefix("\(base)/") }, "\(text)")
  }

  @Test func aResultIsTheSameInJSONAndYAML() throws {
    let command = try Command()
    let file = command.folder.file("r.yaml")
    let ran = try command(
      "run", "--cpu", "--config", "/dev/null", "--name", "a: b", "--label", "note=- \"x\": 1",
      "--result", file, "--format", "json", "--", "true")
    #expect(ran.code == 0, "\(ran.error)")
    let printed = try JSONDecoder().decode(RunResult.self, from: Data(ran.output.utf8))
    let written = try YAMLDecoder().decode(
      RunResult.self, from: try String(contentsOfFile: file, encoding: .utf8))
    #expect(printed == written && printed.labels["note"] == "- \"x\": 1")
    let shown = try command("runs", "show", "--format", "yaml")
    #expect(try YAMLDecoder().decode(RunResult.self, from: shown.output) == printed)
    let wrong = try command("run", "--format", "yml", "--", "true")
    #expect(wrong.code == 2 && wrong.error.contains("did you mean yaml?"), "\(wrong.error)")
  }

  @Test func aRunIsPackedForAColleague() throws {
    let command = try Command()
    let ran = try command(
      "run", "--cpu", "--config", "/dev/null", "--runs-dir", command.folder.file("r"), "-r", "2",
      "--", "sh", "-c", "echo said")
    #expect(ran.code == 0, "\(ran.error)")
    let archive = command.folder.file("b.tar.gz")
    func bundle() throws -> Command.Outcome {
      try command("runs", "bundle", "--runs-dir", command.folder.file("r"), "-o", archive)
    }
    let packed = try bundle()
    #expect(packed.code == 0 && packed.error.contains("packed"), "\(packed.error)")
    #expect(try bundle().code == 2, "it overwrites nothing")
    let tar = Process()
    tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    tar.arguments = ["tar", "-xzf", archive, "-C", command.folder.path, "--strip-components=1"]
    try tar.run()
    tar.waitUntilExit()
    func text(_ name: String) throws -> String {
      try String(contentsOfFile: command.folder.file(name), encoding: .utf8)
    }
    #expect(try text("journal.txt").contains("run.end: run completed"))
    #expect(try text("doctor.txt").contains("kernel"))
    #expect(try text("configuration.txt").contains("run.grace = 30s"))
    #expect(try text("outputs/main-rep2-attempt1.txt") == "said\n")
    let result = try JSONDecoder().decode(
      RunResult.self, from: Data(try text("result.json").utf8))
    #expect(result.status == .completed)
  }

  @Test func aPlanSaysWhatARunMayUseAndNeeds() throws {
    let command = try Command()
    let plan = command.folder.file("p.toml")
    func run(_ settings: String, _ options: String...) throws -> Command.Outcome {
      try "\(settings)\n[[phase]]\nname = \"a\"\ncommand = \"true\"\n"
        .write(toFile: plan, atomically: true, encoding: .utf8)
      return try command.start(
        ["run", "--cpu", "--config", "/dev/null", "--plan", plan] + options
      ).finish()
    }
    let small = try run("max_ring_memory = 100")
    #expect(
      small.code == 6 && small.error.contains("--max-ring-memory stops the run"), "\(small.error)")
    #expect(try run("max_ring_memory = 100", "--max-ring-memory", "100000000").code == 0)
    let denied = try run("set_host = [\"aslr=0\"]")
    #expect(denied.code == 2 && denied.error.contains("--allow aslr"), "\(denied.error)")
    let wrong = try run("max_wall = 5\nmax_bytes = \"x\"")
    #expect(wrong.code == 2, "\(wrong.error)")
    #expect(wrong.error.contains("max_wall") && wrong.error.contains("max_bytes"))
  }
}
