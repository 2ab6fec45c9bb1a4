import Glibc
package import SampleModel

/// A cache of overviews of ended runs, in a file in their directory: the next list opens only new
/// or changed files.
///
/// An entry is valid for a file with the same name, device, inode, size and times of change. There
/// are no entries for runs that have not ended, for files with a log or a tail beside them, and for
/// files of other users: they are read each time. An invalid index is ignored, and a failure to
/// write it has no consequence: it only has what the files have.
package final class RunIndex {
  /// The overview read from a file.
  package struct Reading {
    let overview: RunOverview
    /// Whether the overview may be kept: it depends on the file only.
    let isKept: Bool

    /// An overview; `isKept` if it depends on the file's contents only.
    package init(_ overview: RunOverview, isKept: Bool) {
      self.overview = overview
      self.isKept = isKept
    }
  }

  /// One run: the state of its file, and its overview.
  struct Entry: Equatable {
    let file: FileState
    let overview: RunOverview
  }

  /// The coarsest resolution of file times (FAT), in nanoseconds. Two changes within it have the
  /// same time.
  private static let tick: Int64 = 2_000_000_000

  private let folder: String
  private let now: () -> Int64
  /// By the bytes of the file's name: some different names are canonically equivalent in Unicode.
  private var entries: [[UInt8]: Entry]
  /// Whether they differ from the index's file.
  private var isChanged = false

  /// Reads the index of a directory; `now` is CLOCK_REALTIME in nanoseconds.
  package init(
    of directory: RunDirectory, now: @escaping () -> Int64 = { RunIndex.wallClock() }
  ) {
    folder = directory.path
    self.now = now
    entries = Self.stored(in: directory.path)
  }

  /// The overview of the run in `file`, a file of the directory: the valid entry, or else the
  /// result of `read`, which opens and closes the file.
  package func overview(
    _ file: String, by read: (String) throws(LBError) -> Reading
  ) throws(LBError) -> RunOverview {
    let name = Self.name(file)
    let state = FileState(file)
    if let entry = entries[name] {
      if entry.file == state { return entry.overview }
      entries[name] = nil
      isChanged = true
    }
    let time = now()
    let reading = try read(file)
    // Only if the last change is older than the resolution of file times: a later change is then
    // visible.
    guard let state, reading.isKept, reading.overview.isOver,
      max(state.modified, state.changed) < time - Self.tick, FileState(file) == state
    else { return reading.overview }
    entries[name] = Entry(file: state, overview: reading.overview)
    isChanged = true
    return reading.overview
  }

  /// Writes the index, if it has changed, with the entries of `files` only.
  package func save(of files: [String]) {
    let names = Set(files.map(Self.name))
    let gone = entries.keys.filter { !names.contains($0) }
    for name in gone { entries[name] = nil }
    guard isChanged || !gone.isEmpty else { return }
    isChanged = false
    Self.write(entries, in: folder)
  }

  /// Removes runs whose files were removed from the indexes beside them, so that their commands are
  /// not kept.
  package static func remove(_ files: [String]) {
    for (folder, files) in Dictionary(grouping: files, by: Self.folder(of:)) {
      var entries = stored(in: folder)
      let count = entries.count
      for file in files { entries[name(file)] = nil }
      if entries.count < count { write(entries, in: folder) }
    }
  }

  private static func name(_ file: String) -> [UInt8] {
    Array(file.utf8.suffix(from: behindSlash(file)))
  }

  private static func folder(of file: String) -> String {
    let name = behindSlash(file)
    return name == file.startIndex ? "." : String(file[..<name])
  }

  private static func behindSlash(_ file: String) -> String.Index {
    let slash = file.utf8.lastIndex(of: UInt8(ascii: "/"))
    return slash.map { file.utf8.index(after: $0) } ?? file.startIndex
  }

  /// CLOCK_REALTIME in nanoseconds.
  package static func wallClock() -> Int64 {
    var time = timespec()
    // Safe: the call fills the struct.
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return FileState.nanoseconds(time)
  }
}

/// The state of a file, to detect changes.
struct FileState: Equatable {
  let device: UInt64
  let inode: UInt64
  let size: Int64
  /// The last change of its contents, and of its inode (which cannot be set), in nanoseconds since
  /// 1970.
  let modified: Int64
  let changed: Int64

  init(device: UInt64, inode: UInt64, size: Int64, modified: Int64, changed: Int64) {
    self.device = device
    self.inode = inode
    self.size = size
    self.modified = modified
    self.changed = changed
  }

  /// The state of a result file; nil if it is not a regular file of the caller, or has a log or
  /// tail beside it.
  init?(_ file: String) {
    for suffix in ["-wal", "-journal", "-tail"] where unsafe access(file + suffix, F_OK) == 0 {
      return nil
    }
    var facts = stat()
    guard unsafe lstat(file, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG,
      facts.st_uid == geteuid()
    else { return nil }
    device = UInt64(facts.st_dev)
    inode = UInt64(facts.st_ino)
    size = Int64(facts.st_size)
    modified = Self.nanoseconds(facts.st_mtim)
    changed = Self.nanoseconds(facts.st_ctim)
  }

  static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
