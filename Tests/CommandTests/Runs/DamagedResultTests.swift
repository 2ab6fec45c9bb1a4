import Foundation
import LinuxSystem
import RunStore
import SampleModel
import TestSupport
import Testing

/// Commands that read a damaged result file.
@Suite struct DamagedResultTests {
  private static let fact = "a kernel of this name"

  /// A finished run without samples.
  private func finished(_ file: String, _ id: String) throws {
    let writer = try RunWriter(
      path: file,
      identity: RunWriter.Identity(
        runID: id, name: "x", kind: "run", version: "0", interval: 1_000_000,
        startUnixNanoseconds: 5),
      host: [("kernel", Self.fact)], configuration: [], labels: [:])
    var result = RunResult(runID: id, name: "x", kind: "run", startUnixNanoseconds: 5)
    result.status = .completed
    try writer.finish(result)
  }

  @Test func oneBitOfAFactEndsWhatShowsIt() throws {
    let command = try Command()
    try command.folder.write("data/lbsample/runs/x", "")
    let id = "x-20260101-000000-00000001"
    let file = command.folder.file("data/lbsample/runs/\(id).lbsample")
    try finished(file, id)
    #expect(try command("runs", "show", "last", "--format", "json").output.contains(Self.fact))
    var bytes = try SmallFile.read(file)
    let words = Array(Self.fact.utf8)
    let place = try #require(
      bytes.indices.dropLast(words.count).first {
        Array(bytes[$0..<$0 + words.count]) == words
      })
    bytes[place] ^= 1
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    for words in [
      ["runs", "show", "last"], ["runs", "show", "last", "--format", "json"],
      ["export", "last"], ["runs", "bundle", "last"],
      ["export", "last", "--format", "lb", "--output", "suite"],
    ] {
      let refused = try command.start(words).finish()
      #expect(refused.code == 5 && refused.output.isEmpty, "\(words): \(refused)")
      #expect(
        refused.error.contains("corrupt: table host does not match its checksum"),
        "\(words): \(refused.error)")
    }
    #expect(try SmallFile.read(file) == bytes, "it is left as it is")
    let list = try command("runs", "list")
    #expect(list.code == 0 && list.output.contains("completed"), "\(list.error)")
    #expect(try command("runs", "remove", "last").code == 0)
    #expect(!FileManager.default.fileExists(atPath: file))
  }
}
