import Foundation
import GRDB
import Glibc
import SampleModel
import Synchronization

/// Checks for the descriptors that a database needs.
enum FreeDescriptors {
  /// SQLite's own files and libdispatch's descriptors for events and timers, with some to spare.
  static let needed = 16

  /// Throws `resultPersistence` if fewer are free. Checked before the database is opened:
  /// libdispatch, on whose queues it runs, ends the process (SIGILL) when it finds none.
  static func check(for path: String) throws(LBError) {
    var taken: [Int32] = []
    defer { for number in taken { _ = Glibc.close(number) } }
    for _ in 0..<needed {
      let number = unsafe Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC)
      guard number >= 0 else {
        let reason = errno
        var limit = rlimit()
        _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        throw LBError(
          .resultPersistence,
          "\(path): a result file needs \(needed) free file descriptors, and \(taken.count) are "
            + "free: \(StoreFailure.reason(reason)). The limit is \(limit.rlim_cur); raise it "
            + "(ulimit -n)", context: ErrorContext(path: path, errno: reason))
      }
      taken.append(number)
    }
  }
}

/// Checks for the thread that a database needs when it is closed.
///
/// Releasing a connection makes libdispatch start a thread; if that fails, libdispatch tries again
/// each second, forever.
enum FreeThreads {
  /// Throws `resultPersistence` if no thread can be started. Checked before the database is opened.
  static func check(for path: String) throws(LBError) {
    let failure = start()
    guard failure != 0 else { return }
    throw LBError(
      .resultPersistence,
      "\(path): a result file needs a thread, and none can be started: "
        + "\(StoreFailure.reason(failure)). Raise the limit of processes and threads (ulimit -u)",
      context: ErrorContext(path: path, errno: failure))
  }

  /// Called by the deinitialiser of a connection's owner: if no thread can be started, the
  /// connection is leaked.
  static func spare(_ queue: DatabaseQueue) {
    if start() != 0 { _ = unsafe Unmanaged.passRetained(queue) }
  }

  /// Starts a thread and waits for its end; 0 or errno.
  private static func start() -> Int32 {
    var thread = pthread_t()
    let failure = unsafe pthread_create(&thread, nil, { _ in nil }, nil)
    if failure == 0 { pthread_join(thread, nil) }
    return failure
  }
}

/// Messages for database errors.
enum StoreFailure {
  /// The advice that follows a message of damage.
  static let damageAdvice = ". The file is damaged, or another program changed it"

  /// `error` as a resultPersistence error that names the file and, where it matters, the room.
  static func error(_ error: any Error, path: String, doing: String) -> LBError {
    var message = "\(path): \(doing) failed"
    let isReading = ["opening", "reading", "checking", "counting"].contains { doing.hasPrefix($0) }
    var causes = [String(describing: error)]
    if let database = error as? DatabaseError {
      causes = ["SQLite error \(database.extendedResultCode.rawValue): \(database.message ?? "?")"]
      switch database.resultCode {
      case .SQLITE_FULL, .SQLITE_IOERR:
        let cause =
          database.resultCode == .SQLITE_FULL ? "file system full" : "input/output error"
        if doing == "creating" {
          message =
            "\(path): the result file cannot be created: \(cause); nothing is recorded. Raise the "
            + "limit of file sizes (ulimit -f), free space (\(freeSpace(path))) or record elsewhere"
          break
        }
        message += ": \(cause) (\(freeSpace(path)))"
        if !isReading {
          message +=
            ". Samples that were committed before, if any, are kept. Free some space, or raise the "
            + "limit of file sizes (ulimit -f), or record elsewhere"
        }
      case .SQLITE_CANTOPEN:
        message =
          isReading
          ? "\(path): cannot open the result file; check that it exists and that you may read it"
          : "\(path): cannot create the result file; check that the directory exists and is "
            + "writable"
      case .SQLITE_READONLY, .SQLITE_PERM:
        message += "; the file or its directory is not writable"
      case .SQLITE_NOTADB, .SQLITE_CORRUPT:
        message = "\(path): the result file is truncated or corrupt"
      default: break
      }
    } else if error is RowDecodingError || error is DamagedRow {
      message = "\(path): corrupt (\(doing))"
    }
    return LBError(
      .resultPersistence, message, context: ErrorContext(path: path), causes: causes)
  }

