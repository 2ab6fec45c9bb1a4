import Glibc
import LinuxSystem
import SampleModel

/// A folder that is there while the value is, with its contents.
package final class TemporaryFolder: Sendable {
  package let path: String

  /// A new folder below $TMPDIR or /tmp.
  package init() throws {
    let base = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    let pattern = String(repeating: "X", count: 6)
    var template = Array("\(base)/lbsample-test-\(pattern)".utf8CString)
    guard unsafe mkdtemp(&template) != nil else {
      throw SystemError("mkdtemp", errno: errno, path: base)
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { Self.remove(path) }

  /// The path of `name` in it.
  package func file(_ name: String) -> String { path + "/" + name }

  /// Writes a file, with the folders on its way. Names and text may have bytes that are no UTF-8
  /// (`OSText`).
  @discardableResult
  package func write(_ name: String, _ text: String) throws -> String {
    var folder = path
    for part in name.parts("/").dropLast() {
      folder += "/" + part
      unsafe mkdir(folder.osCString, 0o755)
    }
    let target = file(name)
    let output = try OwnedDescriptor(open: target, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
    try writeAll(OSText.bytes(text).span, to: output.number)
    return target
  }

  /// Gives a file another name, in the place of the one that has it.
  package func move(_ name: String, to other: String) throws {
    guard unsafe rename(file(name).osCString, file(other).osCString) == 0 else {
      throw SystemError("rename", errno: errno, path: file(name))
    }
  }

  /// Removes a file.
  package func delete(_ name: String) throws {
    guard unsafe unlink(file(name).osCString) == 0 else {
      throw SystemError("unlink", errno: errno, path: file(name))
    }
  }

  private static func remove(_ path: String) {
    var status = stat()
    guard unsafe lstat(path.osCString, &status) == 0 else { return }
    if status.st_mode & S_IFMT == S_IFDIR {
      for name in directoryEntries(path) { remove(path + "/" + name) }
      unsafe rmdir(path.osCString)
    } else {
      unsafe unlink(path.osCString)
    }
  }
}
