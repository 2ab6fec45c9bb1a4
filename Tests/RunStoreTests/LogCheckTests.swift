import Foundation
import LinuxSystem
import RunStore
import SampleModel
import TestSupport
import Testing

/// A log that is not the file's own destroys nothing.
@Suite struct LogCheckTests {
  /// A run with samples in its log, which its writer has not closed.
  private func recording(_ path: String, id: String, columns: Int = 12) throws -> Script {
    let script = try Script(path, id: id)
    try script.layout(columns: columns)
    try script.frames(20)
    try script.commit(end: true)
    return script
  }

  private func write(_ bytes: [UInt8], _ path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  /// Reading and resuming fail, and leave the file and its log as they are.
  private func expectUnchanged(_ path: String, _ words: String = "") throws {
    let (file, log) = (try SmallFile.read(path), try SmallFile.read(path + "-wal"))
    let advice =
      ", with the log \(path)-wal in view. If that log is not this file's own, move it away and "
      + "read the file again"
    for _ in 0..<2 {
      let errors = [
        #expect(throws: LBError.self) { _ = try RunReader(path: path) },
        #expect(throws: LBError.self) { _ = try RunWriter(resuming: path) },
      ]
      for error in errors {
        #expect(error?.category.exitCode == 5)
        let message = error?.message ?? ""
        #expect(message.hasPrefix("\(path): \(words)") && message.hasSuffix(advice), "\(message)")
      }
      // Host changes are put back, and runs are removed, without the tables.
      try RunReader(path: path, mayLackTables: true).close()
      let (fileNow, logNow) = (try SmallFile.read(path), try SmallFile.read(path + "-wal"))
      #expect(fileNow == file && logNow == log)
    }
    #expect(!FileManager.default.fileExists(atPath: path + "-wal.damaged"))
  }

  @Test func aForeignLogChangesNothing() throws {
    let folder = try TemporaryFolder()
    let (path, otherPath) = (folder.file("r.lbsample"), folder.file("other.lbsample"))
    let script = try recording(path, id: "one-20260101-000000-00000001")
    try script.writer.setRunStatus(.interrupted)
    script.writer.close()
    let other = try recording(otherPath, id: "two-20260101-000000-00000002", columns: 30)
    try write(try SmallFile.read(otherPath + "-wal"), path + "-wal")
    other.writer.close()
    try expectUnchanged(path)
    #expect(unsafe unlink(path + "-wal") == 0)
    #expect(try script.isSeen(in: path, count: 20))
  }

  /// It may hold all that had changed by then, and match its seals.
  @Test func anOlderLogOfTheSameRunChangesNothing() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let script = try recording(path, id: "one-20260101-000000-00000001")
    let older = try SmallFile.read(path + "-wal")
    try script.frames(20)
    try script.commit(end: true)
    try script.writer.setRunStatus(.interrupted)
    script.writer.close()
    try write(older, path + "-wal")
    try expectUnchanged(path)
    #expect(unsafe unlink(path + "-wal") == 0)
    #expect(try script.isSeen(in: path, count: 40))
  }

  /// A power failure may undo the removal of a log that was merged, and nothing else.
  @Test func aMergedLogThatCameBackIsNoHindrance() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let script = try recording(path, id: "one-20260101-000000-00000001")
    var log = try SmallFile.read(path + "-wal")
    script.writer.close()
    try write(log, path + "-wal")
    #expect(try script.isSeen(in: path, count: 20))
    #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
    // Without its last frame the log shows an earlier state.
    log.removeLast(4096 + 24)
    try write(log, path + "-wal")
    #expect(throws: LBError.self) { _ = try RunReader(path: path) }
  }

  /// What a killed writer left, with the log of another run.
  @Test func aForeignLogOfAKilledRunChangesNothing() throws {
    let folder = try TemporaryFolder()
    let (path, otherPath) = (folder.file("r.lbsample"), folder.file("other.lbsample"))
    let ownPath = folder.file("own.lbsample")
    let script = try recording(ownPath, id: "one-20260101-000000-00000001")
    let own = try SmallFile.read(ownPath + "-wal")
    try write(try SmallFile.read(ownPath), path)
    script.writer.close()
    let other = try recording(otherPath, id: "two-20260101-000000-00000002", columns: 30)
    try write(try SmallFile.read(otherPath + "-wal"), path + "-wal")
    other.writer.close()
    try expectUnchanged(path, "corrupt: table ")
    // With its own log it is whole, and its first reader folds that in.
    try write(own, path + "-wal")
    #expect(try script.isSeen(in: path, count: 20))
    #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
  }
}
