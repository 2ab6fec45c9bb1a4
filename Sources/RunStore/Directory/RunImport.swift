import Foundation
import GRDB
package import SampleModel

/// Bringing a result file from elsewhere into a directory of runs.
extension RunDirectory {
  /// Bytes that are copied at a time.
  private static let piece = 1 << 20
  /// How the names of drafts begin: no run's file does.
  static let draftStart = ".import-"
  /// What SQLite, and readers, may make beside a file; the file itself last.
  private static let draftSuffixes = ["-wal", "-shm", "-tail", "-journal", ""]

  /// Copies the result file `source` into this directory under its run's id, and gives the new
  /// path. The copy is opened, all its tables are held against their seals and its pages against
  /// one another, and it is on the disk before it has its name. `source` is only read, and a file
  /// that is there already is not replaced.
  package func add(copyOf source: String) throws(LBError) -> String {
    try StorePath.check(existing: source, advice: "check the path")
    try RunReader.checkKind(source)
    for suffix in ["-wal", "-tail", "-journal"]
    where FileManager.default.fileExists(atPath: source + suffix) {
      throw LBError(
        .configuration,
        "\(source) has a file \(suffix) beside it: its run is not closed, and part of it is in "
          + "there. 'lbsample runs show \(source)' closes a run that is over",
        context: ErrorContext(path: source))
    }
    try create()
    removeAbandonedDrafts()
    let (draft, lock) = try newDraft()
    defer {
      Self.removeDraft(draft)
      _ = Foundation.close(lock)
    }
    try Self.copy(source, to: draft, lock)
    let id: String
    do throws(LBError) {
      id = try Self.examine(draft)
    } catch {
      throw Self.renamed(error, draft, source)
    }
    let target = file(ofRun: id)
    for suffix in ["", "-wal", "-tail", "-journal"]
    where unsafe access(target + suffix, F_OK) == 0 {
      throw Self.isStored(id, target + suffix, source)
    }
    try Self.flush(draft)
    do throws(LBError) {
      try RunWriter.move(draft, to: target)
    } catch {
      throw error.context.errno == EEXIST ? Self.isStored(id, target, source) : error
    }
    Self.flush(folderOf: target)
    return target
  }

  /// A new empty file. It is locked while it is open, so that no other import removes it.
  private func newDraft() throws(LBError) -> (path: String, descriptor: Int32) {
    while true {
      let draft =
        "\(path)/\(Self.draftStart)" + String(UInt64.random(in: 0...UInt64.max), radix: 16)
      let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
      let output = unsafe Foundation.open(draft, flags, RunWriter.mode)
      guard output >= 0 else {
        let reason = errno
        throw LBError(
          .resultPersistence, "\(draft): creating failed: \(StoreFailure.reason(reason))",
          context: ErrorContext(path: draft, errno: reason))
      }
      if AbandonedDrafts.lock(output) { return (draft, output) }
      _ = Foundation.close(output)
    }
  }

  private static func removeDraft(_ draft: String) {
    for suffix in draftSuffixes { _ = unsafe Foundation.unlink(draft + suffix) }
  }

  private static func isStored(_ id: String, _ path: String, _ source: String) -> LBError {
    LBError(
      .configuration,
      "\(source) is the run \(id), which is stored already: \(path) exists. Nothing is imported; "
        + "'lbsample runs remove \(id)' removes the stored one",
      context: ErrorContext(path: source))
  }

