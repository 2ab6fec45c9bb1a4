import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// Space of the mounted file systems: statvfs(3), once for each device.
///
/// Network file systems are excluded: their servers may not answer. An apparently local one may
/// hang too (a removed disk, FUSE with fuseblk), and then blocks only its own thread.
struct FilesystemsCollector: Collector {
  let waits = true
  let description = CollectorDescription(
    name: "filesystems", summary: "free space in each local file system",
    source: "/proc/self/mountinfo, statvfs(3)", minimumKernel: "2.6.26", privilege: "none",
    cost: .moderate, pace: .slow, systemCallsPerSample: 4,
    metrics: [
      gauge("f_blocks", "size of the file system", unit: .bytes),
      gauge("f_bfree", "free", unit: .bytes),
      gauge("f_bavail", "free for unprivileged users", unit: .bytes),
      gauge("f_files", "inodes"),
      gauge("f_ffree", "free inodes"),
      gauge("readonly", "1 where it is mounted read-only"),
    ])

  /// File systems without a block device that store files.
  private static let deviceless: Set<String> = ["tmpfs", "overlay", "zfs", "bcachefs", "btrfs"]

  /// Available if the mounts are those of this process.
  func probe(_ context: CollectorContext) -> Availability {
    guard context.roots.isOwnProc else {
      return .absent(reason: "paths are this namespace\'s, not those of \(context.roots.proc)")
    }
    return mounts(context).isEmpty
      ? .absent(reason: "no local file system is mounted") : .available
  }

  /// Arms the present mounts.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let availability = probe(context)
    guard availability == .available else {
      throw LBError(.collectorUnavailable, "filesystems: \(availability.reason)")
    }
    do throws(SystemError) {
      for _ in 0..<Self.attempts {
        // Opened before the list is read, so that later mounts are noticed as a change.
        let mountinfo = try OwnedDescriptor(open: context.roots.proc("self/mountinfo"), O_RDONLY)
        var notes: [String] = []
        let readable = mounts(context).compactMap { path -> (path: String, device: UInt64)? in
          let name = path.osCString
          let device = unsafe KernelCalls.fileSystem(name).flatMap { _ in
            unsafe KernelCalls.device(of: name)
          }
          if device == nil {
            notes.append("filesystems: statvfs(\(path)) failed: this file system is left out")
          }
          return device.map { (path, $0) }
        }
        // The devices are valid only if the list did not change meanwhile.
        if KernelCalls.hasChanged(mountinfo.number) { continue }
        return ArmedFilesystems(
          readable, MountDecoder(readable.map(\.path), description.metrics, context.filter),
          mountinfo: mountinfo, notes: notes)
      }
    } catch {
      throw LBError(.collectorUnavailable, "filesystems: \(error)")
    }
    throw LBError(.collectorUnavailable, "filesystems: mounts come and go all the time")
  }

  /// Attempts to read the list of mounts without a change meanwhile.
  private static let attempts = 10

  /// Mount points, the first of each device (proc_pid_mountinfo(5)).
  private func mounts(_ context: CollectorContext) -> [String] {
    let types = (SmallFile.text(context.roots.proc("filesystems")) ?? "").parts("\n")
    let local = Set(types.filter { !$0.hasPrefix("nodev") }.map(\.trimmed))
      .union(Self.deviceless)
    var mounts: [(path: String, device: Substring)] = []
    for line in (SmallFile.text(context.roots.proc("self/mountinfo")) ?? "").parts("\n") {
      let words = line.parts(" ")
      guard words.count > 6, let dash = words.firstIndex(of: "-"), dash + 1 < words.count,
        local.contains(String(words[dash + 1]))
      else { continue }
      // A later mount hides an earlier one at the same path.
      let path = Self.plain(words[4])
      mounts.removeAll { ExactText($0.path) == ExactText(path) }
      mounts.append((path, words[2]))
    }
    var devices = Set<Substring>()
    return mounts.filter { devices.insert($0.device).inserted }.map(\.path)
  }

  /// A path with its octal escapes decoded.
  static func plain(_ path: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = OSText.bytes(path)[...]
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
    return OSText.string(bytes)
  }
}

