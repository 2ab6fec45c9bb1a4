import KernelText
import SampleModel

/// What a process itself has read and written. /proc/PID/io has what all children had that it has
/// reaped, too, and their children; /proc/PID/task/TID/io has one living thread's own.
extension ProcessReader {
  /// Takes the seven counters `io` of /proc/PID/io into `own`, whose seven were right before.
  ///
  /// Where no child was reaped in between, they grew by as much; else they are the sums over living
  /// threads, so that what threads did which ended at the same time is missing.
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
    // What ended threads did is in `own` and no more in the sum.
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
    shut(&file)
  }
}
