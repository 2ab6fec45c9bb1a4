import Foundation
import GRDB
package import SampleModel
import Synchronization

/// Writes one run into one file.
///
/// The contract: committed data survive the death of this process at any time. The tables and the
/// host's rows are in the main file from the beginning; samples are written to the write-ahead log
/// and moved to the main file occasionally between repetitions, and at the end.
///
/// A power failure loses data that were not flushed. Flushes happen when this value is made (the
/// empty run), at each checkpoint (everything committed before), and at the end, stopped or not
/// (everything). Other data (synchronous=NORMAL) are written by the kernel, by default after half a
/// minute. Nothing is discarded in one file before its replacement in another is flushed: samples
/// in the tail, unless younger than ten seconds, and the log. After a power failure the file has
/// the run as at some earlier time, without data that the kernel had not written and up to ten
/// seconds of samples.
///
/// Called by the drain and the runner; calls are serialised.
package final class RunWriter: @unchecked Sendable {
  // Sendable: the queue serialises; the path never changes.
  package let path: String
  package let runID: String
  private let queue: DatabaseQueue
  /// The closed connection that made the file. Kept, since its deinitialiser makes libdispatch
  /// start threads, and a timer that fires each second.
  private let maker: DatabaseQueue?
  private let sizes = ByteCounter()
  /// Used by the drain.
  let tail: TailWriter
  private let isClosed = Atomic<Bool>(false)
  /// The identity of the file.
  private let file: FileMark?
  /// The session of this process.
  let session: Int64
  /// Whether the host was booted since the previous session.
  package let isOfAnotherBoot: Bool
  private let opened: OpenFile

  /// What identifies the run and its writer.
  package struct Identity: Sendable {
    package var runID: String
    package var name: String
    package var kind: String
    package var version: String
    package var interval: UInt64
    package var startUnixNanoseconds: UInt64
    package var repetitions: Int?
    package var warmUps: Int?

    /// An identity.
    package init(
      runID: String, name: String, kind: String, version: String, interval: UInt64,
      startUnixNanoseconds: UInt64, repetitions: Int? = nil, warmUps: Int? = nil
    ) {
      self.runID = runID
      self.name = name
      self.kind = kind
      self.version = version
      self.interval = interval
      self.startUnixNanoseconds = startUnixNanoseconds
      self.repetitions = repetitions
      self.warmUps = warmUps
    }
  }

  /// Creates the file, which must not exist, with the run's fixed rows, all in the main file.
  package init(
    path: String, identity: Identity, host: [(name: String, value: String)],
    configuration: [ConfigurationEntry], labels: [String: String]
  ) throws(LBError) {
    try StorePath.check(path)
    self.path = path
    runID = identity.runID
    session = 1
    isOfAnotherBoot = false
    try FreeDescriptors.check(for: path)
    try FreeThreads.check(for: path)
    guard !FileManager.default.fileExists(atPath: path) else { throw Self.exists(path) }
    // Made under another, unique name, and renamed: a visible file always has its tables, even if
    // this process dies.
    let draft = AbandonedDrafts.name(ofResult: path)
    var lock = try Self.reserve(draft, of: path)
    var made: FileMark?
    do {
      maker = try Self.makeDraft(draft, identity, host, configuration, labels)
      try Self.move(draft, to: path)
      // Before the file is opened again: closing any descriptor of it gives up SQLite's locks.
      Self.release(&lock)
      made = FileMark(path)
      file = made
      opened = OpenFile(path, new: true)
      tail = TailWriter(ofRun: identity.runID, in: path)
      queue = try Self.openLog(path)
      try queue.write { db in try Seal.arm(db) }
    } catch {
      // The new file has no data: remove what exists of it.
      _ = unsafe Foundation.unlink(draft)
      _ = unsafe Foundation.unlink(draft + "-journal")
      Self.release(&lock)
      made?.remove(path)
      if let error = error as? LBError { throw error }
      throw StoreFailure.error(error, path: path, doing: "creating")
    }
  }

  deinit {
    FreeThreads.spare(queue)
    if let maker { FreeThreads.spare(maker) }
  }

  /// Opens the file of an interrupted run to resume it. Its writer must have ended; this process
  /// becomes the writer.
  package init(resuming path: String) throws(LBError) {
    try StorePath.check(path)
    self.path = path
    maker = nil
    try FreeDescriptors.check(for: path)
    try FreeThreads.check(for: path)
    // The file was read before, and the loss of its log reported.
    let opened = OpenFile(path, new: true)
    self.opened = opened
    _ = try LogCheck.check(path, isComplete: opened.isComplete)
    do {
      queue = try Self.openLog(path)
      var found = Resumed()
      // The tail is recreated afterwards: its samples are flushed in rows by then.
      try queue.writeThrough { db in found = try RunWriter.takeUp(db, path) }
      runID = found.runID
      session = found.session
      isOfAnotherBoot = found.isOfAnotherBoot
      Tail.letGo(ofRunIn: path, found.loss)
      tail = TailWriter(ofRun: runID, in: path)
      file = FileMark(path)
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: "opening")
    }
  }

  /// Closes and removes a file of this writer without recorded data. Another file of its name is
  /// kept.
  package func discard() {
    close(isDiscarded: true)
    file?.remove(path)
  }

  /// Bytes of chunks and other blobs written so far.
  package var bytesWritten: UInt64 { sizes.value }

  /// One transaction; with `isFlushed` it is on the disk when this returns.
  func write(
    _ doing: String, isFlushed: Bool = false, _ body: (Database) throws -> Void
  ) throws(LBError) {
    try checkPlace()
    do {
      if isFlushed {
        try queue.writeThrough { db in try body(db) }
      } else {
        try queue.write { db in try body(db) }
      }
    } catch let error as LBError {
      throw error
    } catch {
      throw StoreFailure.error(error, path: path, doing: doing)
    }
  }

  /// The same, unless another program holds the file locked (BEGIN EXCLUSIVE) for more than a
  /// briefTimeout. Returns whether it was done.
  func writeIfFree(
    _ doing: String, isFlushed: Bool = false, _ body: (Database) throws -> Void
  ) throws(LBError) -> Bool {
    try checkPlace()
    do {
      return try queue.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA busy_timeout = \(Self.briefTimeout)")
        let isDone = Result {
          try isFlushed ? db.flushing { try Self.transact(db, body) } : Self.transact(db, body)
        }
        try db.execute(sql: "PRAGMA busy_timeout = \(Self.busyTimeout)")
        return try isDone.get()
      }
    } catch {
      throw StoreFailure.error(error, path: path, doing: doing)
    }
  }

  private static func transact(
    _ db: Database, _ body: (Database) throws -> Void
  ) throws -> Bool {
    do {
      try db.inTransaction(.immediate) {
        try body(db)
        return .commit
      }
      return true
    } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
      return false
    }
  }

  /// Throws if another file is at the path now.
  private func checkPlace() throws(LBError) {
    guard let file, !file.isAt(path) else { return }
    throw LBError(
      .resultPersistence,
      "\(path): the file was moved, removed or replaced while it was being written. If it was "
        + "moved, what was recorded can be read where it is now, with its -wal and -tail beside "
        + "it; else it is lost. Leave it in its place until the end",
      context: ErrorContext(path: path, errno: ENOENT))
  }

  func count(bytes: Int) { sizes.add(UInt64(bytes)) }

  // MARK: Structure

  /// Persists a status as it changes.
  package func setRepetitionStatus(_ row: Int64, _ status: RunStatus) throws(LBError) {
    try write("recording a status") { db in
      try db.execute(
        sql: "UPDATE repetition SET status = ? WHERE id = ?", arguments: [status.rawValue, row])
    }
  }

  /// Adds one event to the journal.
  package func journal(_ entry: JournalEntry) throws(LBError) {
    try write("recording an event") { db in try entry.insert(db, session: session) }
  }

  /// Moves committed data from the log into the main file, as far as readers permit.
  package func checkpoint() throws(LBError) {
    // SQLite would dereference a null pointer if the file is closed.
    guard !isClosed.load(ordering: .relaxed) else { return }
    do {
      try queue.writeWithoutTransaction { db in _ = try db.checkpoint(.passive) }
    } catch {
      throw StoreFailure.error(error, path: path, doing: "checkpointing")
    }
  }

  /// Ends the run: status, summary, errors; then one plain file unless a reader has it open.
  /// Returns messages about files that remain beside it.
  @discardableResult
  package func finish(_ result: RunResult) throws(LBError) -> String? {
    try write("recording the run's end") { db in
      try db.execute(
        sql: """
          UPDATE run SET status = ?, end_unix_ns = ?, duration_ns = ?, errors = ?, warnings = ?
          """,
        arguments: [
          result.status.rawValue, result.endUnixNanoseconds.map(Int64.init(bitPattern:)),
          result.durationNanoseconds.map(Int64.init(bitPattern:)),
          try JSON.text(result.errors), try JSON.text(result.warnings),
        ])
    }
    return close()
  }

  /// Closes the file, once. A remaining reader keeps the log; the last reader merges it. Waits
  /// until everything is flushed, also after a stop: otherwise a power failure during the merge
  /// would damage the file. Does not wait if `isDiscarded`. Returns a message if the log could not
  /// be merged.
  @discardableResult
  package func close(isDiscarded: Bool = false) -> String? {
    guard !isClosed.exchange(true, ordering: .relaxed) else { return nil }
    let hasAll = tail.finish()
    // Samples that no commit put into rows are still in the tail.
    if !hasAll { Tail.settle(ofRunIn: path, queue) }
    let reason = PlainFile.settle(queue, isFlushed: !isDiscarded) { [path] in
      // All samples are in flushed rows: the tail is not needed any more.
      if hasAll { Tail.remove(ofRunIn: path) }
    }
    guard let reason else { return nil }
    return "\(path): \(reason) (\(StoreFailure.freeSpace(path))): part of what was recorded is in "
      + "\(path)-wal beside it. Keep both together; 'lbsample runs show \(path)' joins them once "
      + "there is room"
  }
}
