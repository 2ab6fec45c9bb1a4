import Foundation
import Glibc
import LinuxSystem
import TestSupport
import Testing

@Suite struct NumberFileTests {
  @Test(
    arguments: [
      ("17\n", 17), ("0x1003\n", 0x1003), ("0", 0), ("18446744073709551615\n", .max),
      ("\n", nil), ("", nil), ("down\n", nil), ("0x\n", nil), ("12 34\n", 12),
      ("18446744073709551616\n", nil), ("99999999999999999999999999\n", nil),
      ("0xffffffffffffffff", .max), ("0x10000000000000000\n", nil), ("0XfF\n", 255),
      ("12x\n", nil), ("-3\n", nil), ("+3\n", nil), ("\n 41\n", 41), ("8\n\0", 8), ("1.5\n", nil),
      (String(repeating: "0", count: 70) + "5\n", nil), ("0x\n5", nil),
    ] as [(String, UInt64?)])
  func theNumberIsReadEachTime(_ text: String, _ number: UInt64?) throws {
    let folder = try TemporaryFolder()
    let url = URL(fileURLWithPath: folder.file("number"))
    try Data("7".utf8).write(to: url)
    let file = NumberFile(url.path)
    #expect(file.read() == 7)
    let handle = try FileHandle(forWritingTo: url)
    try handle.truncate(atOffset: 0)
    try handle.write(contentsOf: Data(text.utf8))
    #expect(file.read() == number)
  }

  @Test func aFileThatIsNotThereHasNoNumber() {
    #expect(NumberFile("/proc/self/none").read() == nil)
    #expect(NumberFile("/proc/self/comm").read() == nil)
  }

  @Test func capabilitiesAreTheThreadsOwn() throws {
    let ours = SmallFile.text("/proc/thread-self/status")?.lines(with: "Cap")
    let done = FutexWord()
    nonisolated(unsafe) var theirs: [String]?
    let thread = try SystemThread(name: "none") {
      #expect(Capabilities.keepInThisThread([]) == 0)
      unsafe theirs = SmallFile.text("/proc/thread-self/status")?.lines(with: "Cap")
      done.store(1)
    }
    thread.join()
    #expect(done.load() == 1)
    let effective = try #require(unsafe theirs?.first { $0.hasPrefix("CapEff") })
    #expect(effective.hasSuffix("\t0000000000000000"))
    #expect(SmallFile.text("/proc/thread-self/status")?.lines(with: "Cap") == ours)
  }
}

extension String {
  fileprivate func lines(with prefix: String) -> [String] {
    split(separator: "\n").filter { $0.hasPrefix(prefix) }.map(String.init)
  }
}

@Suite struct SmallFileTests {
  /// A part would be taken for the whole.
  @Test func aFileThatIsLongerThanTheLimitIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("file", String(repeating: "x", count: 40_000))
    #expect(try SmallFile.read(path, limit: 40_000).count == 40_000)
    let error = #expect(throws: SystemError.self) { try SmallFile.read(path, limit: 39_999) }
    #expect(error?.errno == EFBIG && error?.reason.contains("39999 bytes") == true)
  }
}
