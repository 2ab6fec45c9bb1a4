import Foundation
import TestSupport
import Testing

/// `lbsample export` into files for other tools, which are read by these tools' own libraries and
/// compared with what `export` writes as text.
@Suite struct ExchangeCommandTests {
  private static let checks =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Exchange").path

  /// Whether python3 has these modules.
  private static func hasModules(_ modules: String) -> Bool {
    (try? run(["python3", "-c", "import \(modules)"]))?.code == 0
  }

  private static let readsTraces = hasModules("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
  private static let readsTables = hasModules("duckdb, polars, pyarrow.parquet")

  /// Runs a program with this process's own PATH, where a python with the modules may be.
  private static func run(_ arguments: [String]) throws -> (code: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
    process.arguments = ["-k", "5", "120"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
  }

  /// Exports the last run as text: raw, and rates.
  private func texts(_ command: Command, _ options: [String] = []) throws -> (String, String) {
    var paths: [String] = []
    for (name, flags) in [("raw", ["--raw"]), ("rates", [])] {
      let path = command.folder.file("\(name).ndjson")
      let arguments = ["export", "last", "--format", "ndjson", "--output", path] + flags + options
      let outcome = try command.start(arguments).finish()
      try #require(outcome.code == 0, "\(outcome.error)")
      paths.append(path)
    }
    return (paths[0], paths[1])
  }

  /// Exports the last run as a trace, and has it checked.
  private func check(
    _ command: Command, _ options: [String] = [], raw: [String] = []
  ) throws -> String {
    let path = command.folder.file("run.pftrace")
    let arguments = ["export", "last", "--format", "perfetto", "--output", path] + options + raw
    let outcome = try command.start(arguments).finish()
    try #require(outcome.code == 0, "\(outcome.error)")
    let (raws, rates) = try texts(command, options)
    let checked = try Self.run(
      ["\(Self.checks)/check-perfetto", path, raws] + (raw.isEmpty ? [rates] : []))
    #expect(checked.code == 0, "\(checked.text)")
    return outcome.error
  }

  private func run(_ command: Command, _ options: [String], _ script: String) throws {
    let arguments = ["run", "--quiet", "-i", "10ms"] + options + ["--", "sh", "-c", script]
    let outcome = try command.start(arguments).finish()
    try #require(outcome.code == 0, "\(outcome.error)")
  }

  @Test(.enabled(if: readsTraces, "needs python3 with perfetto (pip install perfetto protobuf)"))
  func aTraceHasWhatExportHas() throws {
    let command = try Command()
    try run(
      command,
      [
        "-r", "4", "-w", "1", "--cpu", "--memory", "--net", "--disk", "--load", "--label",
        "x=\"\n\u{202E}<b>",
      ], "sleep 0.08; head -c 3000000 /dev/urandom >/dev/null")
    let said = try check(command)
    #expect(said.contains("run.pftrace"))
    // Of a part of it too.
    try FileManager.default.removeItem(atPath: command.folder.file("run.pftrace"))
    _ = try check(command, ["--repetition", "2", "--metric", "cpu.*"])
    try FileManager.default.removeItem(atPath: command.folder.file("run.pftrace"))
    _ = try check(command, [], raw: ["--raw"])
  }

  @Test(.enabled(if: readsTraces, "needs python3 with perfetto (pip install perfetto protobuf)"))
  func aTraceOfARecordingHasItsRates() throws {
    let command = try Command()
    let record = command.folder.file("data/lbsample/runs/host.lbsample")
    try FileManager.default.createDirectory(
      atPath: command.folder.file("data/lbsample/runs"), withIntermediateDirectories: true)
    let outcome = try command.start([
      "--quiet", "--cpu", "--per-cpu", "--net", "--pressure", "--optional", "pressure", "-i",
      "5ms", "--count", "60", "--record", record,
    ]).finish()
    try #require(outcome.code == 0, "\(outcome.error)")
    _ = try check(command, ["--from", "100ms"])
  }

  @Test(
    .enabled(
      if: readsTables, "needs python3 with duckdb, polars and pyarrow (pip install)"))
  func tablesHaveWhatExportHas() throws {
    let command = try Command()
    try run(command, ["-r", "2", "--cpu", "--memory", "--net"], "sleep 0.05")
    let (raw, _) = try texts(command)
    let tables = command.folder.file("tables")
    let outcome = try command("export", "last", "--format", "parquet", "--output", tables)
    try #require(outcome.code == 0, "\(outcome.error)")
    // fastparquet 2026.9.0 crashes now and then where it decodes DELTA_BINARY_PACKED: its process
    // died in one of twelve readings of the same files.
    let checked = try Self.run(
      ["\(Self.checks)/check-parquet", raw, tables, "pyarrow", "duckdb", "polars"])
    #expect(checked.code == 0, "\(checked.text)")
  }

  @Test func aTraceNeedsAFileThatIsNotThere() throws {
    let command = try Command()
    try run(command, ["--cpu"], "true")
    let nowhere = try command("export", "last", "--format", "perfetto")
    #expect(nowhere.code == 2 && nowhere.error.contains("--output FILE.pftrace"))
    #expect(nowhere.output.isEmpty)
    let other = try command("export", "last", "--full")
    #expect(other.code == 2 && other.error.contains("--full needs --format perfetto"))
    let path = command.folder.file("there.pftrace")
    try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
    let taken = try command("export", "last", "--format", "perfetto", "--output", path)
    #expect(taken.code == 2 && taken.error.contains("exists"))
    #expect(FileManager.default.contents(atPath: path) == Data("mine".utf8))
    // What is refused leaves no draft.
    let names = try FileManager.default.contentsOfDirectory(atPath: command.folder.path)
    #expect(!names.contains { $0.hasSuffix(".draft") })
  }

  /// A full disk: exit code 5, and nothing under the trace's name.
  @Test func aTraceThatCannotBeWrittenIsNotThere() throws {
    let command = try Command()
    try run(command, ["--cpu", "--memory"], "sleep 0.05")
    let path = command.folder.file("run.pftrace")
    let (code, text) = try command.shell(
      "ulimit -f 8; trap '' XFSZ; \"$0\" export last --format perfetto --output '\(path)'")
    #expect(code == 5, "\(text)")
    let names = try FileManager.default.contentsOfDirectory(atPath: command.folder.path)
    #expect(!names.contains { $0.hasSuffix(".draft") || $0.hasSuffix(".pftrace") })
  }
}
