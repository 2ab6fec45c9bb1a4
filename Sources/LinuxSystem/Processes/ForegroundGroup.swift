import CLinux
import Glibc
import Synchronization

/// The terminal's foreground process group, lent to a workload and taken back, with the modes that
/// the terminal had.
package struct ForegroundGroup: @unchecked Sendable {
  // Sendable: values alone, of which termios is one of C's.
  private let terminal: Int32
  private let group: Int32
  private let modes: termios?

  /// What is lent now: an end by force takes it back.
  private static let lent = Mutex<ForegroundGroup?>(nil)

  /// Remembers that `terminal` is ours, before a workload gets it; nil when it is no terminal, or
  /// is somebody else's: who runs in the background has nothing to lend.
  package init?(of terminal: Int32) {
    let group = lb_foreground_group(terminal)
    guard group > 0, group == getpgrp() else { return nil }
    self.terminal = terminal
    self.group = group
    var modes = termios()
    self.modes = unsafe tcgetattr(terminal, &modes) == 0 ? modes : nil
    let this = self
    Self.lent.withLock { $0 = this }
  }

  /// Takes the terminal back, with the modes that it had.
  package func restore() {
    Self.lent.withLock { $0 = nil }
    takeBack()
  }

  /// Takes back what is lent, where this process ends all at once.
  package static func reclaim() {
    let lent = Self.lent.withLock { lent -> ForegroundGroup? in
      defer { lent = nil }
      return lent
    }
    lent?.takeBack()
  }

  private func takeBack() {
    _ = lb_set_foreground_group(terminal, group)
    guard var modes else { return }
    _ = unsafe lb_set_terminal_modes(terminal, &modes)
  }
}
