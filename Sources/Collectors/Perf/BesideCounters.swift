import Glibc
import LinuxSystem
import PerfEvents
import Sampler
import Synchronization

/// Counters of a process beside workloads, opened while it stands at its gate: they count from its
/// exec on. They are open for as long as it lives, and longer than one arming of the collector that
/// reads them: while the run waits for the process to be ready, nothing is armed.
final class BesideCounters: ProcessFollower {
  /// One event, in the order of its group.
  struct Event: Sendable, Equatable {
    let attributes: PerfEventAttributes
    let isLeader: Bool
  }

  private struct State: Sendable {
    var events: [Event] = []
    var descriptors: [Int32] = []
    /// The errno of the failed open, 0 after a success or before the first attempt.
    var refusal: Int32 = 0
  }

  private let kernel: any PerfKernel
  private let state = Mutex(State())

  /// No counters yet.
  init(_ kernel: any PerfKernel) { self.kernel = kernel }

  deinit { close() }

  /// Counts these events of processes from now on; false where others are being counted.
  func count(_ events: [Event]) -> Bool {
    state.withLock { state in
      if state.descriptors.isEmpty { state.events = events }
      return state.events == events
    }
  }

  func open(_ process: Int32) {
    close()
    state.withLock { state in
      var leader: Int32 = -1
      for event in state.events {
        let descriptor = kernel.open(
          event.attributes, process: process, cpu: -1, leader: event.isLeader ? -1 : leader)
        guard descriptor >= 0 else {
          state.refusal = -descriptor
          break
        }
        if event.isLeader { leader = descriptor }
        state.descriptors.append(descriptor)
      }
      if state.refusal != 0 { shut(&state) }
    }
  }

  func close() {
    state.withLock { state in
      shut(&state)
      state.refusal = 0
    }
  }

  private func shut(_ state: inout State) {
    for descriptor in state.descriptors { kernel.close(descriptor) }
    state.descriptors = []
  }

  /// Lends what is open, to be read until the process goes; gives the errno of a refusal, or 0.
  func lend(to descriptors: UnsafeMutableBufferPointer<Int32>) -> Int32 {
    state.withLock { state in
      guard state.descriptors.count == descriptors.count else {
        return state.refusal == 0 ? ESRCH : state.refusal
      }
      for (place, descriptor) in state.descriptors.enumerated() {
        unsafe descriptors[place] = descriptor
      }
      return 0
    }
  }
}
