import Glibc
import LinuxSystem
import PerfEvents
import Sampler
import Synchronization

/// Counters of a process beside workloads, opened while it waits at its start gate: they count from
/// its exec on. They stay open while the process lives, over several armings of the collector:
/// while the run waits for the process to be ready, nothing is armed.
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

  /// Without counters.
  init(_ kernel: any PerfKernel) { self.kernel = kernel }

  deinit { close() }

  /// Counts these events for following processes; false if other events are counted already.
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
      if state.refusal != 0 { closeDescriptors(&state) }
    }
  }

  func close() {
    state.withLock { state in
      closeDescriptors(&state)
      state.refusal = 0
    }
  }

  private func closeDescriptors(_ state: inout State) {
    for descriptor in state.descriptors { kernel.close(descriptor) }
    state.descriptors = []
  }

  /// Copies the open descriptors, valid until the process ends; returns 0 or the errno of opening.
  func copyDescriptors(to descriptors: UnsafeMutableBufferPointer<Int32>) -> Int32 {
    state.withLock { state in
      guard state.descriptors.count == descriptors.count else {
        return state.refusal == 0 ? ESRCH : state.refusal
      }
      for (index, descriptor) in state.descriptors.enumerated() {
        unsafe descriptors[index] = descriptor
      }
      return 0
    }
  }
}
