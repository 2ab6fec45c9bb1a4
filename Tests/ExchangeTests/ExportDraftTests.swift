import Foundation
import Glibc
import LinuxSystem
import SampleModel
import TestSupport
import Testing

@testable import Exchange

/// Files of an export get their names when they are whole, and nothing else is changed.
@Suite struct ExportDraftTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func names(_ path: String = "") -> [String] { directoryEntries(folder.file(path)) }

  @Test func aFileHasItsNameWhenItIsWhole() throws {
    let path = folder.file("a.parquet")
    var draft: DraftFile? = try DraftFile(path)
    try draft?.write(Array("text".utf8))
    #expect(names().count == 1 && names()[0].hasPrefix(".a.parquet-"))
    draft = nil
    #expect(names() == [], "nothing is left of a file that was given up")
    draft = try DraftFile(path)
    try draft?.write(Array("text".utf8))
    try draft?.finish()
    #expect(names() == ["a.parquet"] && SmallFile.text(path) == "text")
    #expect(throws: LBError.self) { try DraftFile(path) }
  }

  /// Whatever stands at the name: it is not followed, and not replaced.
  @Test(arguments: ["dangling", "file", "fifo", "folder"])
  func whatStandsAtTheNameStays(_ what: String) throws {
    let path = folder.file("a.parquet")
    let draft = try DraftFile(path)
    switch what {
    case "dangling": unsafe symlink("made", path)
    case "file": try folder.write("a.parquet", "mine")
    case "fifo": unsafe mkfifo(path, 0o644)
    default: unsafe mkdir(path, 0o755)
    }
    let before = Directories.identity(path)
    try draft.write([1])
    let error = try #require(throws: LBError.self) { try draft.finish() }
    #expect(error.message.contains("exists"), "\(error)")
    #expect(Directories.identity(path) == before && !Directories.exists(folder.file("made")))
  }

  @Test func aFolderTakesThePlaceOfAnEmptyOneAlone() throws {
    let path = folder.file("d")
    let draft = try DraftFolder(path)
    let file = try draft.file("inner/x")
    try file.write([1])
    try file.finish()
    unsafe symlink("elsewhere", path)
    #expect(throws: LBError.self) { try draft.finish() }
    try folder.delete("d")
    unsafe mkdir(path, 0o755)
    try draft.finish()
    #expect(names("d/inner") == ["x"] && names() == ["d"])
  }

  /// What killed exports to a name left goes with the next export to that name.
  @Test func draftsOfKilledExportsAreRemoved() throws {
    try folder.write(".a.parquet-12ab.draft", "half")
    try folder.write(".a.parquet-34cd.draft/inner/.x-1.draft", "half")
    try folder.write(".a.parquet-56ef.draft/y", "half")
    _ = try DraftFile(folder.file("a.parquet"))
    #expect(names() == [])
  }

  @Test func whatIsNoDraftOfThatNameStays() throws {
    let live = try DraftFile(folder.file("a.parquet"))
    try folder.write(".b.parquet-12ab.draft", "of another name")
    try folder.write(".a.parquet-xyz.draft", "no number")
    try folder.write(".a.parquet-12ab", "no draft")
    try folder.write("victim/file", "mine")
    unsafe symlink("victim", folder.file(".a.parquet-1.draft"))
    try folder.write(".a.parquet-2.draft/z", "half")
    unsafe symlink("../victim", folder.file(".a.parquet-2.draft/link"))
    unsafe mkfifo(folder.file(".a.parquet-3.draft"), 0o644)
    try folder.write(".a.parquet-4.draft", "anybody's")
    unsafe chmod(folder.file(".a.parquet-4.draft"), 0o666)
    let before = names()
    _ = try DraftFile(folder.file("a.parquet"))
    #expect(names() == before && before.count == 9)
    #expect(names(".a.parquet-2.draft") == ["link"] && names("victim") == ["file"])
    withExtendedLifetime(live) {}
  }

  /// A data set has one writer at a time, for whom all drafts in it are left ones.
  @Test func aDataSetHasNoDraftsOfBefore() throws {
    try folder.write(".run=a-b-12ab.draft/samples-cpu.parquet", "half")
    try folder.write(".runs.parquet-12ab.draft", "half")
    try folder.write("run=a/run.json", "{}")
    _ = try Dataset(folder.path)
    #expect(names() == [".lock", "run=a"])
  }
}
