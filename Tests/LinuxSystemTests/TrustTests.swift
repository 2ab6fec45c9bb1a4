import Glibc
import LinuxSystem
import TestSupport
import Testing

@Suite struct TrustTests {
  private func problem(_ path: String) throws -> String? {
    Trust.problem(of: try OwnedDescriptor(open: path, O_RDONLY | O_NONBLOCK))
  }

  @Test func aFileIsBelievedThatNobodyElseCanChange() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("f", "x")
    #expect(unsafe chmod(file, 0o644) == 0)
    #expect(try problem(file) == nil)
    for mode in [0o664, 0o646] as [mode_t] {
      #expect(unsafe chmod(file, mode) == 0)
      #expect(try problem(file) == "writable by group or others")
    }
    let fifo = folder.file("p")
    #expect(unsafe mkfifo(fifo, 0o600) == 0)
    #expect(try problem(fifo) == "not a regular file")
    #expect(try problem(folder.path) == "not a regular file")
    guard getuid() == 0 else { return }
    #expect(unsafe chmod(file, 0o644) == 0 && chown(file, 65534, 0) == 0)
    #expect(try problem(file) == "not owned by you or root")
    #expect(Trust.otherOwner(of: file) == 65534)
    #expect(Trust.otherOwner(of: fifo) == nil && Trust.otherOwner(of: file + "x") == nil)
  }

  @Test func aDirectoryIsBelievedWithThoseAboveIt() throws {
    let folder = try TemporaryFolder()
    let inner = folder.file("a/b")
    try folder.write("a/b/f", "x")
    #expect(Trust.problem(ofDirectory: inner) == nil)
    #expect(Trust.problem(ofDirectory: folder.file("c")) == "it is not there")
    #expect(unsafe chmod(folder.file("a"), 0o777) == 0)
    #expect(
      Trust.problem(ofDirectory: inner)?.hasSuffix("/a is writable by group or others") == true)
    // A slash with a combining mark behind it is a slash.
    try folder.write("a/\u{301}c/f", "x")
    #expect(Trust.problem(ofDirectory: folder.file("a/\u{301}c")) != nil)
    // As /tmp: others may make what they like, and exchange nothing.
    #expect(unsafe chmod(folder.file("a"), 0o1777) == 0)
    #expect(Trust.problem(ofDirectory: inner) == nil)
    #expect(Trust.problem(ofDirectory: folder.file("a")) != nil)
    #expect(unsafe chmod(inner, 0o1777) == 0 && Trust.problem(ofDirectory: inner) != nil)
  }

  /// What has the socket's name by the end is another's.
  @Test func aSocketRemovesItselfAndNothingElse() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("s")
    do {
      let socket = try ControlSocket(path: path)
      _ = socket.pollDescriptor
    }
    #expect(!Directories.exists(path))
    do {
      let socket = try ControlSocket(path: path)
      try folder.delete("s")
      try folder.write("s", "precious")
      _ = socket.pollDescriptor
    }
    #expect(SmallFile.text(path) == "precious")
    #expect(throws: SystemError.self) { try ControlSocket(path: "") }
  }
}
