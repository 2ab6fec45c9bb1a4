import LinuxSystem
import SampleModel
import TestSupport
import Testing

@Suite struct NamesTests {
  /// Files and directories whose names are not UTF-8 are listed, read and made by their true names.
  @Test func namesThatAreNoUTF8AreFound() throws {
    let folder = try TemporaryFolder()
    let name = "a\u{EFFF}"
    try folder.write(name, "text \u{EFFE}\n")
    #expect(directoryEntries(folder.path) == [name])
    #expect(SmallFile.text(folder.file(name)) == "text \u{EFFE}")
    #expect(!Directories.exists(folder.file("a\u{EFFE}")))
    try Directories.make(folder.file("x\u{EF80}/y/z"))
    #expect(Directories.isDirectory(folder.file("x\u{EF80}/y/z")))
    #expect(Directories.real(folder.file("x\u{EF80}/y/.."))?.hasSuffix("/x\u{EF80}") == true)
    try folder.delete(name)
    #expect(directoryEntries(folder.path) == ["x\u{EF80}"])
  }

  /// A slash with a combining mark behind it parts a path like any other.
  @Test func aPathIsPartedByItsSlashes() {
    #expect(Directories.folder(of: "/a/\u{301}b") == "/a")
    #expect(Directories.folder(of: "/\u{301}b") == "/" && Directories.folder(of: "b") == ".")
    #expect(Directories.absolute("/\u{301}b") == "/\u{301}b")
  }
}
