import Foundation
import GRDB
import SampleModel

/// How a result file comes to be, and how it is opened for writing.
extension RunWriter {
  /// Gives a file its name, which must be free: of two that want it one gets it.
  static func move(_ draft: String, to path: String) throws(LBError) {
    if unsafe link(draft, path) == 0 {
      _ = unsafe Foundation.unlink(draft)
      return
    }
    if errno == EEXIST { throw exists(path) }
    // Some file systems have no second name for a file (FAT): there, what was free a briefTimeout
    // ago is.
    if [EPERM, ENOTSUP, ENOSYS].contains(errno), unsafe rename(draft, path) == 0 { return }
    let reason = errno
    throw LBError(
      .resultPersistence, "\(path): cannot be created: \(StoreFailure.reason(reason))",
      context: ErrorContext(path: path, errno: reason))
  }

  /// Who may read a file of results, beside what umask(2) takes away: they hold what a workload
  /// wrote and how it was called, and root's are of everything.
  static var mode: mode_t { geteuid() == 0 ? 0o600 : 0o644 }

  /// Makes the empty file of the draft of `path`, from which the database and the files beside it
  /// take their mode. Removes those that killed processes left in its directory. Returns the
  /// descriptor that holds the draft's lock, or a negative number: why the draft cannot be made the
  /// database says in its own words.
  static func reserve(_ draft: String, of path: String) throws(LBError) -> Int32 {
    let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
    let name = slash.map { path.utf8.index(after: $0) } ?? path.startIndex
    AbandonedDrafts.remove(
      in: name == path.startIndex ? "." : String(path[..<name]), of: String(path[name...]))
    let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    while true {
      let descriptor = unsafe Foundation.open(draft, flags, mode)
      guard descriptor >= 0 else {
        if errno == EEXIST { throw exists(draft) }
        return descriptor
      }
      if AbandonedDrafts.lock(descriptor) { return descriptor }
      _ = Foundation.close(descriptor)
    }
  }

  /// Closes a draft's descriptor, once.
  static func release(_ lock: inout Int32) {
    if lock >= 0 { _ = Foundation.close(lock) }
    lock = -1
  }

  static func exists(_ path: String) -> LBError {
    LBError(
      .resultPersistence, "\(path) exists already: choose another file or remove it",
      context: ErrorContext(path: path, errno: EEXIST))
  }

  /// Milliseconds to wait for another program's lock.
  static let busyTimeout = 5000
  /// Milliseconds to wait for writes that can be postponed.
  static let briefTimeout = 50

  static func openLog(_ path: String) throws -> DatabaseQueue {
    var settings = Configuration()
    settings.journalMode = .wal
    settings.busyMode = .timeout(Double(busyTimeout) / 1000)
    settings.prepareDatabase { db in
      // Rows are only added: the default cache of 2 MB would fill with pages that are never read
      // again.
      try db.execute(
        sql: """
          PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -512;
          """)
      Seal.prepare(db)
    }
    return try DatabaseQueue(path: path, configuration: settings)
  }

  /// Writes the tables and the run's fixed rows into a new file, without a log beside it.
  static func makeDraft(
    _ path: String, _ identity: Identity, _ host: [(name: String, value: String)],
    _ configuration: [ConfigurationEntry], _ labels: [String: String]
  ) throws -> DatabaseQueue {
    var settings = Configuration()
    settings.prepareDatabase { db in
      try db.execute(sql: "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;")
      Seal.prepare(db)
    }
    let queue = try DatabaseQueue(path: path, configuration: settings)
    try queue.write { db in
      try db.execute(
        sql: """
          PRAGMA application_id = \(Schema.applicationID);
          PRAGMA user_version = \(Schema.tablesVersion);
          """)
      try db.execute(sql: Schema.tables)
      _ = try Schema.migrate(db)
      let owner = ProcessIdentity.current()
      try db.execute(
        sql: """
          INSERT INTO run (id, name, kind, status, lbsample_version, pid, pid_start, boot_id,
            interval_ns, repetitions_planned, warm_ups_planned, start_unix_ns)
          VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          identity.runID, identity.name, identity.kind, identity.version, owner.pid,
          owner.start, owner.bootID, Int64(bitPattern: identity.interval),
          identity.repetitions, identity.warmUps,
          Int64(bitPattern: identity.startUnixNanoseconds),
        ])
      try db.execute(
        sql: "INSERT INTO session VALUES (1, ?)", arguments: [owner.bootID])
      for entry in configuration {
        try db.execute(
          sql: "INSERT INTO configuration (key, value, origin) VALUES (?, ?, ?)",
          arguments: [entry.key, entry.value, entry.origin])
      }
      for fact in host {
        try db.execute(
          sql: "INSERT INTO host (name, value) VALUES (?, ?)",
          arguments: [fact.name, fact.value])
      }
      for (key, value) in labels {
        try db.execute(
          sql: "INSERT INTO label (key, value) VALUES (?, ?)", arguments: [key, value])
      }
      try Seal.renew(db)
    }
    try queue.close()
    return queue
  }
}
