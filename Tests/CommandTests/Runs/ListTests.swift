import Foundation
import RunStore
import SampleModel
import TestSupport
import Testing

/// `runs list` and what it notes.
@Suite struct ListTests {
  /// Lists of the same runs, with and without an index, in each format.
  private func lists(_ command: Command) throws -> [String] {
    try ["text", "json"].map { format in
      let list = try command("runs", "list", "--config", "/dev/null", "--format", format)
      #expect(list.code == 0 && list.error.isEmpty, "\(list.error)")
      return list.output
    }
  }

  @Test func aListIsTheSameWithItsIndex() throws {
    let command = try Command()
    for name in ["one", "two"] {
      let run = try command(
        "run", "--config", "/dev/null", "--name", name, "--", "sh", "-c", "# \t\(name)")
      #expect(run.code == 0, "\(run.error)")
    }
    let first = try lists(command)
    let directory = RunDirectory(path: command.folder.file("data/lbsample/runs"))
    let files = try directory.files()
    #expect(files.count == 2)

    /// Notes what is in the files, as if they had been as they are for long.
    func note(_ change: (inout RunOverview) -> Void) throws {
      try? FileManager.default.removeItem(atPath: directory.path + "/" + RunIndex.fileName)
      let index = RunIndex(of: directory, now: { .max })
      for file in files {
        _ = try index.overview(file) { path throws(LBError) in
          let reader = try RunReader(path: path)
          defer { reader.close() }
          var overview = try reader.overview()
          change(&overview)
          return RunIndex.Reading(overview, isKept: true)
        }
      }
      index.save(of: files)
    }
    try note { _ in }
    #expect(try lists(command) == first)
    try note { $0.command = ["from the index"] }
    let noted = try lists(command)
    #expect(noted[0].contains("from the index") && !noted[0].contains("sh -c"))

    let id = RunDirectory.id(ofFile: files[0])
    #expect(try command("runs", "remove", id, "--config", "/dev/null").code == 0)
    let index = try String(
      contentsOfFile: directory.path + "/" + RunIndex.fileName, encoding: .utf8)
    #expect(!index.contains(id) && index.contains(RunDirectory.id(ofFile: files[1])))
    #expect(try lists(command)[0].split(separator: "\n").count == 2)
  }

  @Test func aRunWithALogThatIsNotItsOwnIsNamed() throws {
    let command = try Command()
    #expect(try command("run", "--config", "/dev/null", "--", "true").code == 0)
    let file = try #require(
      try RunDirectory(path: command.folder.file("data/lbsample/runs")).files().first)
    try Data(repeating: 1, count: 5000).write(to: URL(fileURLWithPath: file + "-wal"))
    let list = try command("runs", "list", "--config", "/dev/null")
    #expect(list.error.contains("\(file)-wal in view"), "\(list.error)")
    #expect(!list.error.contains("no runs in"), "\(list.error)")
    #expect(FileManager.default.fileExists(atPath: file + "-wal"))
  }
}
