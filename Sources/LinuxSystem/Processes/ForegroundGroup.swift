import CLinux
import Glibc
import Synchronization

/// Gives the terminal's foreground to a workload's process group, and restores it with the
/// terminal's modes.
package struct ForegroundGroup: @unchecked Sendable {
  // Sendable: values only; termios is a C structure.
  private let terminal: Int32
  private let group: Int32
  private let modes: termios?

  /// The present one, restored when the process is ended by force.
  private static let active = Mutex<ForegroundGroup?>(nil)

  /// Saves the state of `terminal` before a workload gets it; nil if it is not a terminal, or its
  /// foreground is another process group.
  package init?(of terminal: Int32) {
    let group = lb_foreground_group(terminal)
    guard group > 0, group == getpgrp() else { return nil }
    self.terminal = terminal
    self.group = group
    var modes = termios()
    self.modes = unsafe tcgetattr(terminal, &modes) == 0 ? modes : nil
    let this = self
    Self.active.withLock { $0 = this }
  }

  /// Restores the foreground and the modes of the terminal.
  package func restore() {
    Self.active.withLock { $0 = nil }
    takeBack()
  }

  /// Restores the terminal when this process ends abruptly.
  package static func reclaim() {
    let active = Self.active.withLock { active -> ForegroundGroup? in
      defer { active = nil }
      return active
    }
    active?.takeBack()
  }

  private func takeBack() {
    _ = lb_set_foreground_group(terminal, group)
    guard var modes else { return }
    _ = unsafe lb_set_terminal_modes(terminal, &modes)
  }
}
