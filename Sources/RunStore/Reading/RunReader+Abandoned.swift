import Foundation
import GRDB
package import SampleModel

/// What became of a run whose writer may be gone.
extension RunReader {
  /// Whether the run has not come to its end, as its file says: it runs, or waits for something.
  private func isOpen() throws(LBError) -> Bool {
    let status = try read("reading", of: ["run"]) { db in
      try String.fetchOne(db, sql: "SELECT status FROM run")
    }
    return [RunStatus.pending, .running, .waiting].map(\.rawValue).contains(status)
  }

  /// Whether somebody is at the run now, here or in another container, where its process has
  /// another number: the lock of its tail tells.
  package func isBeingRecorded() throws(LBError) -> Bool {
    guard try isOpen() else { return false }
    if try writerIsAlive() { return true }
    let file = Tail.File(ofRunIn: path)
    guard let isHeld = file?.isHeld() else { return false }
    return isHeld
  }

  /// Ends a run whose writer is gone: interrupted, one plain file. Gives whether it did.
  package func finishIfAbandoned() throws(LBError) -> Bool {
    guard try isOpen(), try !writerIsAlive() else { return false }
    // Held from here on, so that nobody takes it up meanwhile.
    let file = Tail.File(ofRunIn: path)
    if let isHeld = file?.isHeld(), isHeld { return false }
    isUnmarkedlyAbandoned = true
    guard !queue.configuration.readonly else { return true }
    let path = path
    let lossOfLog = lossOfLog
    do {
      var loss = Tail.Loss()
      var isStillAbandoned = false
      // On the disk before the tail goes.
      try queue.writeThrough { db in
        // Somebody may have gone on with it meanwhile.
        guard try !Self.writerIsAlive(db) else { return }
        loss = try Tail.absorb(ofRunIn: path, db)
        try db.execute(
          sql: "UPDATE run SET status = 'interrupted';" + Schema.interruptParts)
        // For those who read the file later, and find neither log nor tail.
        try Self.warn([lossOfLog, Self.words(loss)].compactMap(\.self), db)
        isStillAbandoned = true
      }
      isUnmarkedlyAbandoned = false
      // Writing goes by parts of the file that no table has: nothing is taken for granted by it.
      verified = []
      storedChunks = StoredChunks()
      guard isStillAbandoned else { return false }
      note(loss, kept: Tail.letGo(ofRunIn: path, loss))
    } catch let error as DatabaseError
      where [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_READONLY].contains(error.resultCode)
    {
      // What is there can be read all the same; the status is told, if not kept.
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: "finishing an abandoned run")
    }
    return true
  }

  /// Takes note of what is lost of the last samples, and of where what cannot be read is kept.
  func note(_ loss: Tail.Loss, kept place: String?) {
    guard let words = Self.words(loss) else { return }
    let isKept = loss.bytes > 0
    damages.append("\(path): \(words)" + (isKept ? place.map { "; kept in \($0)" } ?? "" : ""))
  }

  /// What is lost, in words; nil for nothing.
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

  /// Of the log of a writer that is gone not everything can be read: says so, and keeps it, since
  /// whoever closes the file puts into it what can, and removes it.
  func keepLog(_ lost: Int) throws(LBError) {
    let isWritten: Bool = try read("reading its log") { db in
      guard try db.tableExists("run") else { return false }
      try verify(["run"], db)
      return try Self.writerIsAlive(db)
    }
    // It goes on while it is looked at.
    guard !isWritten else { return }
    let place =
      queue.configuration.readonly
      ? LogFile.path(of: path) : LogFile.keep(ofDatabase: path)
    let words =
      "\(Counted.text(lost, "byte")) of the file's log (-wal) cannot be read: it is damaged, cut "
      + "off or incomplete; what was recorded last is missing"
    lossOfLog = words
    damages.append("\(path): \(words)" + (place.map { "; kept in \($0)" } ?? ""))
  }

  /// Adds to the journal of a run whose writer is gone what has become of it since.
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
