import Glibc
import LinuxSystem
import SampleModel

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT as two flags: the first request, and the one without grace.
final class StopSignals: Sendable {
  let first: StopFlag
  let second: StopFlag
  private let thread: SystemThread

  /// Blocks the signals in this thread, which must be the only one, and listens from another.
  init() throws(LBError) {
    let signals = try ownErrors { () throws(SystemError) in
      try SignalReader([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
    }
    let first = try ownErrors { () throws(SystemError) in try StopFlag() }
    let second = try ownErrors { () throws(SystemError) in try StopFlag() }
    self.first = first
    self.second = second
    // Never joined: it lives as long as the process, blocked on its descriptor.
    thread = try ownErrors { () throws(SystemError) in
      try SystemThread(name: "lb-signals") {
        while true {
          _ = Poll.wait(readable: [signals.pollDescriptor], until: nil)
          guard let signal = signals.next() else { continue }
          if first.raised == nil {
            first.raise(reason: signal)
          } else {
            second.raise(reason: signal)
          }
        }
      }
    }
  }
}
