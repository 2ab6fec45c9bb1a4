import Glibc
import LinuxSystem

/// The bytes of a savefile or a pipe, in the byte order of its writer.
///
/// Memory grows with the bytes read, not with lengths stated in the file.
@safe
final class SavefileBytes {
  private static let piece = 1 << 16

  private let descriptor: OwnedDescriptor
  /// Bytes read and not consumed, from `start` on.
  private var buffer: [UInt8] = []
  private var start = 0
  /// Whether the byte order of numbers must be swapped.
  var isSwapped = false

  /// Opens `path`, `-` for standard input.
  init(_ path: String) throws(SystemError) {
    descriptor =
      path == "-"
      ? OwnedDescriptor(owning: dup(STDIN_FILENO)) : try OwnedDescriptor(open: path, O_RDONLY)
  }

  /// Makes `count` bytes available to `number` and `bytes`; false if the file ends before.
  func fill(_ count: Int) throws(SystemError) -> Bool {
    while buffer.count - start < count {
      if start > 0 {
        buffer.removeFirst(start)
        start = 0
      }
      let (unread, descriptor) = (buffer.count, descriptor.number)
      buffer.append(contentsOf: repeatElement(0, count: Self.piece))
      var read: Int
      repeat {
        // Safe: the buffer has room for the piece after the unread bytes.
        read = unsafe buffer.withUnsafeMutableBytes {
          unsafe Glibc.read(descriptor, $0.baseAddress.map { unsafe $0 + unread }, Self.piece)
        }
      } while read < 0 && errno == EINTR
      buffer.removeLast(Self.piece - max(0, read))
      if read < 0 { throw SystemError("read", errno: errno) }
      if read == 0 { return false }
    }
    return true
  }

  /// Whether no byte is left.
  func isAtEnd() throws(SystemError) -> Bool { try !fill(1) }

  /// The number at `offset` of the available bytes.
  func number<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T {
    var value: T = 0
    for byte in 0..<MemoryLayout<T>.size {
      value |= T(truncatingIfNeeded: buffer[start + offset + byte]) << T(8 * byte)
    }
    return isSwapped ? value.byteSwapped : value
  }

  /// One of the available bytes.
  func byte(at offset: Int) -> UInt8 { buffer[start + offset] }

  /// Calls `body` with `count` of the available bytes, from `offset` on.
  func bytes(at offset: Int, count: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
    precondition(offset >= 0 && count >= 0 && start + offset + count <= buffer.count, "not filled")
    let first = start + offset
    // Safe: within the buffer, by the line above.
    unsafe buffer.withUnsafeBytes {
      unsafe body(UnsafeRawBufferPointer(rebasing: $0[first..<first + count]))
    }
  }

  /// Consumes `count` bytes.
  func drop(_ count: Int) { start += count }
}
