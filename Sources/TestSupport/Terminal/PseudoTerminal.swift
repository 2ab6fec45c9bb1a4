import Glibc
package import LinuxSystem

/// A terminal of a test's own (pty(7)).
package final class PseudoTerminal {
  private let master: OwnedDescriptor
  /// What a program has as its terminal.
  package let end: OwnedDescriptor

  /// A terminal of this size.
  package init(columns: UInt16, rows: UInt16) throws(SystemError) {
    master = try OwnedDescriptor(open: "/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    // TIOCSPTLCK and TIOCGPTPEER of asm-generic/ioctls.h.
    var isLocked: Int32 = 0
    guard unsafe ioctl(master.number, 0x4004_5431, &isLocked) == 0 else {
      throw SystemError("TIOCSPTLCK", errno: errno)
    }
    let number = ioctl(master.number, 0x5441, O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard number >= 0 else { throw SystemError("TIOCGPTPEER", errno: errno) }
    end = OwnedDescriptor(owning: number)
    resize(columns: columns, rows: rows)
  }

  /// Another size; a program in its foreground gets SIGWINCH.
  package func resize(columns: UInt16, rows: UInt16) {
    // struct winsize: rows, columns, and the size in pixels, 0 for unknown.
    var size: [UInt16] = [rows, columns, 0, 0]
    _ = unsafe ioctl(master.number, UInt(TIOCSWINSZ), &size)
  }

  /// What was written since the last call.
  package func read() -> [UInt8] {
    var all: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = unsafe Glibc.read(master.number, &part, part.count)
      guard count > 0 else { return all }
      all += part[..<count]
    }
  }

  /// Types a text.
  package func type(_ text: String) {
    let bytes = Array(text.utf8)
    _ = unsafe Glibc.write(master.number, bytes, bytes.count)
  }

  /// Whether keys are gathered to lines and echoed, as a shell has them.
  package var isAsUsual: Bool {
    // struct termios of the kernel: four words of flags, the last of them c_lflag (TCGETS).
    var words = [UInt32](repeating: 0, count: 16)
    guard unsafe ioctl(end.number, 0x5401, &words) == 0 else { return false }
    let both = UInt32(ICANON | ECHO)
    return words[3] & both == both
  }

  /// Waits until something was written, or for this many milliseconds.
  package func wait(milliseconds: UInt64) {
    _ = Poll.wait(
      readable: [master.number], until: Clock.monotonic() + milliseconds * 1_000_000)
  }
}