/// The use of each mounted file system, one part each, after a part with the change flag of the
/// mounts. A file system that does not answer, or differs from the armed one, is an error.
@safe
private final class ArmedFilesystems: ArmedCollector, @unchecked Sendable {
  // Sendable: see the base class.
  private let mountinfo: OwnedDescriptor
  /// C strings: open mount points could not be unmounted.
  private let paths: [UnsafeMutablePointer<CChar>]
  private let devices: [UInt64]
  /// The mounts have changed since arming. Permanent: the kernel reports a change once.
  private var isOutdated = false

  init(
    _ mounts: [(path: String, device: UInt64)], _ decoder: MountDecoder,
    mountinfo: consuming OwnedDescriptor, notes: [String]
  ) {
    self.mountinfo = mountinfo
    unsafe paths = mounts.compactMap { unsafe strdup($0.path.osCString) }
    devices = mounts.map(\.device)
    super.init(
      decoder: decoder, readingWords: 3 + mounts.count * (2 + MountDecoder.fields), notes: notes)
  }

  deinit { unsafe paths.forEach { unsafe free($0) } }

  override func read(into body: inout RawBody) {
    let start = body.count
    read(into: &body, isOutdated: isOutdated)
    // Checked last: an unmount before statvfs is then reported, and the device is checked again.
    body.add(systemCalls: 1)
    if !isOutdated, KernelCalls.hasChanged(mountinfo.number) {
      isOutdated = true
      body.rewind(to: start)
      read(into: &body, isOutdated: true)
    }
  }

  private func read(into body: inout RawBody, isOutdated: Bool) {
    body.words(1) { _ in isOutdated ? 1 : 0 }
    for index in unsafe paths.indices {
      body.add(systemCalls: 1)
      let use = unsafe KernelCalls.fileSystem(paths[index])
      var isThere = use != nil
      if isOutdated {
        // After an unmount, statvfs(2) returns the file system below.
        let device = unsafe KernelCalls.device(of: paths[index])
        isThere = isThere && device == devices[index]
      }
      guard let use, isThere else {
        body.number(0, failure: ENOENT)
        continue
      }
      body.words(MountDecoder.fields) { field in
        switch field {
        case 0: use.size
        case 1: use.free
        case 2: use.available
        case 3: use.files
        case 4: use.freeFiles
        default: use.isReadOnly ? 1 : 0
        }
      }
    }
  }
}

/// Decodes the use of the present file systems; a removed one loses its columns.
final class MountDecoder: RawDecoder {
  static let fields = 6
  private let mounts: [String]
  private let metrics: [MetricDescription]
  private let filter: ColumnFilter
  /// By mount, whether it was present, and the slots of its metrics, -1 for filtered ones.
  private var isThere: [Bool]
  private var slots: [Int] = []

  /// A decoder that assumes that all mounts are present; `metrics` in the order of a part's words.
  init(_ mounts: [String], _ metrics: [MetricDescription], _ filter: ColumnFilter) {
    self.mounts = mounts
    self.metrics = metrics
    self.filter = filter
    isThere = mounts.map { _ in true }
    super.init()
    _ = learn(isThere)
  }

  override func decode(_ body: Span<UInt64>) -> Outcome {
    var parts = RawParts()
    guard let news = parts.next(of: body), news.bytes == 8 else { return .gap(.malformed) }
    if body[news.start] != 0 { wantsRearm = true }
    let first = parts
    var found: [Bool] = []
    while let part = parts.next(of: body) {
      guard part.failure != 0 || part.bytes == 8 * Self.fields else { return .gap(.malformed) }
      found.append(part.failure == 0)
    }
    guard found.count == mounts.count else { return .gap(.malformed) }
    guard found.contains(true) else { return .gap(.absent) }
    let hasChanged = found != isThere && learn(found)
    parts = first
    var slot = 0
    while let part = parts.next(of: body) {
      for field in 0..<Self.fields where slots[slot + field] >= 0 {
        values[slots[slot + field]] = body[part.start + field]
      }
      slot += Self.fields
    }
    return hasChanged ? .valuesOfNewColumns : .values
  }

  /// Updates the present mounts; returns whether the columns changed.
  private func learn(_ found: [Bool]) -> Bool {
    isThere = found
    var all: [Column] = []
    slots = []
    for (mount, isThere) in zip(mounts, found) {
      for metric in metrics {
        let column = Column(collector: "filesystems", metric: metric, instance: mount)
        let isWanted = isThere && filter.passes(column.name)
        slots.append(isWanted ? all.count : -1)
        if isWanted { all.append(column) }
      }
    }
    guard all != columns else { return false }
    change(columns: all)
    return true
  }
}
