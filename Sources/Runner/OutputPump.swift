import Glibc
import LinuxSystem
import Synchronization

/// Drains a workload's output for as long as anything writes to it, keeping a bounded part: the
/// workload never waits for a full pipe.
final class OutputPump: @unchecked Sendable {
  // Sendable: the thread owns the buffers until `finish` has joined it.
  private let pipe: OwnedDescriptor
  private let limit: Int
  private let passThrough: Bool
  private let cancel: StopFlag
  private let stop: StopFlag
  private let clock: TimeSource
  private var thread: SystemThread?
  private var kept: [UInt8] = []
  private var total: UInt64 = 0
  private let seen = Atomic<UInt64>(0)

  /// Bytes that have come so far.
  var bytesSeen: UInt64 { seen.load(ordering: .relaxed) }

  /// Starts draining `pipe`, keeping the first `limit` bytes; `cpus` keeps it off the workload's.
  /// What is passed through waits for its reader, until `stop`.
  init(
    _ pipe: consuming OwnedDescriptor, limit: Int, passThrough: Bool, cpus: CPUSet?, stop: StopFlag,
    clock: TimeSource
  ) throws(SystemError) {
    self.pipe = pipe
    self.limit = limit
    self.passThrough = passThrough
    self.stop = stop
    self.clock = clock
    cancel = try StopFlag()
    thread = try SystemThread(name: "lb-output", time: clock) { [unowned self] in
      if let cpus, !cpus.isEmpty {
        do throws(SystemError) { try cpus.applyToThisThread() } catch {
          // It then shares the workload's CPUs: a cost, not a failure.
        }
      }
      drain()
    }
  }

  /// Waits for the end of the output, at most until `limit` (CLOCK_MONOTONIC): a descendant that
  /// escaped may hold the pipe open. Gives what was kept and how much there was.
  func finish(until limit: UInt64) -> (kept: [UInt8], total: UInt64) {
    guard let thread else { return (kept, total) }
    deadline = limit
    cancel.raise()
    thread.join()
    self.thread = nil
    return (kept, total)
  }

  /// The same with the patience that is due: what was written is there at once, only its end may
  /// not come, and a stop waits for nobody's.
  func finish(_ services: RunServices) -> (kept: [UInt8], total: UInt64) {
    let patience: UInt64 = services.stop.raised == nil ? 200_000_000 : 20_000_000
    return finish(until: clock.deadline(in: patience))
  }

  private var deadline: UInt64 = 0

  private func drain() {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    var hasReader = passThrough
    while true {
      let isEnding = cancel.raised != nil
      let ready = clock.wait(
        readable: isEnding ? [pipe.number] : [pipe.number, cancel.pollDescriptor],
        until: isEnding ? deadline : nil)
      if ready.isEmpty || isEnding && clock.monotonic() >= deadline { return }
      guard ready.contains(0) else { continue }
      // Safe: the chunk's own length bounds the call.
      let count = unsafe read(pipe.number, &chunk, chunk.count)
      if count == 0 { return }
      if count < 0 {
        if errno == EINTR || errno == EAGAIN { continue }
        return
      }
      total += UInt64(count)
      seen.store(total, ordering: .relaxed)
      kept += chunk.prefix(min(count, limit - kept.count))
      if hasReader {
        do throws(SystemError) {
          try writeAll(chunk.span.extracting(first: count), to: STDERR_FILENO, unless: stop)
        } catch {
          // Nobody looks any more; what is kept is kept.
          hasReader = false
        }
      }
    }
  }
}
