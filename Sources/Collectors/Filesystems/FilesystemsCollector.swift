import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// Room in the file systems that are mounted: statvfs(3), once for each device.
///
/// Network file systems are left out: their servers may not answer. What passes for a local one may
/// hang all the same (a disk that is gone, FUSE behind fuseblk), and then holds a thread of its
/// own.
struct FilesystemsCollector: Collector {
  let waits = true
  let description = CollectorDescription(
    name: "filesystems", summary: "room in each local file system",
    source: "/proc/self/mountinfo, statvfs(3)", minimumKernel: "2.6.26", privilege: "none",
    cost: .moderate, pace: .slow, systemCallsPerSample: 4,
    metrics: [
      gauge("f_blocks", "its size", unit: .bytes),
      gauge("f_bfree", "free", unit: .bytes),
      gauge("f_bavail", "free to everybody", unit: .bytes),
      gauge("f_files", "inodes"),
      gauge("f_ffree", "free inodes"),
      gauge("readonly", "1 where it is mounted read-only"),
    ])

  /// Without a device of their own, and still places for files.
  private static let deviceless: Set<String> = ["tmpfs", "overlay", "zfs", "bcachefs", "btrfs"]

  /// Available where the mounts are those that we see.
  func probe(_ context: CollectorContext) -> Availability {
    guard context.roots.isOwnProc else {
      return .absent(reason: "paths are this namespace\'s, not those of \(context.roots.proc)")
    }
    return mounts(context).isEmpty
      ? .absent(reason: "no local file system is mounted") : .available
  }

  /// Takes the mounts as they are now.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let availability = probe(context)
    guard availability == .available else {
      throw LBError(.collectorUnavailable, "filesystems: \(availability.reason)")
    }
    do throws(SystemError) {
      // Opened before the list is read: what is mounted in between is then seen as a change.
      let mountinfo = try OwnedDescriptor(open: context.roots.proc("self/mountinfo"), O_RDONLY)
      var notes: [String] = []
      let readable = mounts(context).filter { mount in
        let answers = unsafe mount.withCString { unsafe KernelCalls.fileSystem($0) != nil }
        if !answers { notes.append("filesystems: \(mount) refuses statvfs: left out") }
        return answers
      }
      return ArmedFilesystems(
        readable, metrics: description.metrics, context.filter, mountinfo: mountinfo, notes: notes)
    } catch {
      throw LBError(.collectorUnavailable, "filesystems: \(error)")
    }
  }

  /// Mount points, the first of each device (proc_pid_mountinfo(5)).
  private func mounts(_ context: CollectorContext) -> [String] {
    let types = (SmallFile.text(context.roots.proc("filesystems")) ?? "").split(separator: "\n")
    let local = Set(types.filter { !$0.hasPrefix("nodev") }.map(\.trimmed))
      .union(Self.deviceless)
    var mounts: [(path: String, device: Substring)] = []
    for line in (SmallFile.text(context.roots.proc("self/mountinfo")) ?? "").split(separator: "\n")
    {
      let words = line.split(separator: " ")
      guard words.count > 6, let dash = words.firstIndex(of: "-"), dash + 1 < words.count,
        local.contains(String(words[dash + 1]))
      else { continue }
      // What is mounted over another hides it.
      let path = Self.plain(words[4])
      mounts.removeAll { $0.path == path }
      mounts.append((path, words[2]))
    }
    var devices = Set<Substring>()
    return mounts.filter { devices.insert($0.device).inserted }.map(\.path)
  }

  /// A path whose blanks stand as octal escapes.
  static func plain(_ path: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(path.utf8)[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(3)
      if byte == UInt8(ascii: "\\"), digits.count == 3,
        digits.allSatisfy({ (48...55).contains($0) })
      {
        bytes.append(digits.reduce(0) { $0 &* 8 &+ ($1 - 48) })
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

@safe
private final class ArmedFilesystems: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.
  private let mountinfo: OwnedDescriptor
  /// C strings: opening the mount points would keep them from being unmounted.
  private let paths: [UnsafeMutablePointer<CChar>]
  /// Slot of each mount's metrics, -1 for what is not wanted.
  private let slots: [Int]
  /// The mounts are others than it was armed with. For good: the kernel tells of a change once, and
  /// where a mount was, statvfs(2) finds the file system below it.
  private var isOutdated = false
  private static let fields = 6

  init(
    _ mounts: [String], metrics: [MetricDescription], _ filter: ColumnFilter,
    mountinfo: consuming OwnedDescriptor, notes: [String]
  ) {
    self.mountinfo = mountinfo
    var columns: [Column] = []
    var slots: [Int] = []
    var paths = unsafe [UnsafeMutablePointer<CChar>]()
    for mount in mounts {
      if let path = unsafe strdup(mount) { unsafe paths.append(path) }
      for metric in metrics {
        let column = Column(collector: "filesystems", metric: metric, instance: mount)
        let isWanted = filter.passes(column.name)
        slots.append(isWanted ? columns.count : -1)
        if isWanted { columns.append(column) }
      }
    }
    unsafe self.paths = paths
    self.slots = slots
    super.init(columns: columns, notes: notes)
  }

  deinit { unsafe paths.forEach { unsafe free($0) } }

  override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
    systemCallsOfSample = UInt64(unsafe paths.count) &+ 1
    guard !isOutdated else { return .layoutChanged }
    for index in unsafe paths.indices {
      guard let use = unsafe KernelCalls.fileSystem(paths[index]) else {
        isOutdated = true
        break
      }
      let first = index * Self.fields
      put(use.size, first, &values)
      put(use.free, first + 1, &values)
      put(use.available, first + 2, &values)
      put(use.files, first + 3, &values)
      put(use.freeFiles, first + 4, &values)
      put(use.isReadOnly ? 1 : 0, first + 5, &values)
    }
    // Asked last: what was unmounted before it was asked for its room has been told by then.
    if KernelCalls.hasChanged(mountinfo.number) { isOutdated = true }
    return isOutdated ? .layoutChanged : .complete
  }

  private func put(_ value: UInt64, _ place: Int, _ values: inout MutableSpan<UInt64>) {
    if slots[place] >= 0 { values[slots[place]] = value }
  }
}
