import GRDB
import Glibc

/// The identity of the file at a path, to detect another file of that name.
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

extension Database {
  /// What is committed in `body` is on the disk when this returns: the log is flushed with it, and
  /// so with all that was committed before. Not within a transaction, where that cannot be changed.
  func flushing<Value>(_ body: () throws -> Value) throws -> Value {
    let level = try Int.fetchOne(self, sql: "PRAGMA synchronous") ?? 1
    try execute(sql: "PRAGMA synchronous = FULL")
    defer { PlainFile.setSynchronous(level, self) }
    return try body()
  }
}

extension DatabaseQueue {
  /// One transaction, which is on the disk when this returns.
  func writeThrough(_ body: (Database) throws -> Void) throws {
    try writeWithoutTransaction { db in
      try db.flushing {
        try db.inTransaction {
          try body(db)
          return .commit
        }
      }
    }
  }
}

/// Turns a WAL database into one plain file, if no other process has it open.
enum PlainFile {
  /// Merges the log if possible; if a reader is attached, the last one to close does. With
  /// `isFlushed`, waits until everything is flushed, and then calls `body`, which may remove copies
  /// of the log's rows. Returns why the log remains, unless because of a reader.
  @discardableResult
  static func settle(
    _ queue: DatabaseQueue, isFlushed: Bool = true, _ body: () -> Void = {}
  ) -> String? {
    var reason: String?
    do {
      try queue.writeWithoutTransaction { db in
        // If the log remains, closing the file may have to move rows that another process added.
        defer { setSynchronous(1, db) }
        do {
          defer { body() }
          if isFlushed { _ = try db.checkpoint(.truncate) }
        }
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
      // A statement is still in use: the connection ends with the process.
    }
    return reason
  }

  /// PRAGMA synchronous: 0 flushes nothing, 1 what moves out of the log, 2 each transaction too.
  fileprivate static func setSynchronous(_ level: Int, _ db: Database) {
    do { try db.execute(sql: "PRAGMA synchronous = \(level)") } catch {
      // It is no statement that can fail but for memory.
    }
  }
}
