import Glibc
import LinuxSystem
import SampleModel
import TestSupport
import Testing

/// SHA-256, and what is known of a file's contents.
@Suite struct DigestTests {
  /// FIPS 180-4's own examples, and one million letters (NIST CSRC, SHA-256 examples).
  @Test func knownVectorsHold() {
    let vectors = [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ]
    for (text, hash) in vectors { #expect(SHA256.hex(of: Array(text.utf8)) == hash) }
    let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    #expect(
      SHA256.hex(of: million)
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  /// However the bytes come, and around each length at which the padding takes another block.
  @Test func piecesMakeTheSameHash() {
    for length in [1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000] {
      let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let whole = SHA256.hex(of: bytes)
      for piece in [1, 13, 63, 64, 65] {
        var hash = SHA256()
        for from in stride(from: 0, to: length, by: piece) {
          hash.update(Array(bytes[from..<min(length, from + piece)]).span)
        }
        #expect(hash.hex == whole, "\(length) bytes in pieces of \(piece)")
      }
    }
  }

  private func refusal(_ body: () throws -> Void) -> FileDigest.Refusal? {
    do {
      try body()
      return nil
    } catch {
      return error as? FileDigest.Refusal
    }
  }

  @Test func onlyWholeRegularFilesHaveADigest() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a", "abc")
    let digest = try FileDigest(of: path)
    #expect(digest.hex == SHA256.hex(of: Array("abc".utf8)))
    #expect(!digest.isKnownToHold(at: path), "it is too young to be told from another change")
    #expect(!digest.isKnownToHold(at: folder.file("none")))
    let fifo = folder.file("fifo")
    #expect(unsafe mkfifo(fifo, 0o600) == 0)
    for other in [fifo, folder.path, "/dev/null"] {
      guard case .notRegular? = refusal({ _ = try FileDigest(of: other) }) else {
        Issue.record("\(other) has a digest, or another refusal")
        continue
      }
    }
    guard case .system? = refusal({ _ = try FileDigest(of: folder.file("none")) }),
      case .tooLarge(2)? = refusal({ _ = try FileDigest(of: path, limit: 2) }),
      case .stopped? = refusal({ _ = try FileDigest(of: path, isStopped: { true }) }),
      // A file of proc(5) has more than its size of 0 says.
      case .changed? = refusal({ _ = try FileDigest(of: "/proc/self/stat") })
    else {
      Issue.record("a refusal is another one")
      return
    }
  }

  @Test func anOldFileIsKnownToHoldWhatItHeld() throws {
    // That of the system has not changed for more than two seconds.
    let digest = try FileDigest(of: "/etc/passwd")
    #expect(digest.isKnownToHold(at: "/etc/passwd"))
    #expect(!digest.isKnownToHold(at: "/etc/group"))
  }
}
