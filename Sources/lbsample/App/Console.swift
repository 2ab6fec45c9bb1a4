import CLinux
import Foundation
import LinuxSystem
import SampleModel
import Synchronization

/// Standard output and error, and what the terminal offers.
enum Console {
  /// Writes a message to standard error, in one line. It is dropped if standard error has no reader
  /// for a while: messages must not delay the end of a run.
  static func say(_ text: String, within milliseconds: Int32 = 200) {
    let isHeld = held.withLock { held in
      guard held != nil else { return false }
      if (held?.count ?? 0) < heldLimit { held?.append(text) }
      return true
    }
    guard !isHeld else { return }
    let wipe = hasProgress.withLock { $0 } ? ProgressLine.wipe : ""
    let whole = Array((wipe + text.shownInLine + "\n").utf8)
    // After a stop, and where the last remark was not read, nothing waits long.
    let isHurried = StopSignals.stop?.raised != nil
    let limit =
      isUnread.withLock { $0 } ? 0 : isHurried ? min(milliseconds, 200) : milliseconds
    let isTaken = errorTerminal?.write(whole, within: limit) ?? tell(whole, within: limit)
    isUnread.withLock { $0 = !isTaken }
  }

  /// Messages that wait while a view has the terminal; nil while none has it.
  private static let held = Mutex<[String]?>(nil)
  private static let heldLimit = 1000

  /// Keeps messages until `release`: they would be written over a view.
  static func hold() { held.withLock { $0 = $0 ?? [] } }

  /// Says the messages that were kept.
  static func release() {
    let messages = held.withLock { held in
      defer { held = nil }
      return held ?? []
    }
    for message in messages { say(message) }
  }

  /// Whether the last message was not read in time.
  private static let isUnread = Mutex(false)

  /// Writes to a standard error that is no terminal; false if it was not read in time.
  private static func tell(_ whole: [UInt8], within milliseconds: Int32) -> Bool {
    var rest = whole[...]
    while !rest.isEmpty {
      guard Poll.isWritable(STDERR_FILENO, within: milliseconds) else { return false }
      // No more than a pipe that can be written to takes at once.
      let part = Array(rest.prefix(Int(PIPE_BUF)))
      do throws(SystemError) {
        try writeAll(part.span, to: STDERR_FILENO)
      } catch {
        // Standard error is closed: nothing can be reported.
        return true
      }
      rest = rest.dropFirst(part.count)
    }
    return true
  }

  /// Whether a line of progress stands on standard error: a message replaces it.
  static let hasProgress = Mutex(false)

  /// Standard error where it is a terminal.
  static let errorTerminal = TimedTerminal(STDERR_FILENO)

  /// Standard output where it is a terminal.
  private static let outputTerminal = TimedTerminal(STDOUT_FILENO)

  /// What errors call standard output.
  static let outputName = "standard output"

  /// Writes data to standard output.
  static func write(_ text: String) throws(LBError) {
    try write(Array(text.utf8), to: STDOUT_FILENO, path: outputName)
  }

  /// Writes what a person reads to standard output: names from anywhere may stand in it.
  static func show(_ text: String) throws(LBError) { try write(text.shown) }

  /// Bytes of anybody's text as a terminal may have them.
  static func shown(_ bytes: some Collection<UInt8>) -> [UInt8] {
    Array(OSText.string(bytes).shown.utf8)
  }

  /// Writes bytes to a descriptor; a failure is a resultPersistence error that carries the errno.
  /// The `stop`, without one the process's own, ends the wait for a reader that does not read: the
  /// errno is then `ECANCELED`.
  static func write(
    _ bytes: [UInt8], to descriptor: Int32, path: String, unless stop: StopFlag? = nil
  ) throws(LBError) {
    let stop = stop ?? StopSignals.stop
    do throws(SystemError) {
      if let stop, descriptor == STDOUT_FILENO, let outputTerminal {
        try outputTerminal.writeAll(bytes, unless: stop)
      } else {
        try writeAll(bytes.span, to: descriptor, unless: stop)
      }
    } catch {
      let reason =
        error.errno == ECANCELED
        ? "the stop came before all of it was read" : "write failed: \(error.reason)"
      throw LBError(
        .resultPersistence,
        "\(path): \(reason)\(FreeSpace.hint(error.errno, path)); output written so far is kept",
        context: ErrorContext(path: path, errno: error.errno))
    }
  }

  static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
  static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Columns and rows of the terminal on standard output, or on another descriptor. One that does
  /// not know its size (a serial line, a pty of a program) has what the environment says, or the
  /// size of a VT100.
  static func terminalSize(of terminal: Int32 = STDOUT_FILENO) -> (columns: Int, rows: Int) {
    var columns: UInt16 = 0
    var rows: UInt16 = 0
    if unsafe lb_terminal_size(terminal, &columns, &rows) != 0 { (columns, rows) = (0, 0) }
    return (
      columns > 0 ? Int(columns) : assumedSize.columns, rows > 0 ? Int(rows) : assumedSize.rows
    )
  }

  private static let assumedSize: (columns: Int, rows: Int) = {
    let environment = ProgramEnvironment.variables
    func number(_ name: String, or standard: Int) -> Int {
      let number = environment[name].flatMap { UInt16($0) } ?? 0
      return number > 0 ? Int(number) : standard
    }
    return (number("COLUMNS", or: 80), number("LINES", or: 24))
  }()

