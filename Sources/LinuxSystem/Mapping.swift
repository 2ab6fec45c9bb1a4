import CLinux
import Glibc

/// Memory that its holder owns: placed on a NUMA node, faulted in, locked where allowed.
@safe
package final class Mapping: @unchecked Sendable {
  // Sendable: the address and length never change; what lies in it is the user's business.

  /// What to ask of the kernel for a mapping.
  package struct Wishes: Sendable {
    /// The node to lie on, nil: wherever the first touch puts it.
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
  /// What was wished and could not be had, each with its reason.
  package let notes: [String]
  private let base: UnsafeMutableRawPointer
  private let length: Int

  /// Maps at least `bytes`, with an inaccessible page in front (a stack's guard) if asked.
  package init(
    bytes: Int, purpose: String, wishes: Wishes, guardPage: Bool = false
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
    // A fork would write-protect these pages, and each next write to one would fault; the child
    // has no use for them. A stack it needs: fork(3) tidies up other threads' blocks at its top.
    if !guardPage { _ = unsafe madvise(base, length, Int32(MADV_DONTFORK)) }
    (lockedBytes, notes) = unsafe Self.fulfil(wishes, usable, purpose)
  }

  /// Maps at least `front` bytes and then `mirrored` bytes twice, one behind the other: a record
  /// that begins in the first of the two goes on in the second, which is the same memory.
  ///
  /// The second mapping is faulted in as far as `reach`, which the longest record should not
  /// exceed: beyond it a first write costs a minor fault.
  package init(
    front: Int, mirrored: Int, reach: Int, purpose: String, wishes: Wishes
  ) throws(SystemError) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let head = (front + page - 1) / page * page
    let body = (mirrored + page - 1) / page * page
    let failure = "mmap \(head + 2 * body) bytes for \(purpose)"
    guard
      let base = unsafe mmap(nil, head + 2 * body, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      unsafe base != MAP_FAILED
    else { throw SystemError(failure, errno: errno) }
    // Shared, so that its pages can be mapped twice; not of a file, whose size may be limited.
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
    (lockedBytes, notes) = unsafe Self.fulfil(wishes, once, purpose)
    let second = unsafe UnsafeMutableRawBufferPointer(
      start: base + head + body, count: min(body, (reach + page - 1) / page * page))
    for place in stride(from: 0, to: second.count, by: page) {
      unsafe second.storeBytes(of: 0, toByteOffset: place, as: UInt8.self)
    }
  }

  /// Places `memory`, faults it in and locks it, as wished; gives the locked bytes and what could
  /// not be had.
  private static func fulfil(
    _ wishes: Wishes, _ memory: UnsafeMutableRawBufferPointer, _ purpose: String
  ) -> (lockedBytes: Int, notes: [String]) {
    var notes: [String] = []
    if wishes.hugePages,
      unsafe madvise(memory.baseAddress, memory.count, Int32(MADV_HUGEPAGE)) != 0
    {
      notes.append("\(purpose): no huge pages: \(SystemError.words(errno))")
    }
    if let node = wishes.node, let reason = unsafe NumaLibrary.place(memory, onNode: node) {
      notes.append("\(purpose): not placed on node \(node): \(reason)")
    }
    _ = unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
    guard wishes.locked else { return (0, notes) }
    if unsafe mlock(memory.baseAddress, memory.count) == 0 { return (memory.count, notes) }
    notes.append(
      "\(purpose) (\(memory.count / 1024) KiB) could not be locked in memory (RLIMIT_MEMLOCK): "
        + "\(SystemError.words(errno)); page faults may delay samples. Raise the limit: "
        + "ulimit -l unlimited")
    return (0, notes)
  }

  deinit { _ = unsafe munmap(base, length) }
}
