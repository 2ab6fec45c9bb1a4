import KernelText
import SampleModel

/// A process's own I/O. /proc/PID/io includes that of all reaped descendants; /proc/PID/task/TID/io
/// is that of one living thread.
extension ProcessReader {
  /// Updates the seven counters in `own` from `io`, those of /proc/PID/io.
  ///
  /// If no child was reaped in between, they grew by the same amount; otherwise they are summed
  /// over living threads, without threads that ended at the same time.
  func addOwnIO(
    _ io: ProcessCounters, since before: ProcessCounters, isReaper: Bool, threads: UInt64,
    of process: Int32, to own: inout ProcessCounters
  ) {
    guard isReaper else {
      for lane in CounterLane.io..<CounterLane.io + ProcessIO.count where io[lane] > before[lane] {
        own[lane] &+= io[lane] &- before[lane]
      }
      return
    }
    var sum = ProcessCounters()
    if threads <= 1 {
      addThreadIO(process, process, to: &sum)
    } else {
      numbers(process, "task") { addThreadIO(process, $0, to: &sum) }
    }
    // The I/O of ended threads is in `own` but not in the sum.
    for lane in CounterLane.io..<CounterLane.io + ProcessIO.count {
      own[lane] = max(own[lane], sum[lane])
    }
  }

  private func addThreadIO(_ process: Int32, _ thread: Int32, to sum: inout ProcessCounters) {
    var file = open(process, "io", task: thread)
    guard file >= 0 else { return }
    var io = ProcessCounters()
    _ = read(file) { text in
      do throws(KernelTextError) {
        try ProcessIO.parse(text) { io[CounterLane.io + $0] = $1 }
      } catch {
        io = ProcessCounters()
      }
    }
    sum &+= io
    closeDescriptor(&file)
  }
}
