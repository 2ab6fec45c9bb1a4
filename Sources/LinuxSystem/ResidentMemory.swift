import CLinux
import Glibc

/// This process's resident memory: /proc/self/statm, kept open, since it is read at each bracket's
/// end.
package struct ResidentMemory: ~Copyable {
  /// -1 if there is no such file.
  private let file: OwnedDescriptor
  private let pageSize = UInt64(sysconf(Int32(_SC_PAGESIZE)))

  /// Opens the file.
  package init() {
    do throws(SystemError) {
      file = try OwnedDescriptor(open: "/proc/self/statm", O_RDONLY)
    } catch {
      file = OwnedDescriptor(owning: -1)
    }
  }

  /// Drops the program's resident code pages (MADV_DONTNEED): start-up and fault-around have mapped
  /// ten times what sampling uses. Called before arming, not after: otherwise the first opening
  /// sample would fault in the code that arming used.
  package static func releaseProgram() { lb_release_program() }

  /// The resident bytes, nil if they cannot be read (proc(5): the second number, in pages).
  package borrowing func bytes() -> UInt64? {
    var text = InlineArray<128, UInt8>(repeating: 0)
    var span = text.mutableSpan
    let count = file.read(into: &span, at: 0)
    guard count > 0 else { return nil }
    var (pages, blanks, digits): (UInt64, Int, Int) = (0, 0, 0)
    for index in 0..<count {
      let letter = text[index]
      if letter == UInt8(ascii: " ") { blanks += 1 }
      if blanks > 1 { break }
      guard blanks == 1, letter &- 48 < 10 else { continue }
      pages = pages &* 10 &+ UInt64(letter &- 48)
      digits += 1
    }
    return digits > 0 ? pages &* pageSize : nil
  }
}
