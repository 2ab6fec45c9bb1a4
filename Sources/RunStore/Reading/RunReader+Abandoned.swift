import Foundation
import GRDB
package import SampleModel

/// Runs whose writer may have ended.
extension RunReader {
  /// Whether the run has not ended according to its file: it runs or waits.
  private func isOpen() throws(LBError) -> Bool {
    let status = try read("reading", of: ["run"]) { db in
      try String.fetchOne(db, sql: "SELECT status FROM run")
    }
    return [RunStatus.pending, .running, .waiting].map(\.rawValue).contains(status)
  }

  /// Whether the run has a living writer, here or in another container: by the lock of its tail,
  /// since PIDs differ there.
  package func isBeingRecorded() throws(LBError) -> Bool {
    guard try isOpen() else { return false }
    if try writerIsAlive() { return true }
    let file = Tail.File(ofRunIn: path)
    guard let isHeld = file?.isHeld() else { return false }
    return isHeld
  }

  /// Ends a run whose writer has ended: status interrupted, one plain file. Returns whether it did.
  package func finishIfAbandoned() throws(LBError) -> Bool {
    guard try isOpen(), try !writerIsAlive() else { return false }
    // Locked from here on, so that no other process resumes the run meanwhile.
    let file = Tail.File(ofRunIn: path)
    if let isHeld = file?.isHeld(), isHeld { return false }
    isUnmarkedlyAbandoned = true
    guard !queue.configuration.readonly else { return true }
    let path = path
    let lossOfLog = lossOfLog
    do {
      var loss = Tail.Loss()
      var isStillAbandoned = false
      // Flushed before the tail is removed.
      try queue.writeThrough { db in
        // Another process may have resumed it meanwhile.
        guard try !Self.writerIsAlive(db) else { return }
        loss = try Tail.absorb(ofRunIn: path, db)
        try db.execute(
          sql: "UPDATE run SET status = 'interrupted';" + Schema.interruptParts)
        // For later readers, who find neither log nor tail.
        try Self.warn([lossOfLog, Self.words(loss)].compactMap(\.self), db)
        isStillAbandoned = true
      }
      isUnmarkedlyAbandoned = false
      // Writing changes parts of the file outside tables: verify everything again.
      verified = []
      storedChunks = StoredChunks()
      guard isStillAbandoned else { return false }
      note(loss, keptAt: Tail.letGo(ofRunIn: path, loss))
    } catch let error as DatabaseError
      where [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_READONLY].contains(error.resultCode)
    {
      // The contents can still be read; the status is reported even if it cannot be stored.
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: "finishing an abandoned run")
    }
    return true
  }

  /// Records the loss of last samples, and the copy of the unreadable part.
  func note(_ loss: Tail.Loss, keptAt copy: String?) {
    guard let words = Self.words(loss) else { return }
    let isKept = loss.bytes > 0
    damages.append("\(path): \(words)" + (isKept ? copy.map { "; kept in \($0)" } ?? "" : ""))
  }

  /// A message of the loss; nil for none.
  private static func words(_ loss: Tail.Loss) -> String? {
    var parts: [String] = []
    if loss.bytes > 0 {
      parts.append(
        "\(Counted.text(loss.bytes, "byte")) of the last samples cannot be read: they are damaged "
          + "or incomplete, or the file's log (-wal) is missing")
    }
    if loss.lacksRows {
      parts.append(
        "samples before the last ones cannot be read: the file's log (-wal) is incomplete or "
          + "missing")
    }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  private static func warn(_ words: [String], _ db: Database) throws {
    guard !words.isEmpty, let row = try Row.fetchOne(db, sql: "SELECT warnings FROM run") else {
      return
    }
    let warnings = try row.json([String].self, "warnings") + words
    try db.execute(sql: "UPDATE run SET warnings = ?", arguments: [try JSON.text(warnings)])
  }

  /// Records that the log of an ended writer is partly unreadable, and copies it, since closing the
  /// file merges the readable part and removes the log.
  func keepLog(_ lost: Int) throws(LBError) {
    let isWritten: Bool = try read("reading its log") { db in
      guard try db.tableExists("run") else { return false }
      try verify(["run"], db)
      return try Self.writerIsAlive(db)
    }
    // The run is being continued.
    guard !isWritten else { return }
    let copy =
      queue.configuration.readonly
      ? LogFile.path(of: path) : LogFile.keep(ofDatabase: path)
    let words =
      "\(Counted.text(lost, "byte")) of the file's log (-wal) cannot be read: it is damaged, cut "
      + "off or incomplete; what was recorded last is missing"
    lossOfLog = words
    damages.append("\(path): \(words)" + (copy.map { "; kept in \($0)" } ?? ""))
  }

  /// Adds an entry to the journal of a run whose writer has ended.
  package func add(_ entry: JournalEntry) throws(LBError) {
    do {
      try queue.write { db in
        try verify(["session"], db)
        try Seal.arm(db)
        try entry.insert(db, session: EarlierTables.lastSession(db))
      }
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: "recording an event")
    }
  }
}
