import Foundation
import GRDB
import SampleModel

/// Verifies that a log left beside a result file belongs to it.
///
/// SQLite applies any log of the right name, and merges it into the file when the last writing
/// connection closes: the log of another file, or an older one, would destroy a good file. So a
/// read-only connection, which changes nothing when closed, checks first.
enum LogCheck {
  /// Throws `resultPersistence` unless each table matches its seal with the log in view; files of
  /// versions without a seal only need their tables. If the file `isComplete`, any log is refused.
  /// A log that is being written is not checked. Returns whether the check was possible: it needs
  /// room for the log's index.
  static func check(_ path: String, isComplete: Bool) throws(LBError) -> Bool {
    guard isLeft(path) else { return true }
    var settings = Configuration()
    settings.readonly = true
    settings.busyMode = .timeout(5)
    settings.prepareDatabase { db in Seal.prepare(db) }
    let queue: DatabaseQueue
    do {
      queue = try DatabaseQueue(path: path, configuration: settings)
      _ = try queue.read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") }
    } catch let error as DatabaseError
      where [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_READONLY]
      .contains(error.resultCode)
    {
      return false
    } catch {
      throw inView(StoreFailure.error(error, path: path, doing: "opening"), path)
    }
    defer {
      do { try queue.close() } catch {
        // A statement is still in use: the connection ends with the process.
      }
      FreeThreads.spare(queue)
    }
    try check(queue, path, isComplete: isComplete)
    return true
  }

  /// The check by an open connection.
  static func check(
    _ queue: DatabaseQueue, _ path: String, isComplete: Bool
  ) throws(LBError) {
    do {
      try queue.read { db in
        if try Schema.check(db, path, mayLackTables: false) {
          try Seal.check(Seal.tables(db), db, path)
        }
      }
    } catch let error as LBError {
      throw inView(error, path)
    } catch {
      throw inView(StoreFailure.error(error, path: path, doing: "reading"), path)
    }
    guard isComplete else { return }
    // An older log may have all pages, and show an earlier state of the run.
    throw inView(
      LBError(
        .resultPersistence, "\(path): the file is complete by itself",
        context: ErrorContext(path: path)), path)
  }

  /// Whether there is a log without a writer.
  private static func isLeft(_ path: String) -> Bool {
    var facts = stat()
    guard unsafe stat(LogFile.path(of: path), &facts) == 0, facts.st_size > 0 else { return false }
    return Tail.File(ofRunIn: path)?.isHeld() != true
  }

  /// The error, with the remedy if the log is the cause.
  private static func inView(_ error: LBError, _ path: String) -> LBError {
    guard error.category == .resultPersistence else { return error }
    var error = error
    let what =
      error.message.range(of: StoreFailure.damageAdvice).map {
        String(error.message[..<$0.lowerBound])
      } ?? error.message
    let log = LogFile.path(of: path)
    error.message =
      "\(what), with the log \(log) in view. If that log is not this file's own, move it away and "
      + "read the file again"
    return error
  }
}
