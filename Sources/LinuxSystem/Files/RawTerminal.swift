import CLinux
import Glibc

/// A terminal that a full-screen program has for itself: keys come as they are typed, and the
/// screen is given back whatever ends the program, except SIGKILL.
///
/// Both descriptors are opened again as non-blocking, as in `TimedTerminal`: no call waits for a
/// terminal that is stopped or not read.
package final class RawTerminal {
  private let input: OwnedDescriptor
  private let output: OwnedDescriptor
  private let enter: [UInt8]
  private let leave: [CChar]
  private var original: termios?
  private var unsent: ArraySlice<UInt8> = []

  /// Whether this process has the terminal.
  package private(set) var isEntered = false

  /// The terminal on these descriptors; nil where one of them is none, or cannot be opened.
  /// `enter` and `leave` are written first and last.
  package init?(input: Int32, output: Int32, enter: String, leave: String) {
    guard isatty(input) == 1, isatty(output) == 1 else { return nil }
    let flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC
    do throws(SystemError) {
      self.input = try OwnedDescriptor(open: "/proc/self/fd/\(input)", O_RDONLY | flags)
      self.output = try OwnedDescriptor(open: "/proc/self/fd/\(output)", O_WRONLY | flags)
    } catch {
      return nil
    }
    self.enter = Array(enter.utf8)
    self.leave = leave.utf8.map { CChar(bitPattern: $0) }
  }

  /// Whether this process is in the foreground of the terminal. Also true without a controlling
  /// terminal.
  package var isForeground: Bool {
    let group = lb_foreground_group(output.number)
    return group <= 0 || group == getpgrp()
  }

  /// Columns and rows of the window; 0 where it does not know.
  package var size: (columns: Int, rows: Int) {
    var (columns, rows): (UInt16, UInt16) = (0, 0)
    guard unsafe lb_terminal_size(output.number, &columns, &rows) == 0 else { return (0, 0) }
    return (Int(columns), Int(rows))
  }

  /// Takes the terminal: keys are no longer echoed or gathered to lines. Ctrl-C and Ctrl-Z stay
  /// signals. In the background nothing happens.
  package func begin() throws(SystemError) {
    guard !isEntered, isForeground else { return }
    var modes = termios()
    guard unsafe tcgetattr(output.number, &modes) == 0 else {
      throw SystemError("tcgetattr", errno: errno)
    }
    original = modes
    // Before the modes change, so that there is no moment without a guard.
    unsafe lb_guard_terminal(output.number, &modes, leave, leave.count)
    modes.c_lflag &= ~tcflag_t(ICANON | ECHO | IEXTEN)
    let failure = unsafe lb_set_terminal_modes(output.number, &modes)
    guard failure == 0 else {
      original = nil
      lb_restore_terminal()
      throw SystemError("tcsetattr", errno: -failure)
    }
    isEntered = true
    unsent = enter[...]
    send()
  }

  /// Gives the terminal back as it was.
  package func end() {
    guard isEntered else { return }
    isEntered = false
    // What a terminal that does not read has not taken would only follow the end.
    unsent = []
    lb_restore_terminal()
  }

  /// Readable when keys were typed; -1 while this process does not have the terminal.
  package var pollDescriptor: Int32 { isEntered ? input.number : -1 }

  /// Bytes of the keys that were typed; empty without one, nil after the terminal's end.
  package func read() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 256)
    // Safe: the array's own count bounds the call.
    let count = unsafe bytes.withUnsafeMutableBytes {
      unsafe Glibc.read(input.number, $0.baseAddress, $0.count)
    }
    if count > 0 { return Array(bytes[..<count]) }
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? [] : nil
  }

  /// Whether the terminal has not taken yet all that was written: nothing more is to be written.
  package var isBehind: Bool { !unsent.isEmpty }

  /// Writes bytes, of which the terminal may take a part; `send` writes the others.
  package func write(_ bytes: [UInt8]) {
    unsent += bytes
    send()
  }

  /// Sends what the terminal has not taken yet, without waiting for it.
  package func send() {
    while !unsent.isEmpty {
      // Safe: the slice's own length bounds the call.
      let count = unsafe unsent.withUnsafeBytes {
        unsafe Glibc.write(output.number, $0.baseAddress, $0.count)
      }
      guard count > 0 else {
        // A terminal that is gone takes nothing; its end is seen by `read`.
        if count < 0, errno != EAGAIN, errno != EINTR { unsent = [] }
        return
      }
      unsent = unsent.dropFirst(count)
    }
  }

  /// Gives the terminal back when this process ends abruptly.
  package static func giveBack() { lb_restore_terminal() }
}

/// The signals of a terminal's window and of job control.
package enum TerminalSignals {
  /// They are blocked in the calling thread, which must be the only one.
  package static func reader() throws(SystemError) -> SignalReader {
    try SignalReader([SIGWINCH, SIGTSTP, SIGCONT])
  }

  /// What one of these signals asks for.
  package enum Request: Sendable {
    case resize, suspend, resume
  }

  /// The next request, nil for none.
  package static func next(_ reader: SignalReader) -> Request? {
    switch reader.next() {
    case SIGWINCH: .resize
    case SIGTSTP: .suspend
    case SIGCONT: .resume
    default: nil
    }
  }

  /// Stops this process until SIGCONT.
  package static func suspend() { _ = raise(SIGSTOP) }
}
