import Foundation
import LinuxSystem
import Logging
import SampleModel

/// The logger that the options ask for: warnings on standard error, more with --verbose, and
/// everything in the log file.
struct EventLog {
  let logger: Logger
  /// The log file alone, for what the console is told anyway.
  private(set) var file: Logger?

  static func logger(_ options: LogOptions) throws(LBError) -> Logger { try Self(options).logger }

  init(_ options: LogOptions) throws(LBError) {
    let level: Logger.Level = options.quiet ? .error : options.verbose ? .debug : .error
    let console = LineHandler(level: level) { Console.say($0) }
    guard let path = options.logFile else {
      logger = Logger(label: "lbsample") { _ in console }
      return
    }
    let descriptor: OwnedDescriptor
    do throws(SystemError) {
      // Not to wait for the reader of a FIFO: one without is an error.
      descriptor = try OwnedDescriptor(
        open: path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, mode: 0o644)
    } catch {
      throw LBError(
        .configuration, "--log-file \(path) cannot be written: \(error.reason)",
        context: ErrorContext(path: path, errno: error.errno))
    }
    let number = descriptor.release()  // Open as long as the process.
    let toFile = LineHandler(level: .debug) { line in
      do throws(SystemError) {
        try writeAll(Array((line + "\n").utf8).span, to: number)
      } catch {
        Console.say("lbsample: --log-file \(path): \(error.reason)")
      }
    }
    logger = Logger(label: "lbsample") { _ in MultiplexLogHandler([console, toFile]) }
    self.file = Logger(label: "lbsample") { _ in toFile }
  }
}

/// Logs what happens beside the samples.
final class EventNotices: SampleSink {
  private let logger: Logger
  var bytesWritten: UInt64 { 0 }

  init(_ logger: Logger) { self.logger = logger }

  func begin(_ meta: StreamMeta) throws(LBError) {}
  func layout(_ layout: Layout) throws(LBError) {}
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  func commit(watermark: UInt64) throws(LBError) {}

  func event(_ event: SampleEvent) throws(LBError) {
    if event.kind != .clockAnchor { logger.notice("\(event.message)") }
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
    let places = (event.metadata ?? [:]).sorted { $0.key < $1.key }
      .map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    write("\(time) \(event.level) \(event.message)\(places.isEmpty ? "" : " \(places)")")
  }
}
