import Foundation
import GRDB
import SampleModel

/// Checks of a file before it is read as a result.
extension RunReader {
  static func noResult(_ path: String, _ kind: String = "") -> LBError {
    LBError(
      .configuration, "\(path) is not an lbsample result file\(kind)",
      context: ErrorContext(path: path))
  }

  /// Refuses FIFOs and devices with a clear error; that of the database would not name the cause.
  static func checkKind(_ path: String) throws(LBError) {
    var facts = stat()
    guard unsafe stat(path, &facts) == 0, facts.st_mode & S_IFMT != S_IFREG else { return }
    throw noResult(path, ": not a regular file")
  }

  /// Whether the file begins like a database: false for an unreadable file (some in /proc), which
  /// is not a disk error.
  static func looksLikeDatabase(_ path: String) -> Bool {
    let descriptor = unsafe Foundation.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { _ = Foundation.close(descriptor) }
    var start = [UInt8](repeating: 0, count: 16)
    // Safe: the array's own length bounds the call.
    let count = unsafe Foundation.read(descriptor, &start, start.count)
    return count == start.count && start.elementsEqual("SQLite format 3\0".utf8)
  }

  /// Verifies the log of a file against its seals, if that was not possible before it was opened
  /// for writing. On failure the connection stays open, since closing it would merge the wrong log.
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

  /// A file that is not writable, belongs to another user, or is to be opened `readonly` is opened
  /// read-only, so that closing it changes nothing. Any other is opened for writing, since a live
  /// log needs its shared-memory file. Without room for that, the log is read with the index in
  /// this process's memory.
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
