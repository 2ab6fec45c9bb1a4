import Foundation
import GRDB
package import SampleModel
import Synchronization

/// Writes one run into one file.
///
/// The contract: what is committed survives the death of this process at any moment. The tables and
/// the host's rows are in the main file from the beginning; samples come in the write-ahead log and
/// reach the main file now and then between repetitions, and at the end.
///
/// Of a power failure it survives as far as it has been flushed to the disk: when this value has
/// been made (the empty run), at each checkpoint (what was committed before), and at the end,
/// stopped or not (everything). What has not been flushed (synchronous=NORMAL) the kernel writes by
/// itself, half a minute later by default. So that what it has written stays there, nothing is
/// given up in one file before what takes its place in another has been flushed: samples in the
/// tail, unless they are younger than ten seconds, and the log. What is left is then the run as it
/// was at some moment, but for what the kernel had not written and the samples of ten seconds.
///
/// Calls may come from the drain and from the runner: they are serialised here.
package final class RunWriter: @unchecked Sendable {
  // Sendable: the queue serialises; the path never changes.
  package let path: String
  package let runID: String
  private let queue: DatabaseQueue
  /// The connection that made the file, closed. It is kept, since letting go of one has libdispatch
  /// start threads, and a timer that fires each second from then on.
  private let maker: DatabaseQueue?
  private let sizes = ByteCounter()
  /// Of the drain.
  let tail: TailWriter
  private let isClosed = Atomic<Bool>(false)
  /// Which file it writes.
  private let file: FileMark?
  /// What this process adds is of this session of the run.
  let session: Int64
  /// Whether the host was booted since the session before.
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
    // Made under another name, which nobody else makes, and renamed: whoever sees the file finds
    // the tables in it, at whatever moment this process dies.
    let draft = "\(path).new-\(getpid())"
    try Self.reserve(draft)
    var made: FileMark?
    do {
      maker = try Self.makeDraft(draft, identity, host, configuration, labels)
      try Self.move(draft, to: path)
      made = FileMark(path)
      file = made
      opened = OpenFile(path, new: true)
      tail = TailWriter(ofRun: identity.runID, in: path)
      queue = try Self.openLog(path)
      try queue.write { db in try Seal.arm(db) }
    } catch {
      // It did not exist before and holds nothing: what there is of it goes.
      _ = unsafe Foundation.unlink(draft)
      _ = unsafe Foundation.unlink(draft + "-journal")
      made?.remove(path)
      if let error = error as? LBError { throw error }
      throw StoreFailure.error(error, path: path, doing: "creating")
    }
  }

  deinit {
    FreeThreads.spare(queue)
    if let maker { FreeThreads.spare(maker) }
  }

  /// Opens the file of a run that has ended early, to go on with it. The process that wrote it must
  /// be gone; from now on this one is its writer.
  package init(resuming path: String) throws(LBError) {
    try StorePath.check(path)
    self.path = path
    maker = nil
    try FreeDescriptors.check(for: path)
    try FreeThreads.check(for: path)
    // Whoever resumes a run has read its file before, and said what cannot be read of its log.
    let opened = OpenFile(path, new: true)
    self.opened = opened
    _ = try LogCheck.check(path, isComplete: opened.isComplete)
    do {
      queue = try Self.openLog(path)
      var found = Resumed()
      // The tail is made anew behind this: what it held is on the disk in rows by then.
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

  /// Closes and removes a file that this writer made and in which nothing was recorded. What has
  /// its name by now without being it stays.
  package func discard() {
    close(isDiscarded: true)
    file?.remove(path)
  }

  /// Bytes of chunks and other blobs written so far.
  package var bytesWritten: UInt64 { sizes.value }

  /// One transaction, which `isFlushed` has on the disk when this returns.
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
  /// moment. Returns whether it was done.
  func writeIfFree(
    _ doing: String, isFlushed: Bool = false, _ body: (Database) throws -> Void
  ) throws(LBError) -> Bool {
    try checkPlace()
    do {
      return try queue.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA busy_timeout = \(Self.moment)")
        let isDone = Result {
          try isFlushed ? db.flushing { try Self.transact(db, body) } : Self.transact(db, body)
        }
        try db.execute(sql: "PRAGMA busy_timeout = \(Self.patience)")
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

  /// Throws where the path does not name the file any more that is written.
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

  /// Moves what is committed from the log into the main file, as far as readers allow.
  package func checkpoint() throws(LBError) {
    // SQLite follows a null pointer where the file is closed.
    guard !isClosed.load(ordering: .relaxed) else { return }
    do {
      try queue.writeWithoutTransaction { db in _ = try db.checkpoint(.passive) }
    } catch {
      throw StoreFailure.error(error, path: path, doing: "checkpointing")
    }
  }

  /// The run's end: status, summary, errors; then one plain file unless a reader holds it. Gives
  /// what is to be said of files that stay beside it.
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

  /// Closes the file, once. A reader that is still there keeps the log alive; the last one out
  /// finishes it. Waits until everything is on the disk, also after a stop: pages of the log that
  /// are moved without that are a damaged file where the power fails before the kernel has written
  /// them. Only what `isDiscarded` is not waited for. Gives what is to be said where the log could
  /// not be folded into the file.
  @discardableResult
  package func close(isDiscarded: Bool = false) -> String? {
    guard !isClosed.exchange(true, ordering: .relaxed) else { return nil }
    let hasAll = tail.finish()
    // What no commit put into rows, for whatever reason, is still in the file.
    if !hasAll { Tail.settle(ofRunIn: path, queue) }
    let reason = PlainFile.settle(queue, isFlushed: !isDiscarded) { [path] in
      // In rows, and these on the disk: it is not needed any more.
      if hasAll { Tail.remove(ofRunIn: path) }
    }
    guard let reason else { return nil }
    return "\(path): \(reason) (\(StoreFailure.freeSpace(path))): part of what was recorded is in "
      + "\(path)-wal beside it. Keep both together; 'lbsample runs show \(path)' joins them once "
      + "there is room"
  }
}
