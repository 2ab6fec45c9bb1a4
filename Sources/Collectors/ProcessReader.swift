import Glibc
import KernelText
import LinuxSystem

/// Opens and reads the files of processes that are found while sampling: every buffer is there
/// before, so nothing is allocated.
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

  /// Closes a descriptor that `open` gave; harmless for one that it did not.
  func shut(_ descriptor: inout Int32) {
    guard descriptor >= 0 else { return }
    close(descriptor)
    calls &+= 1
    descriptor = -1
  }

  /// Reads up to 64 KiB of an open file from `offset` on and hands them to `parse`; gives the
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

  /// Hands each number of an open `children` file to `take`.
  func children(_ descriptor: Int32, _ take: (Int32) -> Void) {
    var offset = 0
    while true {
      var consumed = 0
      let count = read(descriptor, at: offset) { text in
        var position = 0
        // A number that the buffer's end may have cut is left for the next read.
        while let child = TextScanner.number(text, &position), position < text.count {
          take(Int32(truncatingIfNeeded: child))
          // Behind the blank, where the kernel's own position is: it then goes on from there.
          consumed = position + 1
        }
      }
      guard count > 0, consumed > 0 else { return }
      offset += consumed
    }
  }

  /// An open `stat` of a process or thread, nil when it has gone or does not parse.
  func stat(_ descriptor: Int32) -> ProcessStat? {
    var stat: ProcessStat?
    _ = read(descriptor) { text in
      do throws(KernelTextError) { stat = try ProcessStat(text) } catch { stat = nil }
    }
    return stat
  }

  /// Hands each child of each thread of `process` to `take`, which does not read: the kernel keeps
  /// children by the thread that forked them.
  func childrenOfThreads(_ process: Int32, _ take: (Int32) -> Void) {
    numbers(process, "task") { thread in
      var file = open(process, "children", task: thread)
      if file >= 0 { children(file, take) }
      shut(&file)
    }
  }

  /// Hands each numeric name of PROC/`process`/`name` to `take`.
  func numbers(_ process: Int32, _ name: StaticString, _ take: (Int32) -> Void) {
    var descriptor = open(process, name, flags: O_RDONLY | O_DIRECTORY)
    guard descriptor >= 0 else { return }
    numbers(in: descriptor, take)
    shut(&descriptor)
  }

  /// Hands each numeric name of an open directory to `take`, from its start.
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
        var place = offset + 19
        while place < offset + length {
          let digit = unsafe entries[place] &- 48
          guard digit < 10 else { break }
          number = number &* 10 &+ Int32(digit)
          place += 1
        }
        if place < offset + length, unsafe entries[place] == 0, place > offset + 19 {
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
    for place in 0..<name.utf8CodeUnitCount {
      unsafe path[length] = CChar(bitPattern: name.utf8Start[place])
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

/// The NUMA node of each CPU, looked up once.
struct NodeOfCPU {
  private let nodes: [UInt64]

  /// By the node directories of sysfs; a host without them has node 0 alone.
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
