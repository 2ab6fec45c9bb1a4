import Glibc
import KernelText
import LinuxSystem

/// Opens and reads the files of processes that are found while sampling, with buffers allocated in
/// advance.
@safe
final class ProcessReader {
  private let folder: OwnedDescriptor
  private let text: UnsafeMutableBufferPointer<UInt8>
  private let entries: UnsafeMutableRawBufferPointer
  private let path: UnsafeMutableBufferPointer<CChar>
  /// System calls since the caller last set it to 0.
  var calls: UInt64 = 0

  /// A reader of the processes below `proc`.
  init(proc: String) throws(SystemError) {
    folder = try OwnedDescriptor(open: proc, RawDirectory.pathOnly | O_DIRECTORY)
    unsafe text = .allocate(capacity: 1 << 16)
    unsafe text.initialize(repeating: 0)
    unsafe entries = .allocate(byteCount: 1 << 15, alignment: 8)
    _ = unsafe entries.initializeMemory(as: UInt8.self, repeating: 0)
    unsafe path = .allocate(capacity: 96)
    unsafe path.initialize(repeating: 0)
  }

  deinit {
    unsafe text.deallocate()
    unsafe entries.deallocate()
    unsafe path.deallocate()
  }

  /// Opens PROC/`process`/`name`, or PROC/`process`/task/`task`/`name`: a descriptor or -errno.
  func open(
    _ process: Int32, _ name: StaticString, task: Int32? = nil, flags: Int32 = O_RDONLY
  ) -> Int32 {
    var length = 0
    append(process, &length)
    if let task {
      append("/task/", &length)
      append(task, &length)
    }
    append("/", &length)
    append(name, &length)
    unsafe path[length] = 0
    calls &+= 1
    // Safe: the path ends in the zero just written.
    let descriptor = unsafe openat(
      folder.number, path.baseAddress.unsafelyUnwrapped, flags | O_CLOEXEC)
    return descriptor >= 0 ? descriptor : -errno
  }

  /// Closes a descriptor of `open`; has no effect on a failed one.
  func closeDescriptor(_ descriptor: inout Int32) {
    guard descriptor >= 0 else { return }
    close(descriptor)
    calls &+= 1
    descriptor = -1
  }

  /// Reads up to 64 KiB of an open file from `offset` on and calls `parse` with them; returns the
  /// bytes read, or -errno.
  @inline(__always)
  func read<E: Error>(
    _ descriptor: Int32, at offset: Int = 0, _ parse: (Span<UInt8>) throws(E) -> Void
  ) throws(E) -> Int {
    calls &+= 1
    // Safe: the buffer's own count bounds the call.
    let count = unsafe pread(descriptor, text.baseAddress, text.count, off_t(offset))
    guard count > 0 else { return count == 0 ? 0 : -Int(errno) }
    try parse(unsafe UnsafeBufferPointer(rebasing: text[..<count]).span)
    return count
  }

  /// Calls `take` with each number of an open `children` file.
  func children(_ descriptor: Int32, _ take: (Int32) -> Void) {
    var offset = 0
    while true {
      var consumed = 0
      let count = read(descriptor, at: offset) { text in
        var position = 0
        // A number at the buffer's end may be cut; it is read again.
        while let child = TextScanner.number(text, &position), position < text.count {
          take(Int32(truncatingIfNeeded: child))
          // After the blank: the kernel's own position, from which it continues.
          consumed = position + 1
        }
      }
      guard count > 0, consumed > 0 else { return }
      offset += consumed
    }
  }

  /// Reads an open `stat` of a process or thread; nil if it has ended or does not parse.
  func stat(_ descriptor: Int32) -> ProcessStat? {
    var stat: ProcessStat?
    _ = read(descriptor) { text in
      do throws(KernelTextError) { stat = try ProcessStat(text) } catch { stat = nil }
    }
    return stat
  }

  /// Calls `take` with each child of each thread of `process`, since the kernel lists children by
  /// the thread that forked them. `take` must not read.
  func childrenOfThreads(_ process: Int32, _ take: (Int32) -> Void) {
    numbers(process, "task") { thread in
      var file = open(process, "children", task: thread)
      if file >= 0 { children(file, take) }
      closeDescriptor(&file)
    }
  }

  /// Calls `take` with each numeric name in PROC/`process`/`name`.
  func numbers(_ process: Int32, _ name: StaticString, _ take: (Int32) -> Void) {
    var descriptor = open(process, name, flags: O_RDONLY | O_DIRECTORY)
    guard descriptor >= 0 else { return }
    numbers(in: descriptor, take)
    closeDescriptor(&descriptor)
  }

  /// Calls `take` with each numeric name in an open directory.
  func numbers(in descriptor: Int32, _ take: (Int32) -> Void) {
    lseek(descriptor, 0, SEEK_SET)
    calls &+= 1
    while true {
      calls &+= 1
      let bytes = unsafe RawDirectory.read(descriptor, into: entries)
      guard bytes > 0 else { return }
      var offset = 0
      // struct linux_dirent64: inode, offset, record length, type, name.
      while offset + 19 < bytes {
        let length = Int(unsafe entries.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
        guard length >= 20, offset + length <= bytes else { return }
        var number: Int32 = 0
        var position = offset + 19
        while position < offset + length {
          let digit = unsafe entries[position] &- 48
          guard digit < 10 else { break }
          number = number &* 10 &+ Int32(digit)
          position += 1
        }
        if position < offset + length, unsafe entries[position] == 0, position > offset + 19 {
          take(number)
        }
        offset += length
      }
    }
  }

  /// `RawDirectory.size`, counted as a call.
  func size(_ descriptor: Int32) -> UInt64? {
    calls &+= 1
    return RawDirectory.size(descriptor)
  }

  private func append(_ name: StaticString, _ length: inout Int) {
    // Safe: names are literals of this folder's, far shorter than the buffer.
    for offset in 0..<name.utf8CodeUnitCount {
      unsafe path[length] = CChar(bitPattern: name.utf8Start[offset])
      length += 1
    }
  }

  private func append(_ number: Int32, _ length: inout Int) {
    var divisor: Int32 = 1
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      unsafe path[length] = CChar(48 + number / divisor % 10)
      length += 1
      divisor /= 10
    }
  }
}

/// The NUMA node of each CPU, read once.
struct NodeOfCPU {
  private let nodes: [UInt64]

  /// Reads the node directories of sysfs; a host without them has only node 0.
  init(_ roots: MountRoots) {
    var nodes: [UInt64] = []
    for node in HostFacts.nodes(roots) {
      for cpu in HostFacts.cpus(ofNode: node, roots)?.members ?? [] {
        while nodes.count <= cpu { nodes.append(0) }
        nodes[cpu] = UInt64(node)
      }
    }
    self.nodes = nodes
  }

  /// The node of `cpu`.
  subscript(cpu: UInt64) -> UInt64 { cpu < UInt64(nodes.count) ? nodes[Int(cpu)] : 0 }
}
