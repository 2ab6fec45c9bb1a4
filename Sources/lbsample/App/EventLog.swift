import Foundation
import LinuxSystem
import Logging
import SampleModel
import Synchronization

/// The logger that the options ask for: warnings on standard error, more with --verbose, and
/// everything in the log file.
struct EventLog {
  let logger: Logger
  /// The logger of the file alone, for messages that the console gets anyway.
  private(set) var file: Logger?

  init(_ options: LogOptions) throws(LBError) {
    let level: Logger.Level = options.quiet ? .error : options.verbose ? .debug : .error
    let console = LineHandler(level: level) { Console.say($0) }
    guard let path = options.logFile else {
      logger = Logger(label: "lbsample") { _ in console }
      return
    }
    let descriptor: OwnedDescriptor
    do throws(SystemError) {
      descriptor = try OwnedDescriptor(toWrite: path, O_APPEND, mode: 0o644)
    } catch {
      throw LBError(
        .configuration, "--log-file \(path) cannot be written: \(error.reason)",
        context: ErrorContext(path: path, errno: error.errno))
    }
    let log = LogFile(path, descriptor.release())
    let toFile = LineHandler(level: .debug) { log.write($0) }
    logger = Logger(label: "lbsample") { _ in MultiplexLogHandler([console, toFile]) }
    self.file = Logger(label: "lbsample") { _ in toFile }
  }

  /// Puts into the file what could not be had, and why, which the console and results say in their
  /// own ways.
  func record(_ meta: StreamMeta?) {
    guard let file, let meta else { return }
    for missing in meta.unavailable {
      file.notice("skipping \(missing.collector): \(missing.reason)")
    }
    for note in meta.notes { file.notice("\(note)") }
  }
}

/// The file of --log-file, open as long as the process. A failure to write is reported once.
private final class LogFile: Sendable {
  private let path: String
  private let number: Int32
  private let hasFailed = Mutex(false)

  init(_ path: String, _ number: Int32) {
    self.path = path
    self.number = number
  }

  func write(_ line: String) {
    do throws(SystemError) {
      try writeAll(
        Array((line.shownInLine + "\n").utf8).span, to: number, unless: StopSignals.stop)
    } catch {
      let isFirst = hasFailed.withLock { failed in
        defer { failed = true }
        return !failed
      }
      if isFirst {
        Console.say("lbsample: --log-file \(path): \(error.reason); events are missing there")
      }
    }
  }
}

/// One event a line: time, level, message, and where it belongs.
private struct LineHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  let write: @Sendable (String) -> Void

  init(level: Logger.Level, write: @escaping @Sendable (String) -> Void) {
    logLevel = level
    self.write = write
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let now = TimeSource.system.realtime()
    let time = CivilTime(unixSeconds: Int64(now / 1_000_000_000)).text
    let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }
      .map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    write("\(time) \(event.level) \(event.message)\(fields.isEmpty ? "" : " \(fields)")")
  }
}
