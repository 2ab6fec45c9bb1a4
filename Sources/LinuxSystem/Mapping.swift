import CLinux
import Glibc

/// Memory with one owner: bound to a NUMA node, faulted in, locked if permitted.
@safe
package final class Mapping: @unchecked Sendable {
  // Sendable: the address and length never change; users synchronise access to its contents.

  /// Options of a mapping, fulfilled if the kernel permits.
  package struct Options: Sendable {
    /// The NUMA node, nil: that of the first touch.
    package var node: Int?
    package var hugePages = false
    package var locked = true

    /// Locked, on no particular node, with ordinary pages.
    package init(node: Int? = nil, hugePages: Bool = false, locked: Bool = true) {
      self.node = node
      self.hugePages = hugePages
      self.locked = locked
    }
  }

  package let memory: UnsafeMutableRawBufferPointer
  /// Bytes that are locked: all or none.
  package let lockedBytes: Int
  /// Options that could not be fulfilled, each with its reason.
  package let notes: [String]
  private let base: UnsafeMutableRawPointer
  private let length: Int

  /// Maps at least `bytes`, with an inaccessible page before them (a stack's guard) if `guardPage`.
  package init(
    bytes: Int, purpose: String, options: Options, guardPage: Bool = false
  ) throws(SystemError) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let body = (bytes + page - 1) / page * page
    let front = guardPage ? page : 0
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let base = unsafe mmap(nil, body + front, PROT_READ | PROT_WRITE, flags, -1, 0),
      unsafe base != MAP_FAILED
    else { throw SystemError("mmap \(body) bytes for \(purpose)", errno: errno) }
    unsafe self.base = base
    length = body + front
    if guardPage { _ = unsafe mprotect(base, page, PROT_NONE) }
    let usable = unsafe UnsafeMutableRawBufferPointer(start: base + front, count: body)
    unsafe memory = usable
    // A fork would write-protect these pages, and the next write to each would fault; the child
    // does not need them. It needs stacks: fork(3) cleans up other threads' blocks at their top.
    if !guardPage { _ = unsafe madvise(base, length, Int32(MADV_DONTFORK)) }
    (lockedBytes, notes) = unsafe Self.apply(options, usable, purpose)
  }

  /// Maps at least `front` bytes and then `mirrored` bytes twice, one after the other: a record
  /// that crosses the end of the first mapping continues in the second, which is the same memory.
  ///
  /// The first `reach` bytes of the second mapping are faulted in: the size of the longest record.
  /// Beyond them a first write costs a minor fault.
  package init(
    front: Int, mirrored: Int, reach: Int, purpose: String, options: Options
  ) throws(SystemError) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let head = (front + page - 1) / page * page
    let body = (mirrored + page - 1) / page * page
    let failure = "mmap \(head + 2 * body) bytes for \(purpose)"
    guard
      let base = unsafe mmap(nil, head + 2 * body, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      unsafe base != MAP_FAILED
    else { throw SystemError(failure, errno: errno) }
    // Shared, so that its pages can be mapped twice; not a file, whose size may be limited.
    let isMapped =
      unsafe mmap(
        base, head + body, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
      != MAP_FAILED
    let number = unsafe isMapped ? lb_mirror(base + head, body, base + head + body) : errno
    guard number == 0 else {
      _ = unsafe munmap(base, head + 2 * body)
      throw SystemError(failure, errno: number)
    }
    unsafe self.base = base
    length = head + 2 * body
    unsafe memory = UnsafeMutableRawBufferPointer(start: base, count: length)
    _ = unsafe madvise(base, length, Int32(MADV_DONTFORK))
    let once = unsafe UnsafeMutableRawBufferPointer(start: base, count: head + body)
    (lockedBytes, notes) = unsafe Self.apply(options, once, purpose)
    let second = unsafe UnsafeMutableRawBufferPointer(
      start: base + head + body, count: min(body, (reach + page - 1) / page * page))
    for offset in stride(from: 0, to: second.count, by: page) {
      unsafe second.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
    }
  }

  /// Binds `memory`, faults it in and locks it according to `options`; returns the locked bytes and
  /// the notes.
  private static func apply(
    _ options: Options, _ memory: UnsafeMutableRawBufferPointer, _ purpose: String
  ) -> (lockedBytes: Int, notes: [String]) {
    var notes: [String] = []
    if options.hugePages,
      unsafe madvise(memory.baseAddress, memory.count, Int32(MADV_HUGEPAGE)) != 0
    {
      notes.append("\(purpose): no huge pages: \(SystemError.words(errno))")
    }
    if let node = options.node, let reason = unsafe NumaLibrary.bind(memory, onNode: node) {
      notes.append("\(purpose): not placed on node \(node): \(reason)")
    }
    _ = unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
    guard options.locked else { return (0, notes) }
    if unsafe mlock(memory.baseAddress, memory.count) == 0 { return (memory.count, notes) }
    notes.append(
      "\(purpose) (\(memory.count / 1024) KiB) could not be locked in memory (RLIMIT_MEMLOCK): "
        + "\(SystemError.words(errno)); page faults may delay samples. Raise the limit: "
        + "ulimit -l unlimited")
    return (0, notes)
  }

  deinit { _ = unsafe munmap(base, length) }
}
