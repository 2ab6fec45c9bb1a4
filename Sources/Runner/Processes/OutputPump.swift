import Glibc
import LinuxSystem
import SampleModel
import Synchronization

/// What is kept of an output: its beginning and its end.
package struct KeptOutput: Sendable, Hashable {
  package var head: [UInt8]
  /// What came last; between it and the head the rest was cut away.
  package var tail: [UInt8]
  /// Bytes that there were.
  package var total: UInt64

  /// All of an output.
  package init(_ whole: [UInt8]) {
    self.init(head: whole, tail: [], total: UInt64(whole.count))
  }

  /// Parts of one.
  package init(head: [UInt8], tail: [UInt8], total: UInt64) {
    self.head = head
    self.tail = tail
    self.total = total
  }

  /// Whether nothing is missing.
  package var isWhole: Bool { UInt64(head.count + tail.count) == total }

  /// Both parts, one behind the other.
  package var bytes: [UInt8] { head + tail }

  /// Its last lines without a line that was cut, and whether all of it is there.
  package var end: ArraySlice<UInt8> {
    if isWhole { return bytes[...] }
    // A line of progress is begun anew by a carriage return, and may never end.
    let ends = [UInt8(ascii: "\n"), UInt8(ascii: "\r")]
    guard let start = tail.firstIndex(where: ends.contains) else { return [] }
    return tail[(start + 1)...]
  }

  /// The last lines as text, no more than so many bytes.
  func lastWords(_ limit: Int = 500) -> String {
    let all = isWhole ? bytes[...] : tail[...]
    var last = all.suffix(limit)
    if last.count < total, let start = last.dropLast().firstIndex(of: UInt8(ascii: "\n")) {
      last = last[(start + 1)...]
    }
    return OSText.string(last)
  }
}

/// Drains a workload's output for as long as anything writes to it, keeping a bounded part: the
/// workload never waits for a full pipe.
final class OutputPump: @unchecked Sendable {
  // Sendable: the thread owns the buffers until `finish` has joined it.
  private let pipe: OwnedDescriptor
  private let headLimit: Int
  private let tailLimit: Int
  private let passThrough: Bool
  /// Where that goes, if it is a terminal: one that is held (^S) keeps write(2) waiting for ever.
  private let terminal: PatientTerminal?
  private let cancel: StopFlag
  private let stop: StopFlag
  private let clock: TimeSource
  private var thread: SystemThread?
  private var kept = KeptOutput([])
  private let seen = Atomic<UInt64>(0)
  /// Whether nothing writes any more; written by the thread, read when it has ended.
  private var isAtEnd = false
  /// Whether the output is read on to nowhere.
  private var isLeft = false

  /// Bytes that have come so far.
  var bytesSeen: UInt64 { seen.load(ordering: .relaxed) }

  /// Starts draining `pipe`, keeping `limit` bytes, half of its beginning and half
  /// of its end; `cpus` keeps it off the workload's.
  /// What is passed through waits for its reader, until `stop`.
  init(
    _ pipe: consuming OwnedDescriptor, limit: Int, passThrough: Bool, cpus: CPUSet?, stop: StopFlag,
    clock: TimeSource
  ) throws(SystemError) {
    self.pipe = pipe
    headLimit = limit - limit / 2
    tailLimit = limit / 2
    self.passThrough = passThrough
    terminal = passThrough ? PatientTerminal(STDERR_FILENO) : nil
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
  /// escaped may hold the pipe open. Gives what was kept.
  func finish(until limit: UInt64) -> KeptOutput {
    guard let thread else { return kept }
    deadline = limit
    cancel.raise()
    thread.join()
    self.thread = nil
    kept.tail = Array(kept.tail.suffix(tailLimit))
    return kept
  }

  /// The same with the patience that is due: what was written is there at once, only its end may
  /// not come, and a stop waits for nobody's.
  func finish(_ services: RunServices) -> KeptOutput {
    let patience: UInt64 = services.stop.raised == nil ? 200_000_000 : 20_000_000
    return finish(until: clock.deadline(in: patience))
  }

  /// The same of a process that may leave others behind: where something writes on, it can, to
  /// nowhere, until the outputs that are left are closed. It would be ended by SIGPIPE otherwise.
  func finishLeaving(_ services: RunServices) -> KeptOutput {
    let kept = finish(services)
    if !isAtEnd, !isLeft {
      isLeft = true
      services.leftOutputs.adopt(self)
    }
    return kept
  }

  /// Reads on and keeps nothing, until the end or until it `isOver`.
  fileprivate func discard(until isOver: StopFlag) {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let ready = clock.wait(readable: [pipe.number, isOver.pollDescriptor], until: nil)
      if ready.contains(1) { return }
      // Safe: the chunk's own length bounds the call.
      let count = unsafe read(pipe.number, &chunk, chunk.count)
      if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
      if count <= 0 { return }
    }
  }

  /// A thread that does that and keeps this pump while it does.
  fileprivate func discarding(until isOver: StopFlag) throws(SystemError) -> SystemThread {
    try SystemThread(name: "lb-left", time: clock) { self.discard(until: isOver) }
  }

  private var deadline: UInt64 = 0

  /// Keeps what came: first the head is filled, then the tail goes on for ever.
  private func keep(_ bytes: ArraySlice<UInt8>) {
    let first = bytes.prefix(headLimit - kept.head.count)
    kept.head += first
    let rest = bytes.dropFirst(first.count)
    if rest.count >= tailLimit {
      kept.tail = Array(rest.suffix(tailLimit))
      return
    }
    kept.tail += rest
    // Moved once for as many bytes as it holds.
    if kept.tail.count > 2 * tailLimit { kept.tail.removeFirst(kept.tail.count - tailLimit) }
  }

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
      if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
      guard count > 0 else {
        isAtEnd = true
        return
      }
      kept.total += UInt64(count)
      seen.store(kept.total, ordering: .relaxed)
      keep(chunk[..<count])
      if hasReader, let terminal {
        hasReader = terminal.write(Array(chunk[..<count]), unless: stop)
      } else if hasReader {
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

/// The outputs of what hooks and servers have left running: read on to nowhere until a run's end.
package final class LeftOutputs: Sendable {
  private struct One: Sendable {
    let isOver: StopFlag
    let thread: SystemThread
  }

  private let all = Mutex<[One]>([])

  /// None yet.
  package init() {}

  func adopt(_ pump: OutputPump) {
    do throws(SystemError) {
      let isOver = try StopFlag()
      let one = One(isOver: isOver, thread: try pump.discarding(until: isOver))
      all.withLock { $0.append(one) }
    } catch {
      // Without a thread the pipe closes: what writes to it ends, as it would behind a closed pipe.
    }
  }

  /// Reads no more of them.
  package func close() {
    let ended = all.withLock { all in
      defer { all = [] }
      return all
    }
    for one in ended {
      one.isOver.raise()
      one.thread.join()
    }
  }
}
