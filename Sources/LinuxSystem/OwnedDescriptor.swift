import Glibc

/// An open descriptor that its holder owns: closed once, at the latest when it goes.
package struct OwnedDescriptor: ~Copyable {
  package let number: Int32

  /// Takes over `number`, which nobody else closes.
  package init(owning number: Int32) { self.number = number }

  /// open(2) with O_CLOEXEC added.
  package init(open path: String, _ flags: Int32, mode: mode_t = 0) throws(SystemError) {
    let number = unsafe Glibc.open(path, flags | O_CLOEXEC, mode)
    guard number >= 0 else { throw SystemError("open", errno: Glibc.errno, path: path) }
    self.number = number
  }

  deinit { _ = Glibc.close(number) }

  /// Closes now. Linux releases the number whatever close(2) says, so there is nothing to retry.
  package consuming func close() {}

  /// Gives the number away unclosed.
  package consuming func release() -> Int32 {
    let number = number
    discard self
    return number
  }

  /// pread(2) at offset 0, retried over EINTR: bytes read, or -errno. Allocates nothing.
  @inline(__always)
  package borrowing func readFromStart(into buffer: inout MutableSpan<UInt8>) -> Int {
    while true {
      // Safe: the span's own count bounds the call.
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe pread(number, $0.baseAddress, $0.count, 0)
      }
      if count >= 0 { return count }
      guard errno == EINTR else { return -Int(errno) }
    }
  }
}

/// Small whole files, read and written outside the sampling path.
package enum SmallFile {
  /// The bytes of `path` up to `limit`; grows until the kernel gives no more.
  package static func read(_ path: String, limit: Int = 1 << 24) throws(SystemError) -> [UInt8] {
    let file = try OwnedDescriptor(open: path, O_RDONLY)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    while bytes.count < limit {
      // Safe: the chunk's own length bounds the call.
      let count = unsafe Glibc.read(file.number, &chunk, chunk.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw SystemError("read", errno: errno, path: path)
      }
      if count == 0 { break }
      bytes += chunk[..<count]
    }
    return bytes
  }

  /// The text of `path` without surrounding white space, nil when it cannot be read: for facts
  /// of which absence is an answer.
  package static func text(_ path: String) -> String? {
    do throws(SystemError) {
      let bytes = try read(path)
      return String(decoding: bytes, as: UTF8.self).trimmed
    } catch {
      return nil
    }
  }
}

extension StringProtocol {
  /// Without leading and trailing white space.
  package var trimmed: String {
    let body = drop(while: \.isWhitespace)
    guard let last = body.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(body[...last])
  }
}

/// Writes all of `bytes` to `descriptor`, over EINTR and short writes; waits where it must.
package func writeAll(_ bytes: Span<UInt8>, to descriptor: Int32) throws(SystemError) {
  var offset = 0
  while offset < bytes.count {
    // Safe: offset stays below the span's count.
    let count = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.write(descriptor, $0.baseAddress.map { unsafe $0 + offset }, $0.count - offset)
    }
    if count < 0 {
      if errno == EINTR { continue }
      if errno == EAGAIN {
        var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&wait, 1, -1)
        continue
      }
      throw SystemError("write", errno: errno)
    }
    offset += count
  }
}
