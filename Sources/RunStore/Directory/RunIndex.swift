import Glibc
package import SampleModel

/// What a list says of the runs in a directory that are over, noted in a file beside them: the next
/// list opens only what is new or has changed since.
///
/// An entry is of a file as it was: with the same name, device, inode and size, and the same times
/// of its last changes, it is the same file. Nothing is noted of a run that is not over, of a file
/// that has its log or its tail beside it, and of other users' files: they are read each time. An
/// index that is not as it should be is none, and one that cannot be written is not missed: it
/// holds nothing that the files do not.
package final class RunIndex {
  /// What was read of a file.
  package struct Reading {
    let overview: RunOverview
    /// Whether the file says the same, and would say it again.
    let isKept: Bool

    /// An overview; `isKept` where nothing but the file's contents is in it.
    package init(_ overview: RunOverview, isKept: Bool) {
      self.overview = overview
      self.isKept = isKept
    }
  }

  /// One run: the file that it was read from, and what was read.
  struct Entry: Equatable {
    let file: FileState
    let overview: RunOverview
  }

  /// The tick by which file systems tell the times of changes, at most: that of FAT. Two changes
  /// within one leave the same time.
  private static let tick: Int64 = 2_000_000_000

  private let folder: String
  private let now: () -> Int64
  /// By the bytes of the file's name: Unicode takes some names for equal that are not.
  private var entries: [[UInt8]: Entry]
  /// Whether they are not those of the index's file.
  private var isChanged = false

  /// The index of a directory as it is there; `now` is CLOCK_REALTIME in nanoseconds.
  package init(
    of directory: RunDirectory, now: @escaping () -> Int64 = { RunIndex.wallClock() }
  ) {
    folder = directory.path
    self.now = now
    entries = Self.stored(in: directory.path)
  }

  /// What a list says of the run in `file`, a file of the directory: as noted, or else by `read`,
  /// which opens the file and closes it again.
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
    // A change behind this reading must not look like none: it is more than a tick later than the
    // last one.
    guard let state, reading.isKept, reading.overview.isOver,
      max(state.modified, state.changed) < time - Self.tick, FileState(file) == state
    else { return reading.overview }
    entries[name] = Entry(file: state, overview: reading.overview)
    isChanged = true
    return reading.overview
  }

  /// Writes the index, if it has changed, with the entries of `files` alone.
  package func save(of files: [String]) {
    let names = Set(files.map(Self.name))
    let gone = entries.keys.filter { !names.contains($0) }
    for name in gone { entries[name] = nil }
    guard isChanged || !gone.isEmpty else { return }
    isChanged = false
    Self.write(entries, in: folder)
  }

  /// Takes runs whose files were removed out of the indexes beside them: what they executed is
  /// nobody's any more.
  package static func forget(_ files: [String]) {
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

/// By what a file is known not to have changed.
struct FileState: Equatable {
  let device: UInt64
  let inode: UInt64
  let size: Int64
  /// The last change of its contents, and the last change of anything of it, which nobody can set,
  /// in nanoseconds since 1970.
  let modified: Int64
  let changed: Int64

  init(device: UInt64, inode: UInt64, size: Int64, modified: Int64, changed: Int64) {
    self.device = device
    self.inode = inode
    self.size = size
    self.modified = modified
    self.changed = changed
  }

  /// A result file as it is; nil of what is no regular file of the caller's, or has part of the run
  /// beside it.
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
