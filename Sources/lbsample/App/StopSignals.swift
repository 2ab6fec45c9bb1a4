import Glibc
import LinuxSystem
import SampleModel
import Synchronization

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT as two flags: the first request, and the one without grace.
///
/// Whatever hangs, the process ends: a second after the second request, and where a command has a
/// bound of its own for its end, that long after the first.
final class StopSignals: Sendable {
  let first: StopFlag
  let second: StopFlag
  private static let listening = Mutex<StopFlag?>(nil)

  /// The first request of this process; nil where it does not listen for signals, which then end it
  /// at once.
  static var stop: StopFlag? { listening.withLock { $0 } }

  private let thread: SystemThread

  /// Blocks the signals in this thread, which must be the only one, and listens from another.
  /// `endLimit`: nanoseconds that the end may take after the first request.
  init(endLimit: UInt64? = nil) throws(LBError) {
    let signals = try ownErrors { () throws(SystemError) in
      try SignalReader([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
    }
    let first = try ownErrors { () throws(SystemError) in try StopFlag() }
    let second = try ownErrors { () throws(SystemError) in try StopFlag() }
    self.first = first
    self.second = second
    Self.listening.withLock { $0 = first }
    // Never joined: it lives as long as the process, blocked on its descriptor.
    thread = try ownErrors { () throws(SystemError) in
      try SystemThread(name: "lb-signals") {
        var deadline: UInt64?
        while true {
          let ready = Poll.wait(readable: [signals.pollDescriptor], until: deadline)
          guard let signal = signals.next() else {
            if ready.isEmpty, let deadline, Clock.monotonic() >= deadline { Self.give(up: first) }
            continue
          }
          let now = Clock.monotonic()
          if first.raised == nil {
            first.raise(reason: signal)
            deadline = endLimit.map { now + $0 }
          } else {
            second.raise(reason: signal)
            deadline = min(deadline ?? .max, now + 1_000_000_000)
          }
        }
      }
    }
  }

  private static func give(up first: StopFlag) {
    let signal = first.raised?.signal ?? SIGTERM
    ForegroundGroup.reclaim()
    RawTerminal.giveBack()
    Console.release()
    Console.say(
      "lbsample: ended by force after signal \(signal): a file or a reader does not answer")
    _exit(128 + signal)
  }
}