  /// The errno's own words.
  static func reason(_ errno: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    // Safe: the buffer's own length bounds the call.
    guard unsafe strerror_r(errno, &buffer, buffer.count) == 0 else { return "errno \(errno)" }
    return String(
      decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  static func freeSpace(_ path: String) -> String {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let facts: [FileAttributeKey: Any]
    do {
      facts = try FileManager.default.attributesOfFileSystem(forPath: folder)
    } catch {
      return "free space unknown"
    }
    let free = (facts[.systemFreeSize] as? NSNumber)?.uint64Value ?? 0
    return "\(free) bytes free"
  }
}

/// A row that holds what its column does not.
struct DamagedRow: Error, CustomStringConvertible {
  let description: String

  /// Bytes of a value by which a row is known.
  private static let shown = 32

  init(column: String, _ row: Row, reason: String) {
    // A row is known by its short values; a whole layout would hide the reason.
    let cells = row.compactMap { name, value -> String? in
      if name == column { return nil }
      if case .string(let text) = value.storage, text.utf8.count > Self.shown { return nil }
      let text = value.description
      return text.utf8.count > Self.shown + 2 ? nil : "\(name) \(text)"
    }
    let prefix = cells.isEmpty ? "" : "\(cells.joined(separator: ", ")), "
    description = "\(prefix)column \(column): \(reason)"
  }
}

/// Columns of rows that anybody may have changed: GRDB's subscripts end the program where a value
/// is of another type.
extension Row {
  /// Bytes of a text that a reader takes, many times those of any that is written: a result has
  /// several copies of it in memory.
  static let longestText = 16 << 20

  /// The value of a column.
  func value<Value: DatabaseValueConvertible>(_ column: String) throws -> Value {
    do {
      let value: Value = try decode(forColumn: column)
      if let text = value as? String, text.utf8.count > Self.longestText {
        throw DamagedRow(
          column: column, self, reason: "a text of \(text.utf8.count) bytes is too long")
      }
      return value
    } catch is RowDecodingError where hasColumn(column) {
      let value: DatabaseValue = self[column]
      throw DamagedRow(
        column: column, self,
        reason: value.isNull ? "empty" : "\(value) is not \(Row.kind(of: Value.self))")
    }
  }

  private static func kind<Value>(of type: Value.Type) -> String {
    switch "\(type)" {
    case let name where name.contains("Int"): "an integer"
    case let name where name.contains("String"): "text"
    case let name where name.contains("Data"): "binary data"
    case let name where name.contains("Bool"): "true or false"
    default: "a number"
    }
  }

  /// The value that a column holds as JSON.
  func json<Value: Decodable>(_ type: Value.Type, _ column: String) throws -> Value {
    guard let value = try jsonIfPresent(type, column) else {
      throw DamagedRow(column: column, self, reason: "empty")
    }
    return value
  }

  /// The value that a column holds as JSON, nil where it is empty.
  func jsonIfPresent<Value: Decodable>(_ type: Value.Type, _ column: String) throws -> Value? {
    guard let text: String = try value(column) else { return nil }
    do {
      return try JSON.value(type, text)
    } catch {
      throw DamagedRow(
        column: column, self, reason: "invalid JSON: \(JSON.reason(error))")
    }
  }

  /// The texts that a column holds as JSON, nil where it is empty. That there are none, as in most
  /// rows, needs no decoder.
  func listIfPresent(_ column: String) throws -> [String]? {
    let text: String? = try value(column)
    guard text != "[]" else { return [] }
    return try jsonIfPresent([String].self, column)
  }

  /// The count, or the nanoseconds, that a column holds; nil where it is empty.
  func countIfPresent(_ column: String) throws -> UInt64? {
    guard let number: Int64 = try value(column) else { return nil }
    guard number >= 0 else {
      throw DamagedRow(column: column, self, reason: "\(number) is below zero")
    }
    return UInt64(number)
  }

  /// The count, or the nanoseconds, that a column holds.
  func count(_ column: String) throws -> UInt64 {
    guard let number = try countIfPresent(column) else {
      throw DamagedRow(column: column, self, reason: "empty")
    }
    return number
  }

  /// The number of a repetition, an attempt or a thread.
  func number(_ column: String) throws -> Int { Int(try count(column)) }

  /// The measured value that a column holds, nil where it is empty: SQLite keeps infinities too.
  func realIfPresent(_ column: String) throws -> Double? {
    guard let number: Double = try value(column) else { return nil }
    guard number.isFinite else {
      throw DamagedRow(column: column, self, reason: "\(number) is no measured value")
    }
    return number
  }

  /// The measured value that a column holds.
  func real(_ column: String) throws -> Double {
    guard let number = try realIfPresent(column) else {
      throw DamagedRow(column: column, self, reason: "empty")
    }
    return number
  }
}

/// JSON text of our own values, keys in order.
enum JSON {
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  static func value<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
    try JSONDecoder().decode(type, from: Data(text.utf8))
  }

  /// Why a text could not be decoded, with the location in it.
  static func reason(_ error: any Error) -> String {
    let context: DecodingError.Context
    switch error as? DecodingError {
    case .dataCorrupted(let found), .typeMismatch(_, let found), .valueNotFound(_, let found):
      context = found
    case .keyNotFound(let key, let found):
      return location(found.codingPath + [key]) + "is missing"
    default: return "\(error)"
    }
    return location(context.codingPath) + context.debugDescription
  }

  private static func location(_ path: [any CodingKey]) -> String {
    path.isEmpty ? "" : path.map(\.stringValue).joined(separator: ".") + ": "
  }
}

/// A count that one thread adds to and another reads.
final class ByteCounter: Sendable {
  private let total = Atomic<UInt64>(0)
  var value: UInt64 { total.load(ordering: .relaxed) }
  func add(_ bytes: UInt64) { total.wrappingAdd(bytes, ordering: .relaxed) }
}

/// A process, distinguished from a later one with the same PID: /proc/PID/stat field 22, and its
/// boot.
struct ProcessIdentity: Equatable {
  let pid: Int64
  let start: Int64
  let bootID: String

