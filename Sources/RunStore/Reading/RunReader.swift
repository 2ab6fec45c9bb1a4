import Foundation
import GRDB
package import SampleModel

/// Reads one run's file, which is not trusted. Each table is verified against its seal once per
/// reader, and read in one pass of its own pages: a damaged index would hide rows.
package final class RunReader {
  package let path: String
  let queue: DatabaseQueue
  private let opened: OpenFile
  /// The writer has ended and this cannot be stored in the file (a full disk, a read-only file
  /// system).
  var isUnmarkedlyAbandoned = false
  /// A message of the unreadable parts of tail and log, and their copies.
  package var damage: String? { damages.isEmpty ? nil : damages.joined(separator: "; ") }
  var damages: [String] = []
  /// The part about the log, without the copy's path.
  var lossOfLog: String?
  /// Whether the file has a seal.
  private(set) var isSealed = false
  /// The verified tables.
  var verified: Set<String> = []
  /// A table did not match its seal, or could not be read: the file is not changed.
  private var isDamaged = false
  /// The samples of the tail that were not in rows when first read.
  var tail: [ChunkBuilder]?
  /// The end of the rows read, by series.
  var readTo: [Series: UInt64] = [:]
  /// The outputs at the last reading.
  var outputs = Outputs()
  /// The chunks at the last reading.
  var storedChunks = StoredChunks()

  /// A series of consecutive acquisitions.
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

  /// Opens a result file: closed, being recorded, or left by a killed writer. A file without some
  /// table is refused, unless `mayLackTables`.
  package init(path: String, mayLackTables: Bool = false) throws(LBError) {
    try StorePath.check(existing: path)
    self.path = path
    try Self.checkKind(path)
    try FreeDescriptors.check(for: path)
    try FreeThreads.check(for: path)
    // Before SQLite opens the log, whose unreadable part it would ignore.
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

  /// Reads from `tables`, after verifying their seals.
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

  /// Throws unless the tables match their seals; each is verified once.
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

  /// Verifies tables that another connection may have written to since they were verified.
  func verifyAgain(_ tables: [String], _ db: Database) throws {
    verified.subtract(tables)
    try verify(tables, db)
  }

  /// PRAGMA integrity_check: `ok`, or the errors.
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

  /// Closes the file; makes it one plain file if the run has ended and no other process has it
  /// open.
  package func close() {
    var isOver = false
    do throws(LBError) {
      let status = try read("reading") { db in
        try String.fetchOne(db, sql: "SELECT status FROM run")
      }
      isOver = ![RunStatus.running, .waiting].map(\.rawValue).contains(status)
    } catch {
      // Unreadable: nothing to finish.
    }
    if isOver, !isDamaged, !queue.configuration.readonly {
      Tail.settle(ofRunIn: path, queue)
      PlainFile.settle(queue)
    } else {
      do { try queue.close() } catch {
        // A statement is still in use: the connection ends with the process.
      }
    }
  }

  /// A message of the unreadable parts of tail and log; nil if all can be read.
  package func damageOfTail() throws(LBError) -> String? {
    _ = try tailChunks()
    return damage
  }
}
