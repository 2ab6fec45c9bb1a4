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

  /// Holds the log of a file against its seals where that could not be done before it was opened
  /// for writing. Closed, the connection would fold in a log that does not fit: it stays instead.
  static func check(
    _ queue: DatabaseQueue, _ path: String, isComplete: Bool
  ) throws(LBError) {
    guard !queue.configuration.readonly else { return }
    do throws(LBError) {
      try LogCheck.check(queue, path, isComplete: isComplete)
    } catch {
      _ = unsafe Unmanaged.passRetained(queue)
      throw error
    }
  }

  /// A file that we may not write, or that is another user's, is read as it is, and so is one that
  /// is to be opened `readonly`, since closing it changes nothing; any other is opened for writing:
  /// a live log's shared-memory file is needed. Where there is no room for that one, the log is
  /// read by this process alone, which keeps the index in its own memory.
  static func open(_ path: String, readonly: Bool = false) throws -> DatabaseQueue {
    var settings = Configuration()
    settings.busyMode = .timeout(5)
    let mayWrite = RunDirectory.isOwn(path) && FileManager.default.isWritableFile(atPath: path)
    settings.readonly = readonly || !mayWrite
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