  static func current() -> ProcessIdentity {
    let pid = Int64(ProcessInfo.processInfo.processIdentifier)
    return ProcessIdentity(pid: pid, start: startTime(pid) ?? 0, bootID: boot())
  }

  /// Whether that very process is alive.
  var isAlive: Bool { bootID == Self.boot() && Self.startTime(pid) == start }

  private static func boot() -> String {
    text("/proc/sys/kernel/random/boot_id")?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
  }

  private static func startTime(_ pid: Int64) -> Int64? {
    // The command's name may contain spaces and parentheses: fields are counted after its end.
    guard let text = text("/proc/\(pid)/stat"), let close = text.lastIndex(of: ")") else {
      return nil
    }
    let fields = text[text.index(after: close)...].split(separator: " ")
    guard fields.count > 19, fields[0] != "Z" else { return nil }
    return Int64(fields[19])
  }

  private static func text(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
  }
}

extension JournalEntry {
  /// Adds it to the journal of a result file, as of `session`, nil where that has no sessions.
  func insert(_ db: Database, session: Int64?) throws {
    var columns = "unix_ns, level, kind, message, phase, repetition, attempt"
    var values: StatementArguments = [
      Int64(bitPattern: unixNanoseconds), level, kind, message, phase, repetition, attempt,
    ]
    // Files of version 4 have no columns for these: what is added to one has neither.
    if let status {
      columns += ", status"
      values += [status.rawValue]
    }
    if let error {
      columns += ", error"
      values += [try JSON.text(error)]
    }
    if let session {
      columns += ", session"
      values += [session]
    }
    let marks = Array(repeating: "?", count: columns.split(separator: ",").count)
    try db.execute(
      sql: "INSERT INTO main.journal (\(columns)) VALUES (\(marks.joined(separator: ", ")))",
      arguments: values)
  }
}
