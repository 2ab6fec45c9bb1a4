import Foundation
import GRDB
import SampleModel

/// What is looked at of a file before it is read as a result.
extension RunReader {
  static func noResult(_ path: String, _ kind: String = "") -> LBError {
    LBError(
      .configuration, "\(path) is not an lbsample result file\(kind)",
      context: ErrorContext(path: path))
  }

  /// A FIFO or a device is no result, and the database would only say that it cannot be read.
  static func checkKind(_ path: String) throws(LBError) {
    var facts = stat()
    guard unsafe stat(path, &facts) == 0, facts.st_mode & S_IFMT != S_IFREG else { return }
    throw noResult(path, ": not a regular file")
  }

  /// Whether the file begins as a database does: one that cannot be read at all, as some of /proc,
  /// is none, and no fault of a disk.
  static func looksLikeDatabase(_ path: String) -> Bool {
    let descriptor = unsafe Foundation.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { _ = Foundation.close(descriptor) }
    var start = [UInt8](repeating: 0, count: 16)
    // Safe: the array's own length bounds the call.
    let count = unsafe Foundation.read(descriptor, &start, start.count)
    return count == start.count && start.elementsEqual("SQLite format 3\0".utf8)
  }

  /// A file that we may not write, or that is another user's, is read as it is; any other is opened
  /// for writing: a live log's shared-memory file is needed. Where there is no room for that one,
  /// the log is read by this process alone, which keeps the index in its own memory.
  static func open(_ path: String) throws -> DatabaseQueue {
    var settings = Configuration()
    settings.busyMode = .timeout(5)
    let mayWrite = RunDirectory.isOwn(path) && FileManager.default.isWritableFile(atPath: path)
    settings.readonly = !mayWrite
    settings.prepareDatabase { db in Seal.prepare(db) }
    do {
      let queue = try DatabaseQueue(path: path, configuration: settings)
      _ = try queue.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") }
      return queue
    } catch let error as DatabaseError
      where [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN].contains(error.resultCode)
    {
      settings.prepareDatabase { db in try db.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
      return try DatabaseQueue(path: path, configuration: settings)
    }
  }
}
