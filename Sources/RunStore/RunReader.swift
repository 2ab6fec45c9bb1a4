import Foundation
import GRDB
package import SampleModel

/// Reads one run's file; never trusts it. What is read of a table is held against its seal first,
/// once for each reader, and read in one pass of the table's own pages: an index that is damaged
/// would hide rows.
package final class RunReader {
  package let path: String
  private let queue: DatabaseQueue
  private let opened: OpenFile
  /// The writer is gone and the file cannot be told so (a full disk, a read-only place).
  private(set) var isUnmarkedlyAbandoned = false
  /// What of the last samples or of the log could not be read, and where it is kept, in words.
  package var damage: String? { damages.isEmpty ? nil : damages.joined(separator: "; ") }
  private var damages: [String] = []
  /// Whether the file has a seal to be held against.
  private var isSealed = false
  /// The tables that were.
  private var verified: Set<String> = []
  /// One of them was not what was sealed, or could not be read: the file is left as it is.
  private var isDamaged = false
  /// What the tail holds and no row did when it was first asked for.
  var tail: [ChunkBuilder]?
  /// Where the rows that were read end, by what they are of.
  var readTo: [Series: UInt64] = [:]
  /// The outputs that were there at the last look.
  var outputs = Outputs()
  /// The chunks that were there at the last look.
  var storedChunks = StoredChunks()

  /// What the acquisitions of a chunk follow one another in.
  struct Series: Hashable {
    let kind: FrameHeader.Kind
    let stream: UInt16
    let bracket: UInt32

    init(_ chunk: Chunk) {
      kind = chunk.kind
      stream = chunk.stream
      bracket = chunk.bracket
    }
  }

  /// Opens a result file, whether it is closed, being recorded, or was left by a killed writer. One
  /// that lacks a table is refused, but where nothing is to be made of what is in it.
  package init(path: String, mayLackTables: Bool = false) throws(LBError) {
    try StorePath.check(existing: path)
    self.path = path
    try Self.checkKind(path)
    try FreeDescriptors.check(for: path)
    try FreeThreads.check(for: path)
    // Before SQLite sees the log, of which it would leave out what it cannot read.
    opened = OpenFile(path)
    do {
      queue = try Self.open(path)
      isSealed = try queue.read { db in
        try Schema.check(db, path, mayLackTables: mayLackTables)
      }
      try queue.writeWithoutTransaction { db in try EarlierTables.show(db) }
    } catch let error as LBError {
      throw error
    } catch {
      let code = (error as? DatabaseError)?.resultCode
      if code == .SQLITE_NOTADB || code == .SQLITE_IOERR && !Self.looksLikeDatabase(path) {
        throw Self.noResult(path)
      }
      throw StoreFailure.error(error, path: path, doing: "opening")
    }
    if opened.lostBytes > 0 { try keepLog(opened.lostBytes) }
  }

  deinit { FreeThreads.spare(queue) }

  /// Reads from `tables`, which hold what was sealed.
  func read<T>(
    _ doing: String, of tables: [String] = [], _ body: (Database) throws -> T
  ) throws(LBError) -> T {
    do {
      return try queue.read { db in
        try verify(tables, db)
        return try body(db)
      }
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: doing)
    }
  }

  /// Throws unless tables hold what was sealed, of which each is looked at once.
  func verify(_ tables: [String], _ db: Database) throws {
    guard isSealed else { return }
    for table in tables where !verified.contains(table) {
      do {
        try Seal.check([table], db, path)
      } catch {
        isDamaged = true
        throw error
      }
      verified.insert(table)
    }
  }

  /// The same of tables that another connection has written to since they were looked at.
  func verifyAgain(_ tables: [String], _ db: Database) throws {
    verified.subtract(tables)
    try verify(tables, db)
  }

  /// PRAGMA integrity_check: `ok`, or what is wrong.
  package func integrity() throws(LBError) -> String {
    try read("checking") { db in
      try String.fetchAll(db, sql: "PRAGMA integrity_check").joined(separator: "; ")
    }
  }

  /// Whether the process that writes this run is alive.
  package func writerIsAlive() throws(LBError) -> Bool {
    try read("reading", of: ["run"]) { db in try Self.writerIsAlive(db) }
  }

  private static func writerIsAlive(_ db: Database) throws -> Bool {
    guard let row = try Row.fetchOne(db, sql: "SELECT pid, pid_start, boot_id FROM run") else {
      return false
    }
    return ProcessIdentity(
      pid: try row.value("pid"), start: try row.value("pid_start"), bootID: try row.value("boot_id")
    ).isAlive
  }

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
    do {
      var unread = 0
      let isStillAbandoned = try queue.write { db in
        // Somebody may have gone on with it meanwhile.
        guard try !Self.writerIsAlive(db) else { return false }
        unread = try Tail.absorb(ofRunIn: path, db)
        try db.execute(
          sql: "UPDATE run SET status = 'interrupted';" + Schema.interruptParts)
        return true
      }
      isUnmarkedlyAbandoned = false
      // Writing goes by parts of the file that no table has: nothing is taken for granted by it.
      verified = []
      storedChunks = StoredChunks()
      guard isStillAbandoned else { return false }
      noteDamage(unread, kept: Tail.letGo(ofRunIn: path, unreadBytes: unread))
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

  /// Notes that bytes of the tail cannot be read.
  func noteDamage(_ bytes: Int, kept place: String?) {
    guard bytes > 0 else { return }
    damages.append(
      "\(path): \(Counted.text(bytes, "byte")) of the last samples cannot be read: damaged, not "
        + "written to the end, or the file's log (-wal) is missing"
        + (place.map { "; kept in \($0)" } ?? ""))
  }

  /// Of the log of a writer that is gone not everything can be read: says so, and keeps it, since
  /// whoever closes the file puts into it what can, and removes it.
  private func keepLog(_ lost: Int) throws(LBError) {
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
    damages.append(
      "\(path): \(Counted.text(lost, "byte")) of the file's log (-wal) cannot be read: damaged, "
        + "cut off or not written to the end; what was recorded last is missing"
        + (place.map { "; kept in \($0)" } ?? ""))
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

  /// Closes the file; makes it one plain file when the run has ended and nobody else is there.
  package func close() {
    var isOver = false
    do throws(LBError) {
      let status = try read("reading") { db in
        try String.fetchOne(db, sql: "SELECT status FROM run")
      }
      isOver = ![RunStatus.running, .waiting].map(\.rawValue).contains(status)
    } catch {
      // Unreadable: there is nothing to finish.
    }
    if isOver, !isDamaged, !queue.configuration.readonly {
      Tail.settle(ofRunIn: path, queue)
      PlainFile.settle(queue)
    } else {
      do { try queue.close() } catch {
        // A statement is still in use somewhere: the connection goes with the process.
      }
    }
  }

  /// What of the last samples or of the log cannot be read, in words; nil where all of it can.
  package func damageOfTail() throws(LBError) -> String? {
    _ = try tailChunks()
    return damage
  }
}
