import Foundation
import LinuxSystem
import Output
import Runner
import SampleModel
import Synchronization

/// A line on the terminal with the current activity of a run: repetition k of n, since when.
final class ProgressLine: @unchecked Sendable {
  // Sendable, since a mutex protects the state and the owner ends the thread.
  private struct State {
    var progress: RunProgress?
    var since: UInt64 = 0
  }

  /// What takes a line away, whatever stands in it.
  static let wipe = "\r\u{1b}[K"
  private static let period: UInt64 = 250_000_000
  private let state = Mutex(State())
  private let ending: StopFlag
  private var thread: SystemThread?

  /// A line that is redrawn four times a second; nothing when not enabled.
  init(enabled: Bool) throws(LBError) {
    ending = try ownErrors { () throws(SystemError) in try StopFlag() }
    guard enabled else { return }
    thread = try ownErrors { () throws(SystemError) in
      try SystemThread(name: "lb-progress") { [unowned self] in
        while ending.raised == nil {
          draw()
          _ = Poll.wait(
            readable: [ending.pollDescriptor], until: Clock.monotonic() + Self.period)
        }
      }
    }
  }

  /// Takes what is happening now.
  func show(_ progress: RunProgress) {
    state.withLock { $0 = State(progress: progress, since: Clock.monotonic()) }
  }

  /// Wipes the line.
  func close() {
    guard let thread else { return }
    ending.raise()
    thread.join()
    self.thread = nil
    write(Self.wipe)
    Console.hasProgress.withLock { $0 = false }
  }

  private func draw() {
    let state = state.withLock { $0 }
    guard let progress = state.progress else { return }
    var parts = progress.phase == "main" || progress.phase.isEmpty ? "" : "\(progress.phase): "
    if let attempt = progress.attempt {
      let kind = attempt.warmUp ? "warm-up" : "repetition"
      parts += "\(kind) \(attempt.repetition) of \(max(attempt.repetition, progress.total)), "
    }
    let elapsed = Double(Clock.monotonic() - state.since) / 1e9
    let line = "\(parts)\(progress.activity.text) \(Readable.fixed(elapsed, 1)) s"
    // A line that wraps could not be wiped.
    let room = Console.terminalSize(of: STDERR_FILENO).columns - 1
    Console.hasProgress.withLock { $0 = true }
    write("\(Self.wipe)\(line.shownInLine.prefix(room))")
  }

  private func write(_ text: String) {
    // A terminal that is held (Ctrl-S) takes nothing, and the run does not wait for it.
    if let terminal = Console.errorTerminal {
      terminal.write(Array(text.utf8), within: 0)
      return
    }
    guard Poll.isWritable(STDERR_FILENO, within: 0) else { return }
    do throws(SystemError) {
      try writeAll(Array(text.utf8).span, to: STDERR_FILENO)
    } catch {
      // The terminal is closed; the run continues.
    }
  }
}
