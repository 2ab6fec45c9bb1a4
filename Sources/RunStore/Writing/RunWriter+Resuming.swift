import Foundation
import GRDB
package import SampleModel

/// Resuming a run, and the state that an earlier session left.
extension RunWriter {
  /// The state of a resumed run.
  struct Resumed {
    var runID = ""
    /// The number of the new session.
    var session: Int64 = 0
    /// Whether the host was booted since the previous session.
    var isOfAnotherBoot = false
    /// The loss of samples of the tail.
    var loss = Tail.Loss()
  }

  /// Makes this process the writer of a run whose writer has ended, migrates the file to this
  /// version, and begins another session. A file that does not match its seals is not changed. The
  /// tail can be removed once this is flushed.
  static func takeUp(_ db: Database, _ path: String) throws -> Resumed {
    if try Schema.check(db, path, mayLackTables: false) {
      try Seal.check(Seal.tables(db), db, path)
    }
    try checkPages(db, path)
    guard let row = try Row.fetchOne(db, sql: "SELECT * FROM run") else {
      throw LBError(.resultPersistence, "\(path) contains no run that could be resumed")
    }
    let last = ProcessIdentity(
      pid: try row.value("pid"), start: try row.value("pid_start"),
      bootID: try row.value("boot_id"))
    let status = RunStatus(rawValue: try row.value("status"))
    if last.isAlive, status == .running || status == .waiting {
      throw LBError(
        .configuration, "\(path) is being recorded by process \(last.pid); wait until it ends",
        context: ErrorContext(path: path))
    }
    // A writer in another container has another PID here, but its lock is visible.
    if let file = Tail.File(ofRunIn: path), file.isHeld() {
      throw LBError(
        .configuration, "\(path) is being recorded; wait until that ends",
        context: ErrorContext(path: path))
    }
    guard status == .interrupted || status == .running || status == .waiting else {
      throw LBError(
        .configuration,
        "\(path): --resume needs an interrupted run; the status of this run is "
          + "\(status?.rawValue ?? "unknown")", context: ErrorContext(path: path))
    }
    if try Schema.migrate(db) { try Seal.renew(db) }
    try Seal.arm(db)
    let loss = try Tail.absorb(ofRunIn: path, db)
    try db.execute(sql: Schema.interruptParts)
    // Pending phases are determined again from the present plan.
    try db.execute(sql: "DELETE FROM phase WHERE status = 'pending'")
    let own = ProcessIdentity.current()
    try db.execute(
      sql: """
        UPDATE run SET status = 'running', pid = ?, pid_start = ?, boot_id = ?,
          end_unix_ns = NULL, duration_ns = NULL
        """, arguments: [own.pid, own.start, own.bootID])
    try db.execute(
      sql: "INSERT INTO session SELECT coalesce(max(id), 0) + 1, ? FROM session",
      arguments: [own.bootID])
    return Resumed(
      runID: try row.value("id"), session: db.lastInsertedRowID,
      isOfAnotherBoot: last.bootID != own.bootID, loss: loss)
  }

  /// Throws if the pages of a file are inconsistent: new rows could be lost, or overwrite others.
  static func checkPages(_ db: Database, _ path: String) throws {
    let found = try String.fetchAll(db, sql: "PRAGMA integrity_check(1)")
    guard found != ["ok"] else { return }
    throw LBError(
      .resultPersistence,
      "\(path): corrupt: lbsample does not write to it. 'lbsample runs show \(path)' and "
        + "'lbsample export \(path)' may still work",
      context: ErrorContext(path: path), causes: found)
  }

  /// The rows of phases and of their repetitions, in order, and what numbers are taken.
  package func resumePoint() throws(LBError) -> ResumePoint {
    var resumePoint = ResumePoint()
    try write("reading what is there") { db in
      for phase in try Int64.fetchAll(db, sql: "SELECT id FROM phase ORDER BY id") {
        resumePoint.phases.append(phase)
        resumePoint.repetitions.append(
          try Int64.fetchAll(
            db, sql: "SELECT id FROM repetition WHERE phase_id = ? ORDER BY id",
            arguments: [phase]))
      }
      resumePoint.brackets =
        try UInt32.fetchOne(db, sql: "SELECT max(bracket) FROM attempt") ?? 0
      resumePoint.brackets = max(
        resumePoint.brackets, try UInt32.fetchOne(db, sql: "SELECT max(bracket) FROM chunk") ?? 0)
      for row in try Row.fetchAll(
        db, sql: "SELECT stream, name FROM collector WHERE stream IS NOT NULL")
      {
        resumePoint.collectors[try row.value("stream")] = try row.value("name")
      }
      for row in try Row.fetchAll(
        db, sql: "SELECT stream, max(epoch) AS epoch FROM layout GROUP BY stream")
      {
        resumePoint.epochs[try row.value("stream")] = try row.value("epoch")
      }
    }
    return resumePoint
  }
}
