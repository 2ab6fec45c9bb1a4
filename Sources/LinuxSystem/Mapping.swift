import Glibc

/// Anonymous memory that its holder owns: placed on a NUMA node, faulted in, locked where allowed.
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
    var notes: [String] = []
    if wishes.hugePages, unsafe madvise(usable.baseAddress, body, Int32(MADV_HUGEPAGE)) != 0 {
      notes.append("\(purpose): no huge pages: \(SystemError.words(errno))")
    }
    if let node = wishes.node {
      if let reason = unsafe NumaLibrary.place(usable, onNode: node) {
        notes.append("\(purpose): not placed on node \(node): \(reason)")
      }
    }
    // A fork would write-protect these pages, and each next write to one would fault; the child
    // has no use for them. A stack it needs: fork(3) tidies up other threads' blocks at its top.
    if !guardPage { _ = unsafe madvise(base, length, Int32(MADV_DONTFORK)) }
    unsafe memset(base + front, 0, body)
    if wishes.locked {
      if unsafe mlock(usable.baseAddress, body) == 0 {
        lockedBytes = body
      } else {
        lockedBytes = 0
        notes.append(
          "\(purpose): \(body) bytes not locked in memory: \(SystemError.words(errno)) "
            + "(raise with: ulimit -l unlimited)")
      }
    } else {
      lockedBytes = 0
    }
    self.notes = notes
  }

  deinit { _ = unsafe munmap(base, length) }
}
