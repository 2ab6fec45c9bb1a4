import CLinux
import Glibc
import SampleModel

/// An open descriptor with one owner: closed once, at the latest by its deinitialiser.
package struct OwnedDescriptor: ~Copyable {
  package let number: Int32

  /// Takes ownership of `number`.
  package init(owning number: Int32) { self.number = number }

  /// open(2) with O_CLOEXEC added.
  package init(open path: String, _ flags: Int32, mode: UInt32 = 0) throws(SystemError) {
    let number = unsafe Glibc.open(path.osCString, flags | O_CLOEXEC, mode)
    guard number >= 0 else { throw SystemError("open", errno: Glibc.errno, path: path) }
    self.number = number
  }

  /// Opens a kernel's text for reading. Anything but a regular file, which those of /proc and /sys
  /// are, is refused with EINVAL: a FIFO would wait for its writer, and a device may never end.
  package init(text path: String) throws(SystemError) {
    let number = unsafe Glibc.open(path.osCString, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard number >= 0 else { throw SystemError("open", errno: Glibc.errno, path: path) }
    var facts = stat()
    guard unsafe fstat(number, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
      _ = Glibc.close(number)
      throw SystemError("open", errno: EINVAL, path: path, reason: "not a regular file")
    }
    self.number = number
  }

  /// Opens any kind of file that a user named, for reading. A FIFO without a writer is refused with
  /// ENXIO: open(2) would wait for a writer, and no time limit and no stop could end the wait.
  package init(toRead path: String) throws(SystemError) {
    let number = unsafe Glibc.open(path.osCString, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard number >= 0 else { throw SystemError("open", errno: Glibc.errno, path: path) }
    var facts = stat()
    if unsafe fstat(number, &facts) == 0, facts.st_mode & S_IFMT == S_IFIFO,
      lb_is_deserted(number) == 1
    {
      _ = Glibc.close(number)
      throw SystemError(
        "open", errno: ENXIO, path: path,
        reason: "nobody writes to this FIFO; start its writer first, or name a file")
    }
    self.number = number
    makeBlocking()
  }

  /// Opens or creates a file that a user named for writing, with additional `flags`. A FIFO without
  /// a reader is refused with ENXIO: no time limit or stop would end the wait for a reader. Root
  /// does not follow another user's link, which would choose the file that is written: EACCES.
  package init(toWrite path: String, _ flags: Int32, mode: UInt32) throws(SystemError) {
    let all = O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | flags
    let target =
      geteuid() == 0 ? try Self.believedTarget(of: path) : (path: path, flags: 0)
    let number = unsafe Glibc.open(target.path.osCString, all | target.flags, mode)
    guard number >= 0 else {
      let failure = Glibc.errno
      throw SystemError(
        "open", errno: failure, path: path,
        reason: failure == ENXIO && Self.isFIFO(path)
          ? "nobody reads this FIFO; start its reader first, or name a file" : nil)
    }
    self.number = number
    makeBlocking()
  }

  /// Links that are followed from one to another, as open(2) does.
  private static let mostLinks = 40

  /// The file that `path` leads to through links of the caller and of root, and the flags with
  /// which it is opened: no link that takes its name meanwhile is followed.
  private static func believedTarget(
    of path: String
  ) throws(SystemError) -> (path: String, flags: Int32) {
    var name = path
    for _ in 0..<mostLinks {
      let link = unsafe Glibc.open(
        name.osCString, RawDirectory.pathOnly | O_NOFOLLOW | O_CLOEXEC)
      // What is not there is made, or open(2) says why not.
      guard link >= 0 else { return (name, O_NOFOLLOW) }
      defer { _ = Glibc.close(link) }
      var facts = stat()
      guard unsafe fstat(link, &facts) == 0 else {
        throw SystemError("open", errno: Glibc.errno, path: path)
      }
      guard facts.st_mode & S_IFMT == S_IFLNK else { return (name, O_NOFOLLOW) }
      // Those of proc lead to open files, which have no other names (/dev/stdout).
      if lb_is_on_proc(link) == 1 { return (name, 0) }
      guard facts.st_uid == geteuid() || facts.st_uid == 0 else {
        throw SystemError(
          "open", errno: EACCES, path: path,
          reason: "a link of user \(facts.st_uid), which root does not follow; name the file")
      }
      var target = [CChar](repeating: 0, count: Int(PATH_MAX))
      // Safe: the array's own count bounds the call.
      let count = unsafe readlinkat(link, "", &target, target.count)
      guard count > 0 else { throw SystemError("readlink", errno: Glibc.errno, path: path) }
      let text = OSText.string(target[..<count].map { UInt8(bitPattern: $0) })
      name = text.begins("/") ? text : "\(Directories.folder(of: name))/\(text)"
    }
    throw SystemError("open", errno: ELOOP, path: path)
  }

  /// Whether `path` names a FIFO, by stat(2).
  package static func isFIFO(_ path: String) -> Bool {
    var facts = stat()
    return unsafe stat(path.osCString, &facts) == 0 && facts.st_mode & S_IFMT == S_IFIFO
  }

  deinit { _ = Glibc.close(number) }

  /// Clears O_NONBLOCK, which was needed for opening only.
  private borrowing func makeBlocking() {
    _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) & ~O_NONBLOCK)
  }

  /// Closes now. Linux releases the number whatever close(2) says, so there is nothing to retry.
  package consuming func close() {}

  /// Returns the number without closing it.
  package consuming func release() -> Int32 {
    let number = number
    discard self
    return number
  }

  /// Whether it is a file of proc(5), by fstatfs(2).
  package borrowing func isOnProc() -> Bool { lb_is_on_proc(number) == 1 }

  /// A watch for the replacement of this file at `path`; nil for files of the kernel's own file
  /// systems (proc, sysfs, cgroup), which are never replaced.
  package borrowing func watch(_ path: String) -> WatchedPath? {
    var (device, inode): (UInt64, UInt64) = (0, 0)
    guard lb_is_kernel_text(number) != 1, unsafe lb_identity(number, &device, &inode) == 0 else {
      return nil
    }
    return unsafe strdup(path.osCString).map {
      unsafe WatchedPath($0, device: device, inode: inode)
    }
  }

  /// Whether `path` is a file of proc(5); false if it cannot be opened.
  package static func isOnProc(_ path: String) -> Bool {
    do throws(SystemError) { return try OwnedDescriptor(text: path).isOnProc() } catch {
      return false
    }
  }

  /// pread(2) at `offset` of file and buffer, retried over EINTR: bytes read, or -errno.
  /// Allocates nothing.
  @inline(__always)
  package borrowing func read(into buffer: inout MutableSpan<UInt8>, at offset: Int) -> Int {
    while true {
      // Safe: callers keep the offset within the span, whose count bounds the call.
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe lb_pread(
          number, $0.baseAddress.map { unsafe $0 + offset }, $0.count - offset, Int64(offset))
      }
      if count != -Int(EINTR) { return count }
    }
  }
}

