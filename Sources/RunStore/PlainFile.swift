import GRDB
import Glibc

/// Which file a path names, so that another one under its name is told from it.
struct FileMark: Hashable {
  private let device: UInt64
  private let inode: UInt64

  /// The file at `path`; nil where there is none.
  init?(_ path: String) {
    var facts = stat()
    guard unsafe lstat(path, &facts) == 0 else { return nil }
    device = UInt64(facts.st_dev)
    inode = UInt64(facts.st_ino)
  }

  /// Whether `path` names it.
  func isAt(_ path: String) -> Bool { FileMark(path) == self }

  /// Removes it and what stands beside it, if `path` names it.
  func remove(_ path: String) {
    guard isAt(path) else { return }
    for suffix in ["", "-wal", "-shm", "-tail"] { _ = unsafe Glibc.unlink(path + suffix) }
  }
}

/// Turning a WAL database into one plain file, when nobody else has it open.
enum PlainFile {
  /// Tries to, and waits until everything is on the disk; what fails here (a reader is attached) is
  /// finished by whoever closes last. Gives why the log stays, where that is no reader.
  @discardableResult
  static func settle(_ queue: DatabaseQueue) -> String? {
    var reason: String?
    do {
      try queue.writeWithoutTransaction { db in
        defer { flushAgain(db) }
        _ = try db.checkpoint(.truncate)
        // Two bytes of the file's header are left, for which SQLite would flush four times.
        try db.execute(sql: "PRAGMA synchronous = OFF; PRAGMA journal_mode = DELETE")
      }
    } catch let error as DatabaseError {
      // SQLITE_BUSY or SQLITE_LOCKED: a reader is attached, and the log stays beside the file.
      switch error.resultCode {
      case .SQLITE_BUSY, .SQLITE_LOCKED: break
      case .SQLITE_FULL: reason = "file system full"
      case .SQLITE_IOERR: reason = "input/output error"
      default: reason = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
      }
    } catch {
      reason = "\(error)"
    }
    do { try queue.close() } catch {
      // A statement is still in use somewhere: the connection goes with the process.
    }
    return reason
  }

  /// Closes the database without waiting for the disk: the log stays beside it, for the next reader
  /// to fold in. Copied into the file without waiting, it would cost all of that where the power
  /// fails before the kernel has written it; as it is, it costs its own end at most.
  static func leaveLog(_ queue: DatabaseQueue) {
    // SQLite folds the log in when the last connection closes, unless that one may only read.
    var keeper: DatabaseQueue?
    do {
      try FreeDescriptors.check(for: queue.path)
      var settings = Configuration()
      settings.readonly = true
      let reading = try DatabaseQueue(path: queue.path, configuration: settings)
      keeper = reading
      _ = try reading.read { db in
        try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master")
      }
    } catch {
      // No descriptor is left, say: closing takes as long as the disk does then.
    }
    do {
      try queue.close()
      try keeper?.close()
    } catch {
      // A statement is still in use somewhere: the connection goes with the process.
    }
    if let keeper { FreeThreads.spare(keeper) }
  }

  /// Where the log stays, closing the file may have to move what somebody else added to it.
  private static func flushAgain(_ db: Database) {
    do { try db.execute(sql: "PRAGMA synchronous = NORMAL") } catch {
      // It is no statement that can fail but for memory.
    }
  }
}