  /// The run's id, of a copy that is whole and whose run is over.
  private static func examine(_ draft: String) throws(LBError) -> String {
    let reader = try RunReader(path: draft)
    defer { reader.close() }
    if try reader.isBeingRecorded() {
      throw LBError(
        .configuration, "\(draft) is being recorded: import it when that has ended",
        context: ErrorContext(path: draft))
    }
    try reader.verifyAll()
    let integrity = try reader.integrity()
    guard integrity == "ok" else {
      throw LBError(
        .resultPersistence, "\(draft): corrupt: its pages do not fit together",
        context: ErrorContext(path: draft), causes: [String(integrity.prefix(200))])
    }
    _ = try reader.finishIfAbandoned()
    // Every value that a reader shows, not the pages alone.
    let result = try reader.result()
    let id = result.runID
    guard id.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), id != "last" else {
      throw LBError(
        .resultPersistence,
        "\(draft): corrupt: its run id, \(id.shownInLine), is none that lbsample makes",
        context: ErrorContext(path: draft))
    }
    // Runs are sorted by the time in their ids, which is taken just before a run begins.
    let start = Int64(result.startUnixNanoseconds / 1_000_000_000)
    let day: Int64 = 86400
    let times = [start - day, start + day].map { second in
      let time = CivilTime(unixSeconds: second)
      return "\(time.compactDate)-\(time.compactTime)"
    }
    let time = String(id.dropLast(9).suffix(15))
    guard name(ofRun: id) != id, times[0] <= time, time <= times[1] else {
      throw LBError(
        .resultPersistence,
        "\(draft): corrupt: the time in its run id, \(id.shownInLine), is not the one at which the "
          + "run began, \(CivilTime(unixSeconds: start).text) UTC",
        context: ErrorContext(path: draft))
    }
    return id
  }

  /// An error of the copy in words of its source.
  private static func renamed(_ error: LBError, _ draft: String, _ source: String) -> LBError {
    func plain(_ text: String) -> String {
      text.split(separator: draft, omittingEmptySubsequences: false).joined(separator: source)
    }
    var context = error.context
    context.path = source
    return LBError(
      error.category, plain(error.message), context: context, causes: error.causes.map(plain))
  }

  /// Copies the bytes of a regular file, which must not change meanwhile, into a draft that is open
  /// as `output`.
  private static func copy(
    _ source: String, to draft: String, _ output: Int32
  ) throws(LBError) {
    func failure(_ path: String, _ doing: String) -> LBError {
      let reason = errno
      return LBError(
        .resultPersistence, "\(path): \(doing) failed: \(StoreFailure.reason(reason))",
        context: ErrorContext(path: path, errno: reason))
    }
    // Not to wait for the writer of a FIFO that has taken its name.
    let input = unsafe Foundation.open(source, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard input >= 0 else { throw failure(source, "opening") }
    defer { _ = Foundation.close(input) }
    var before = stat()
    guard unsafe fstat(input, &before) == 0 else { throw failure(source, "reading") }
    guard before.st_mode & S_IFMT == S_IFREG else {
      throw RunReader.noResult(source, ": not a regular file")
    }
    try checkStart(input, source)
    var buffer = [UInt8](repeating: 0, count: piece)
    var offset: off_t = 0
    while true {
      // Safe: the array's own length bounds both calls.
      let count = unsafe pread(input, &buffer, buffer.count, offset)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure(source, "reading") }
      guard count > 0 else { break }
      var written = 0
      while written < count {
        let step = unsafe pwrite(
          output, Array(buffer[written..<count]), count - written, offset + off_t(written))
        if step < 0, errno == EINTR { continue }
        guard step > 0 else { throw failure(draft, "writing") }
        written += step
      }
      offset += off_t(count)
    }
    var after = stat()
    guard unsafe fstat(input, &after) == 0, after.st_size == before.st_size,
      after.st_mtim.tv_sec == before.st_mtim.tv_sec,
      after.st_mtim.tv_nsec == before.st_mtim.tv_nsec, offset == before.st_size
    else {
      throw LBError(
        .configuration,
        "\(source) changed while it was copied: import it when no program writes to it",
        context: ErrorContext(path: source))
    }
  }

  /// Refuses what does not begin as a database does, before anything is copied.
  private static func checkStart(_ input: Int32, _ source: String) throws(LBError) {
    var start = [UInt8](repeating: 0, count: 16)
    // Safe: the array's own length bounds the call.
    let count = unsafe pread(input, &start, start.count, 0)
    if count == start.count, start.elementsEqual("SQLite format 3\0".utf8) { return }
    // gzip's magic number (RFC 1952), with which a bundle begins.
    guard count > 1, start[0] == 0x1F, start[1] == 0x8B else { throw RunReader.noResult(source) }
    throw RunReader.noResult(
      source,
      ": it is compressed, as the archives of 'lbsample runs bundle' are, which hold no samples "
        + "and cannot be imported. Have the run's own file (.\(fileExtension)) sent")
  }

  /// Puts a file's contents on the disk.
  private static func flush(_ path: String) throws(LBError) {
    let descriptor = unsafe Foundation.open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
    defer { if descriptor >= 0 { _ = Foundation.close(descriptor) } }
    guard descriptor >= 0, fsync(descriptor) == 0 else {
      let reason = errno
      throw LBError(
        .resultPersistence, "\(path): flushing failed: \(StoreFailure.reason(reason))",
        context: ErrorContext(path: path, errno: reason))
    }
  }
}