/// A path and the file at it; `DescriptorList.keep` owns the path's memory.
@safe
package struct WatchedPath {
  private let path: UnsafeMutablePointer<CChar>
  private let device: UInt64
  private let inode: UInt64

  fileprivate init(_ path: UnsafeMutablePointer<CChar>, device: UInt64, inode: UInt64) {
    unsafe self.path = path
    self.device = device
    self.inode = inode
  }

  /// stat(2): whether another file is at the path now. Allocates nothing.
  package var isAnother: Bool {
    // Safe: the list keeps the path's memory.
    unsafe lb_names(path, device, inode) != 0
  }

  /// open(2): the file at the path now, to be closed by the caller; or -errno. Allocates nothing.
  package func open() -> Int32 {
    // Safe: the list keeps the path's memory.
    unsafe lb_open_text(path)
  }

  fileprivate func free() { unsafe Glibc.free(path) }
}

/// Descriptors that are closed together, at the latest by the deinitialiser.
package final class DescriptorList {
  private var numbers: [Int32] = []
  private var watches: [WatchedPath] = []

  /// An empty list.
  package init() {}

  /// Keeps a watch's memory as long as the list.
  package func keep(_ watch: WatchedPath) { watches.append(watch) }

  /// Takes ownership of a descriptor and returns its number.
  package func add(_ descriptor: consuming OwnedDescriptor) -> Int32 {
    let number = descriptor.release()
    numbers.append(number)
    return number
  }

  /// Closes all. Has no effect if they are closed already.
  package func close() {
    for number in numbers { _ = Glibc.close(number) }
    numbers = []
  }

  deinit {
    close()
    for watch in watches { watch.free() }
  }
}

