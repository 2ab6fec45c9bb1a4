import Foundation
import Glibc
import SampleModel
import TestSupport
import Testing

@testable import RunStore

/// What killed processes leave of files that they were making goes, and nothing else.
@Suite struct DraftTests {
  private let folder: TemporaryFolder
  /// The number of no process: above the kernel's limit.
  private static let none = 1 << 30

  init() throws { folder = try TemporaryFolder() }

  private var directory: RunDirectory { RunDirectory(path: folder.path) }

  private var names: Set<String> {
    Set((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
  }

  private static func identity(_ id: String) -> RunWriter.Identity {
    RunWriter.Identity(
      runID: id, name: "d", kind: "sample", version: "0", interval: 1, startUnixNanoseconds: 5)
  }

  /// A draft as its writer leaves it when it is killed before the file has its name.
  @discardableResult
  private func draft(of name: String, process: Int = none) throws -> String {
    let path = folder.file("\(name).new-\(process)")
    let empty = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try #require(empty >= 0 && close(empty) == 0)
    _ = try RunWriter.makeDraft(path, Self.identity(name), [("kernel", "6")], [], [:])
    return path
  }

  /// A result that was written to its end.
  private func result(_ name: String) throws -> String {
    let path = folder.file(name)
    let writer = try RunWriter(
      path: path, identity: Self.identity(name), host: [], configuration: [], labels: [:])
    try writer.finish(RunResult(runID: name, name: "d", kind: "sample", startUnixNanoseconds: 5))
    return path
  }

  @Test func draftsOfKilledProcessesAreRemoved() throws {
    try draft(of: "a.lbsample")
    try draft(of: "b.lbsample", process: Int(getpid()))
    try folder.write("c.lbsample.new-\(Self.none)", "")
    try folder.write(".import-12ab", "anything")
    try folder.write(".import-12ab-wal", "anything")
    try folder.write(".index.new-12ab", "anything")
    directory.removeAbandonedDrafts()
    #expect(names == [])
  }

  @Test func whatIsNoDraftOfAKilledProcessStays() throws {
    // Of a live process, a locked one, and one that any user may have written.
    try draft(of: "a.lbsample", process: 1)
    let locked = unsafe open(try draft(of: "b.lbsample"), O_RDONLY | O_CLOEXEC)
    defer { close(locked) }
    #expect(flock(locked, LOCK_EX | LOCK_NB) == 0)
    unsafe chmod(try draft(of: "c.lbsample"), 0o666)
    // A result that was renamed, a text, and what is no result's draft by its name.
    _ = try result("r")
    try folder.move("r", to: "r.lbsample.new-\(Self.none)")
    try folder.write("t.lbsample.new-\(Self.none)", "notes")
    try draft(of: "other")
    try draft(of: "d.lbsample", process: 7)
    try folder.move("d.lbsample.new-7", to: "d.lbsample.new-x7")
    // What is no file, and what leads to one.
    unsafe mkfifo(folder.file("f.lbsample.new-\(Self.none)"), 0o644)
    unsafe mkdir(folder.file("m.lbsample.new-\(Self.none)"), 0o755)
    try folder.write("victim", "")
    unsafe symlink("victim", folder.file("s.lbsample.new-\(Self.none)"))
    unsafe symlink("victim", folder.file(".index.new-1"))
    let before = names
    directory.removeAbandonedDrafts()
    #expect(names == before && before.count == 12)
  }

  /// The process was killed between giving the file its name and taking the draft's away.
  @Test func aSecondNameOfAResultIsRemoved() throws {
    let path = try result("r.lbsample")
    let bytes = FileManager.default.contents(atPath: path)
    let second = "\(path).new-\(Self.none)"
    #expect(unsafe link(path, second) == 0)
    // Another link of it is somebody's own.
    #expect(unsafe link(path, folder.file("x.lbsample.new-\(Self.none)")) == 0)
    directory.removeAbandonedDrafts()
    #expect(names == ["r.lbsample", "x.lbsample.new-\(Self.none)"])
    #expect(FileManager.default.contents(atPath: path) == bytes)
  }

  /// The next writer of a file, whatever it is called, and any writer for those of results.
  @Test func theNextWriterRemovesThem() throws {
    try draft(of: "r.db")
    try draft(of: "r.db", process: Int(getpid()))
    try draft(of: "a.lbsample")
    try draft(of: "other.db")
    _ = try result("r.db")
    #expect(names == ["r.db", "other.db.new-\(Self.none)"])
  }

  /// A writer whose draft another process takes for abandoned before it is locked makes another.
  @Test func aDraftIsLockedAsLongAsItIsOne() throws {
    let path = folder.file("a.lbsample.new-\(Self.none)")
    let lock = try RunWriter.reserve(path, of: path)
    directory.removeAbandonedDrafts()
    #expect(names == ["a.lbsample.new-\(Self.none)"], "it is locked")
    #expect(unsafe unlink(path) == 0 && !AbandonedDrafts.lock(lock), "it has no name any more")
    close(lock)
  }

  @Test(.enabled(if: geteuid() == 0, "only root may give files away"))
  func draftsOfOthersStay() throws {
    let path = try draft(of: "a.lbsample")
    #expect(unsafe chown(path, 65534, 65534) == 0)
    directory.removeAbandonedDrafts()
    #expect(names == ["a.lbsample.new-\(Self.none)"])
  }
}
