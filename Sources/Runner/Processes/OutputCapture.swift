import Glibc
import LinuxSystem
import SampleModel
import Synchronization

/// The kept part of an output: its beginning and its end.
package struct KeptOutput: Sendable, Hashable {
  package var head: [UInt8]
  /// The end; what was between it and the head is not kept.
  package var tail: [UInt8]
  /// The number of bytes of the whole output.
  package var total: UInt64

  /// A whole output.
  package init(_ whole: [UInt8]) {
    self.init(head: whole, tail: [], total: UInt64(whole.count))
  }

  /// The beginning and the end of an output with `total` bytes.
  package init(head: [UInt8], tail: [UInt8], total: UInt64) {
    self.head = head
    self.tail = tail
    self.total = total
  }

  /// Whether all of the output is kept.
  package var isWhole: Bool { UInt64(head.count + tail.count) == total }

  /// The head followed by the tail.
  package var bytes: [UInt8] { head + tail }

  /// The whole output, or the complete lines of its tail.
  package var end: ArraySlice<UInt8> {
    if isWhole { return bytes[...] }
    // A progress display overwrites its line after a carriage return and may have no line feed.
    let ends = [UInt8(ascii: "\n"), UInt8(ascii: "\r")]
    guard let start = tail.firstIndex(where: ends.contains) else { return [] }
    return tail[(start + 1)...]
  }

  /// The last lines as text, at most `limit` bytes.
  func lastLines(_ limit: Int = 500) -> String {
    let all = isWhole ? bytes[...] : tail[...]
    var last = all.suffix(limit)
    if last.count < total, let start = last.dropLast().firstIndex(of: UInt8(ascii: "\n")) {
      last = last[(start + 1)...]
    }
    return OSText.string(last)
  }
}

/// Reads a workload's output as long as any process writes to it, and keeps a bounded part: the
/// workload never waits for a full pipe.
final class OutputCapture: @unchecked Sendable {
  // Sendable, since the thread owns the buffers until `finish` has joined it.
  private let pipe: OwnedDescriptor
  private let headLimit: Int
  private let tailLimit: Int
  private let passThrough: Bool
  /// Standard error, if it is a terminal: a stopped one (Ctrl-S) would block write(2) for ever.
  private let terminal: TimedTerminal?
  private let cancel: StopFlag
  private let stop: StopFlag
  private let clock: TimeSource
  private var thread: SystemThread?
  private var kept = KeptOutput([])
  private let seen = Atomic<UInt64>(0)
  /// Whether no process has the pipe open any more; written by the thread, read after its end.
  private var isAtEnd = false
  /// Whether the rest of the output is read and discarded.
  private var isOrphaned = false

  /// The number of bytes that were read so far.
  var bytesSeen: UInt64 { seen.load(ordering: .relaxed) }

  /// Starts to read `pipe` on `cpus`, and keeps `limit` bytes, half of them from the beginning and
  /// half from the end. With `passThrough` the output is also written to standard error, whose
  /// reader is waited for until `stop`.
  init(
    _ pipe: consuming OwnedDescriptor, limit: Int, passThrough: Bool, cpus: CPUSet?, stop: StopFlag,
    clock: TimeSource
  ) throws(SystemError) {
    self.pipe = pipe
    headLimit = limit - limit / 2
    tailLimit = limit / 2
    self.passThrough = passThrough
    terminal = passThrough ? TimedTerminal(STDERR_FILENO) : nil
    self.stop = stop
    self.clock = clock
    cancel = try StopFlag()
    thread = try SystemThread(name: "lb-output", time: clock) { [unowned self] in
      if let cpus, !cpus.isEmpty {
        do throws(SystemError) { try cpus.applyToThisThread() } catch {
          // The thread then shares the workload's CPUs, which is a cost and not a failure.
        }
      }
      drain()
    }
  }

  /// Waits for the end of the output, at most until `limit` (CLOCK_MONOTONIC), since a descendant
  /// that escaped may hold the pipe open. Returns the kept output.
  func finish(until limit: UInt64) -> KeptOutput {
    guard let thread else { return kept }
    deadline = limit
    cancel.raise()
    thread.join()
    self.thread = nil
    kept.tail = Array(kept.tail.suffix(tailLimit))
    return kept
  }

  /// Finishes with the default timeout of 200 ms, or 20 ms after a stop request.
  func finish(_ services: RunServices) -> KeptOutput {
    let timeout: UInt64 = services.stop.raised == nil ? 200_000_000 : 20_000_000
    return finish(until: clock.deadline(in: timeout))
  }

  /// Finishes, but keeps the pipe open for processes that still write to it: their output is read
  /// and discarded until the orphaned outputs are closed. A closed pipe would end them by SIGPIPE.
  func finishKeepingPipeOpen(_ services: RunServices) -> KeptOutput {
    let kept = finish(services)
    if !isAtEnd, !isOrphaned {
      isOrphaned = true
      services.orphanedOutputs.adopt(self)
    }
    return kept
  }

  /// Reads and discards the output until its end or until `isOver` is raised.
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

  /// A thread that discards the output; it keeps this object alive.
  fileprivate func discarding(until isOver: StopFlag) throws(SystemError) -> SystemThread {
    try SystemThread(name: "lb-left", time: clock) { self.discard(until: isOver) }
  }

  private var deadline: UInt64 = 0

  /// Appends bytes to the head until that is full, then to the tail.
  private func keep(_ bytes: ArraySlice<UInt8>) {
    let first = bytes.prefix(headLimit - kept.head.count)
    kept.head += first
    let rest = bytes.dropFirst(first.count)
    if rest.count >= tailLimit {
      kept.tail = Array(rest.suffix(tailLimit))
      return
    }
    kept.tail += rest
    // Trimmed only at twice its size, so that each byte is moved at most once.
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
          // Standard error has no reader any more; the output is still kept.
          hasReader = false
        }
      }
    }
  }
}

/// Outputs of processes that hooks and servers have left running. They are read and discarded until
/// the end of the run.
package final class OrphanedOutputs: Sendable {
  private struct Reader: Sendable {
    let isOver: StopFlag
    let thread: SystemThread
  }

  private let all = Mutex<[Reader]>([])

  /// No outputs.
  package init() {}

  func adopt(_ capture: OutputCapture) {
    do throws(SystemError) {
      let isOver = try StopFlag()
      let reader = Reader(isOver: isOver, thread: try capture.discarding(until: isOver))
      all.withLock { $0.append(reader) }
    } catch {
      // Without a thread the pipe is closed, and a process that writes to it gets SIGPIPE.
    }
  }

  /// Ends all readers.
  package func close() {
    let ended = all.withLock { all in
      defer { all = [] }
      return all
    }
    for reader in ended {
      reader.isOver.raise()
      reader.thread.join()
    }
  }
}