/// Small whole files, read and written outside the sampling path.
package enum SmallFile {
  /// The bytes of `path`, a text of the kernel, read to its end. More than `limit` bytes are
  /// refused with EFBIG, rather than truncated. A file that the user named may be `ofAnyKind`, such
  /// as a pipe.
  package static func read(
    _ path: String, limit: Int = 1 << 24, ofAnyKind: Bool = false
  ) throws(SystemError) -> [UInt8] {
    let file =
      ofAnyKind ? try OwnedDescriptor(open: path, O_RDONLY) : try OwnedDescriptor(text: path)
    return try read(file, path, limit: limit)
  }

  /// The bytes of an open file, whose name is `path`.
  package static func read(
    _ file: borrowing OwnedDescriptor, _ path: String, limit: Int = 1 << 24
  ) throws(SystemError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 14)
    while true {
      // Safe: the chunk's own length bounds the call.
      let count = unsafe Glibc.read(file.number, &chunk, chunk.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw SystemError("read", errno: errno, path: path)
      }
      if count == 0 { break }
      bytes += chunk[..<count]
      guard bytes.count <= limit else {
        throw SystemError(
          "read", errno: EFBIG, path: path, reason: "more than \(limit) bytes, the limit")
      }
    }
    return bytes
  }

  /// The text of `path` without surrounding white space; nil if it cannot be read. For facts that
  /// may be absent.
  package static func text(_ path: String) -> String? {
    do throws(SystemError) {
      let bytes = try read(path)
      return OSText.string(bytes).trimmed
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
///
/// With a `stop`, waiting for a slow reader ends 100 ms after the flag was raised, with ECANCELED.
/// A descriptor that is writable for poll(2) takes PIPE_BUF bytes without blocking, so no more than
/// that is written at once.
package func writeAll(
  _ bytes: Span<UInt8>, to descriptor: Int32, unless stop: StopFlag? = nil
) throws(SystemError) {
  var offset = 0
  while offset < bytes.count {
    var limit = bytes.count - offset
    if let stop {
      limit = min(limit, Int(PIPE_BUF))
      guard waitUntilWritable(descriptor, stop) else {
        throw SystemError("write", errno: ECANCELED)
      }
    }
    // Safe: offset stays below the span's count, and the limit within it.
    let count = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.write(descriptor, $0.baseAddress.map { unsafe $0 + offset }, limit)
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

private func waitUntilWritable(_ descriptor: Int32, _ stop: StopFlag) -> Bool {
  let stopTimeout: Int32 = 100
  while true {
    let isStopping = stop.raised != nil
    var entries = [
      pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0),
      pollfd(fd: isStopping ? -1 : stop.pollDescriptor, events: Int16(POLLIN), revents: 0),
    ]
    // Safe: the array's own count bounds the call.
    let ready = unsafe poll(&entries, 2, isStopping ? stopTimeout : -1)
    if entries[0].revents != 0 { return true }
    if ready == 0 && isStopping { return false }
  }
}
