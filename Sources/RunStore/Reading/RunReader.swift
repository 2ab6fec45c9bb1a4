import Foundation
import GRDB
package import SampleModel

/// Reads one run's file; never trusts it. What is read of a table is held against its seal first,
/// once for each reader, and read in one pass of the table's own pages: an index that is damaged
/// would hide rows.
package final class RunReader {
  package let path: String
  let queue: DatabaseQueue
  private let opened: OpenFile
  /// The writer is gone and the file cannot be told so (a full disk, a read-only place).
  var isUnmarkedlyAbandoned = false
  /// What of the last samples or of the log could not be read, and where it is kept, in words.
  package var damage: String? { damages.isEmpty ? nil : damages.joined(separator: "; ") }
  var damages: [String] = []
  /// What of it is the log's, without the place.
  var lossOfLog: String?
  /// Whether the file has a seal to be held against.
  private var isSealed = false
  /// The tables that were.
  var verified: Set<String> = []
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
    let opened = OpenFile(path)
    self.opened = opened
    var isLookedAt = true
    var isDoubted = false
    do throws(LBError) {
      isLookedAt = try LogCheck.check(path, isComplete: opened.isComplete)
    } catch {
      guard mayLackTables else { throw error }
      isDoubted = true
    }
    do {
      let queue = try Self.open(path, readonly: isDoubted)
      self.queue = queue
      if !isLookedAt, !mayLackTables { try Self.check(queue, path, isComplete: opened.isComplete) }
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

  static func writerIsAlive(_ db: Database) throws -> Bool {
    guard let row = try Row.fetchOne(db, sql: "SELECT pid, pid_start, boot_id FROM run") else {
      return false
    }
    return ProcessIdentity(
      pid: try row.value("pid"), start: try row.value("pid_start"), bootID: try row.value("boot_id")
    ).isAlive
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
