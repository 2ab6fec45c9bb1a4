import SampleModel

/// One row about a process, a thread or an exit: the records of `tree` and `top`.
struct ProcessRecord {
  /// The kind of row.
  enum Kind: UInt64 {
    case process = 0
    case thread
    /// The kernel's own record of a task's end.
    case exit
    /// A process that was found to have ended, with its last known values.
    case vanished
  }

  var kind = Kind.process
  var pid: Int32 = 0
  var thread: Int32 = 0
  var parent: Int32 = 0
  var command: (UInt64, UInt64) = (0, 0)
  var state: UInt8 = 0
  var processor = RecordSchema.absent
  var node = RecordSchema.absent
  var threads = RecordSchema.absent
  var cpu = RecordSchema.absent
  var user = RecordSchema.absent
  var system = RecordSchema.absent
  var runDelay = RecordSchema.absent
  var minorFaults = RecordSchema.absent
  var majorFaults = RecordSchema.absent
  var resident = RecordSchema.absent
  var readBytes = RecordSchema.absent
  var writeBytes = RecordSchema.absent
  var voluntarySwitches = RecordSchema.absent
  var involuntarySwitches = RecordSchema.absent
  var exitCode = RecordSchema.absent
  var elapsed = RecordSchema.absent

  /// The row's fields; cumulative values unless noted.
  static let fields: [MetricDescription] = [
    gauge("kind", "0 process, 1 thread, 2 exit by the kernel's record, 3 gone, as last seen"),
    gauge("pid", "the process"),
    gauge("tid", "the thread; of a process, its main one"),
    gauge("ppid", "its parent"),
    gauge("comm", "its name", unit: .text),
    gauge("comm", "its name, bytes 8 to 15", unit: .text),
    gauge("state", "the state's letter", unit: .text),
    gauge("processor", "the CPU that it last ran on"),
    gauge("node", "the NUMA node of that CPU"),
    gauge("num_threads", "threads of the process"),
    counter("sum_exec_runtime", "CPU time, all threads of a process", unit: .nanoseconds),
    counter("utime", "user time, by sampling the clock tick", unit: .nanoseconds),
    counter("stime", "system time, as utime", unit: .nanoseconds),
    counter("run_delay", "time runnable without a CPU", unit: .nanoseconds),
    counter("minflt", "page faults without I/O"),
    counter("majflt", "page faults with I/O"),
    gauge("rss", "resident memory; of an exit, its peak", unit: .bytes),
    counter("read_bytes", "bytes that storage delivered", unit: .bytes),
    counter("write_bytes", "bytes handed to storage", unit: .bytes),
    counter("nvcsw", "voluntary context switches"),
    counter("nivcsw", "involuntary context switches"),
    gauge("exit_code", "as wait(2) has it"),
    gauge("elapsed", "from start to exit", unit: .nanoseconds),
  ]

  /// Words of a row; a literal, since the sampling thread uses it.
  static let width = 23

  /// Writes the row as number `row` of `rows`.
  func write(_ rows: inout MutableSpan<UInt64>, at row: Int) {
    var index = row * Self.width
    func put(_ value: UInt64) {
      rows[index] = value
      index += 1
    }
    put(kind.rawValue)
    put(UInt64(UInt32(bitPattern: pid)))
    put(UInt64(UInt32(bitPattern: thread)))
    put(UInt64(UInt32(bitPattern: parent)))
    put(command.0)
    put(command.1)
    put(UInt64(state))
    put(processor)
    put(node)
    put(threads)
    put(cpu)
    put(user)
    put(system)
    put(runDelay)
    put(minorFaults)
    put(majorFaults)
    put(resident)
    put(readBytes)
    put(writeBytes)
    put(voluntarySwitches)
    put(involuntarySwitches)
    put(exitCode)
    put(elapsed)
  }
}
