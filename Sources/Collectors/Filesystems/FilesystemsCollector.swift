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
      for _ in 0..<Self.attempts {
        // Opened before the list is read: what is mounted in between is then seen as a change.
        let mountinfo = try OwnedDescriptor(open: context.roots.proc("self/mountinfo"), O_RDONLY)
        var notes: [String] = []
        let readable = mounts(context).compactMap { path -> (path: String, device: UInt64)? in
          let name = path.osCString
          let device = unsafe KernelCalls.fileSystem(name).flatMap { _ in
            unsafe KernelCalls.device(of: name)
          }
          if device == nil { notes.append("filesystems: \(path) refuses statvfs: left out") }
          return device.map { (path, $0) }
        }
        // Whose devices these are is known of a list that stood still.
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

  /// Readings of the list of mounts until one stands still meanwhile.
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
      // What is mounted over another hides it.
      let path = Self.plain(words[4])
      mounts.removeAll { ExactText($0.path) == ExactText(path) }
      mounts.append((path, words[2]))
    }
    var devices = Set<Substring>()
    return mounts.filter { devices.insert($0.device).inserted }.map(\.path)
  }

  /// A path whose blanks stand as octal escapes.
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

/// The use of each mounted file system, a part each, behind one that says whether mounts came or
/// went. What does not answer, or is another file system than it was armed with, is an error.
@safe
private final class ArmedFilesystems: ArmedCollector, @unchecked Sendable {
  // Sendable: as the base class says.
  private let mountinfo: OwnedDescriptor
  /// C strings: opening the mount points would keep them from being unmounted.
  private let paths: [UnsafeMutablePointer<CChar>]
  private let devices: [UInt64]
  /// The mounts are others than it was armed with. For good: the kernel tells of a change once.
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
    // Asked last: what was unmounted before it was asked for its room has been told by then, and is
    // asked once more who it is.
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
        // Where a mount was, statvfs(2) finds the file system below it.
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

/// Gives the use of those file systems that are there; one that is gone has no columns any more.
final class MountDecoder: RawDecoder {
  static let fields = 6
  private let mounts: [String]
  private let metrics: [MetricDescription]
  private let filter: ColumnFilter
  /// By mount, whether it was there; and the slots of its metrics, -1 for what is not wanted.
  private var isThere: [Bool]
  private var slots: [Int] = []

  /// A decoder that takes all these mounts to be there; `metrics` in the order of a part's words.
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

  /// Takes which mounts are there; gives whether the columns are others than before.
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
