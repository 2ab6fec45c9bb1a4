import Foundation
import SampleModel

/// Drafts that killed processes left in a directory: files that would have become a result, the
/// copy of an import or an index. A process holds a lock (flock(2)) on its draft, which ends with
/// the process and is also visible from other PID namespaces.
enum AbandonedDrafts {
  /// What a draft would have become.
  private enum Kind: Equatable {
    /// A new result, by the process with this number.
    case result(pid_t)
    case copy
    case index
  }

  /// What SQLite, and readers, may make beside the copy of an import.
  private static let besideCopy = ["-wal", "-shm", "-tail", "-journal"]
  /// What stands between a result's name and the number of the process.
  private static let resultMiddle = ".new-"

  /// The name of the draft of a result, by this process.
  static func name(ofResult path: String) -> String { "\(path)\(resultMiddle)\(getpid())" }

  /// Locks a draft that this process has just made, for as long as `descriptor` is open; false
  /// where it was taken for abandoned before, and removed.
  static func lock(_ descriptor: Int32) -> Bool {
    var facts = stat()
    // A file system without such locks has drafts without them: the number of the process remains.
    _ = flock(descriptor, LOCK_EX)
    return unsafe fstat(descriptor, &facts) == 0 && facts.st_nlink > 0
  }

  /// Removes those in `folder`: regular files of the caller alone, unlocked, whose process is gone.
  /// Drafts of results are those of files called `*.lbsample`, or called `name`. What cannot be
  /// removed stays.
  static func remove(in folder: String, of name: String? = nil) {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: folder)
    } catch {
      // The caller's own access reports why it cannot be read.
      return
    }
    let drafts = names.compactMap { entry in
      kind(entry, of: name).map { (name: entry, kind: $0) }
    }
    guard !drafts.isEmpty else { return }
    let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { _ = Foundation.close(descriptor) }
    for draft in drafts { remove(draft.name, draft.kind, in: descriptor) }
  }

  private static func kind(_ entry: String, of name: String?) -> Kind? {
    func isNumber(behind start: String) -> Bool {
      entry.begins(start) && UInt64(entry.dropFirst(start.count), radix: 16) != nil
    }
    if isNumber(behind: RunDirectory.draftStart) { return .copy }
    if isNumber(behind: RunIndex.draftStart) { return .index }
    guard let (file, process) = parts(ofResult: entry),
      file.hasSuffix(".\(RunDirectory.fileExtension)")
        || name.map({ ExactText($0) == ExactText(file) }) == true
    else { return nil }
    return .result(process)
  }

  /// The name that the draft of a result would have got, and the number of its process.
  private static func parts(ofResult entry: String) -> (file: String, process: pid_t)? {
    let bytes = Array(entry.utf8)
    let digits = bytes.reversed().prefix { (48...57).contains($0) }.count
    let end = bytes.count - digits
    guard (1...10).contains(digits),
      bytes[..<end].reversed().starts(with: resultMiddle.utf8.reversed()),
      let process = pid_t(String(decoding: bytes[end...], as: UTF8.self)), process > 0
    else { return nil }
    let file = bytes[..<(end - resultMiddle.utf8.count)]
    return (String(decoding: file, as: UTF8.self), process)
  }

  private static func remove(_ name: String, _ kind: Kind, in folder: Int32) {
    // Not to wait for the writer of a FIFO of that name, and no link is followed.
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let draft = unsafe openat(folder, name, flags)
    guard draft >= 0 else { return }
    defer { _ = Foundation.close(draft) }
    var facts = stat()
    guard unsafe fstat(draft, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG,
      facts.st_uid == geteuid(), facts.st_mode & 0o022 == 0,
      flock(draft, LOCK_EX | LOCK_NB) == 0
    else { return }
    switch kind {
    case .result(let process):
      guard isGone(process),
        isUnused(draft, facts) || isSecondName(name, of: facts, in: folder)
      else { return }
    case .copy:
      for suffix in besideCopy { _ = unsafe unlinkat(folder, name + suffix, 0) }
    case .index: break
    }
    // The name is still that of the file that was checked, unless it was replaced.
    var now = stat()
    guard unsafe fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) == 0, isSame(now, facts) else {
      return
    }
    _ = unsafe unlinkat(folder, name, 0)
  }

  /// Whether no other process has that number: a draft of this process is locked. In a container
  /// each process may have the number of the one before.
  private static func isGone(_ process: pid_t) -> Bool {
    process == getpid() || kill(process, 0) != 0 && errno == ESRCH
  }

  /// Whether a file is empty, or the database of a result in which nothing was written after its
  /// making (https://www.sqlite.org/fileformat2.html, 1.3): no sample is lost with it.
  private static func isUnused(_ draft: Int32, _ facts: stat) -> Bool {
    guard facts.st_nlink == 1 else { return false }
    guard facts.st_size > 0 else { return true }
    var header = [UInt8](repeating: 0, count: 100)
    // Safe: the array's own length bounds the call.
    guard unsafe pread(draft, &header, header.count, 0) == header.count,
      header.starts(with: "SQLite format 3\0".utf8)
    else { return false }
    func number(at offset: Int) -> UInt32 {
      header[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
    // The versions for writing and reading say that there is no log; the counter of changes counts
    // the one transaction that makes the tables.
    return header[18] == 1 && header[19] == 1 && number(at: 24) <= 1
      && number(at: 68) == UInt32(Schema.applicationID)
  }

  /// Whether the file has its own name beside that of the draft, which is all that the process had
  /// yet to remove.
  private static func isSecondName(_ name: String, of facts: stat, in folder: Int32) -> Bool {
    guard let file = parts(ofResult: name)?.file else { return false }
    var own = stat()
    return unsafe fstatat(folder, file, &own, AT_SYMLINK_NOFOLLOW) == 0 && isSame(own, facts)
  }

  private static func isSame(_ one: stat, _ other: stat) -> Bool {
    one.st_dev == other.st_dev && one.st_ino == other.st_ino
  }
}

extension RunDirectory {
  /// Removes drafts of results, imports and indexes that killed processes left in this directory.
  package func removeAbandonedDrafts() { AbandonedDrafts.remove(in: path) }
}