  /// A clock for a table of this interval: `HH:MM:SS`, with milliseconds where rows are closer.
  static func clock(interval: UInt64) -> (UInt64) -> String {
    guard interval < 1_000_000_000 else { return localClock }
    // Rows of one second share its text.
    var second: (number: UInt64, text: String)?
    return { time in
      let number = time / 1_000_000_000
      let text = second?.number == number ? second?.text ?? "" : localClock(time)
      second = (number, text)
      let fraction = String(time / 1_000_000 % 1000)
      return text + "." + String(repeating: "0", count: 3 - fraction.count) + fraction
    }
  }

  /// Local wall-clock time of Unix nanoseconds, `HH:MM:SS`.
  static func localClock(_ unixNanoseconds: UInt64) -> String {
    var seconds = time_t(unixNanoseconds / 1_000_000_000)
    var parts = unsafe tm()
    _ = unsafe localtime_r(&seconds, &parts)
    let local = Int64(seconds) + Int64(unsafe parts.tm_gmtoff)
    return CivilTime(unixSeconds: local).clock
  }
}

/// A file or standard output that text is written to.
final class TextDestination: Sendable {
  private let descriptor: Int32
  private let stop: StopFlag?
  /// Whether what a file had before is still in it.
  private let hasOld: Mutex<Bool>
  let path: String

  /// Standard output, or a new file at `path`. An existing one keeps its contents until `empty` or
  /// the first `write`: a command that is refused before leaves it as it was.
  /// A `stop` ends the wait for a reader that does not read, and for the first one of a FIFO, which
  /// without a stop, or where it `isReadAlready`, has to be there. A new file that is a `result` is
  /// root's alone where root writes it, as result files are.
  init(
    path: String?, unless stop: StopFlag? = nil, appending: Bool = false,
    isReadAlready: Bool = false, isResult: Bool = false
  ) throws(LBError) {
    self.stop = stop
    guard let path, path != "-" else {
      descriptor = STDOUT_FILENO
      hasOld = Mutex(false)
      self.path = Console.outputName
      return
    }
    self.path = path
    hasOld = Mutex(!appending)
    do throws(SystemError) {
      descriptor = try Self.open(
        path, appending ? O_APPEND : 0, mode: isResult && geteuid() == 0 ? 0o600 : 0o644,
        unless: isReadAlready ? nil : stop)
    } catch {
      throw LBError(
        .resultPersistence,
        "\(path): cannot be opened for writing: \(error.reason)",
        context: ErrorContext(path: path, errno: error.errno))
    }
  }

  /// A file for writing, made where there is none. A FIFO is opened when it has a reader, unless
  /// `stop` comes first.
  private static func open(
    _ path: String, _ flags: Int32, mode: UInt32, unless stop: StopFlag?
  ) throws(SystemError) -> Int32 {
    while true {
      do throws(SystemError) {
        return try OwnedDescriptor(toWrite: path, flags, mode: mode).release()
      } catch {
        guard error.errno == ENXIO, OwnedDescriptor.isFIFO(path), let stop, stop.raised == nil
        else { throw error }
        _ = Poll.wait(
          readable: [stop.pollDescriptor], until: TimeSource.system.monotonic() + 20_000_000)
      }
    }
  }

  deinit { if descriptor != STDOUT_FILENO { close(descriptor) } }

  /// Writes all of it. A plain file that takes a part only, as on a full disk, ends with the last
  /// whole line of that.
  func write(_ bytes: [UInt8]) throws(LBError) {
    try empty()
    let before = plainSize
    do throws(LBError) {
      try Console.write(bytes, to: descriptor, path: path, unless: stop)
    } catch {
      if let before, let after = plainSize { endLine(bytes, from: before, to: after) }
      throw error
    }
  }

  /// Takes out what a plain file had before it was opened, once. For when nothing can refuse the
  /// command any more.
  func empty() throws(LBError) {
    let failure: Int32? = hasOld.withLock { hasOld in
      defer { hasOld = false }
      guard hasOld, plainSize ?? 0 > 0, ftruncate(descriptor, 0) != 0 else { return nil }
      return errno
    }
    guard let failure else { return }
    throw LBError(
      .resultPersistence,
      "\(path): its old content cannot be removed: "
        + SystemError("ftruncate", errno: failure, path: path).reason,
      context: ErrorContext(path: path, errno: failure))
  }

  /// Bytes that it has; nil of what is no plain file.
  private var plainSize: Int? {
    var facts = stat()
    guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
      return nil
    }
    return Int(facts.st_size)
  }

  /// Removes the incomplete last line from the part of `bytes` that was written.
  private func endLine(_ bytes: [UInt8], from before: Int, to after: Int) {
    // Only if no other process has written to the file since.
    guard after > before, after - before <= bytes.count else { return }
    let part = bytes[..<(after - before)]
    let end = part.lastIndex(of: UInt8(ascii: "\n")).map { before + $0 + 1 } ?? before
    guard end < after, ftruncate(descriptor, off_t(end)) == 0 else { return }
    _ = lseek(descriptor, off_t(end), SEEK_SET)
  }
}

/// The room on a file's file system, for messages about a full one.
enum FreeSpace {
  static func hint(_ errno: Int32, _ path: String) -> String {
    var file = stat()
    // /dev/full has none.
    guard errno == ENOSPC || errno == EDQUOT, unsafe stat(path.osCString, &file) == 0,
      file.st_mode & S_IFMT == S_IFREG
    else { return "" }
    var facts = statvfs()
    guard unsafe statvfs(path.osCString, &facts) == 0 else { return "" }
    return " (\(UInt64(facts.f_bavail) * UInt64(facts.f_frsize)) bytes free)"
  }
}
