// The stored fields are numbers, as the JSON of a result has them. Programs read these.

extension AttemptResult {
  /// The wall clock at the opening sample's start.
  public var start: UnixTime { UnixTime(nanoseconds: startUnixNanoseconds) }
  /// From the gate's opening to the notice of the exit; nil where the workload did not end.
  public var wallTime: Duration? { wallNanoseconds.map { Duration(unsigned: $0) } }
  /// From the opening sample's start to the closing sample's end.
  public var bracketTime: Duration { Duration(unsigned: bracketNanoseconds) }
  /// CPU time in user mode of the workload and its reaped descendants (wait4(2)).
  public var userTime: Duration? { userNanoseconds.map { Duration(unsigned: $0) } }
  /// CPU time in the kernel of the workload and its reaped descendants (wait4(2)).
  public var systemTime: Duration? { systemNanoseconds.map { Duration(unsigned: $0) } }

  /// The value of a metric over the bracket, in its base unit; nil where the attempt lacks it.
  public subscript(_ key: MetricKey) -> Double? { metrics[key.rawValue] }
  /// The keys of all metrics that the attempt has, by name.
  public var keys: [MetricKey] { metrics.keys.map { MetricKey($0) }.sorted() }
}

extension MetricSummary {
  /// The metric that the row is of.
  public var key: MetricKey { MetricKey(metric) }
  /// What encloses the median with at least 95 %, by the order of the values; nil below six of
  /// them. Where repetitions were added until it was narrow enough, it holds for all looks.
  public var confidenceInterval: ClosedRange<Double>? {
    guard let medianLow, let medianHigh, medianLow <= medianHigh else { return nil }
    return medianLow...medianHigh
  }
}

extension RunResult {
  /// The wall clock at the start.
  public var start: UnixTime { UnixTime(nanoseconds: startUnixNanoseconds) }
  /// The wall clock at the end; nil of a run that is not over.
  public var end: UnixTime? { endUnixNanoseconds.map { UnixTime(nanoseconds: $0) } }
  /// From start to end; nil of a run that is not over.
  public var duration: Duration? { durationNanoseconds.map { Duration(unsigned: $0) } }

  /// The summary's row of one metric; of a run with several phases, that of the named one. Nil
  /// where nothing has it.
  public func summary(of key: MetricKey, phase: String? = nil) -> MetricSummary? {
    summary(of: phase).first { $0.metric == key.rawValue }
  }

  /// The run itself where it completed without an error; else throws its first error, or that of
  /// the stop for a run that was interrupted.
  public func get() throws(LBSampleError) -> RunResult {
    let stop = errors.first { $0.category == .stopRequested }
    if let first = (status == .interrupted ? stop : nil) ?? errors.first { throw first }
    return self
  }
}

extension JournalEntry {
  /// The wall clock when it happened.
  public var time: UnixTime { UnixTime(nanoseconds: unixNanoseconds) }
}

extension TickLedger {
  /// The longest time from a deadline to its acquisition.
  public var longestDelay: Duration { Duration(unsigned: latenessMaximum) }
}

extension CollectorLedger {
  /// The time of all acquisitions together, from start to end of each.
  public var time: Duration { Duration(unsigned: nanoseconds) }
}

extension Overhead {
  /// CPU time of each sampling thread (CLOCK_THREAD_CPUTIME_ID).
  public var samplingThreads: [Duration] {
    samplingThreadNanoseconds.map { Duration(unsigned: $0) }
  }
  /// CPU time of the drain and the sinks it feeds.
  public var drain: Duration { Duration(unsigned: drainNanoseconds) }
  /// CPU time of the whole process (CLOCK_PROCESS_CPUTIME_ID).
  public var process: Duration { Duration(unsigned: processNanoseconds) }
  /// Elapsed time from the call that opened a bracket until sampling had begun.
  public var opening: Duration { Duration(unsigned: startNanoseconds) }
  /// Elapsed time from the call that closed it until the closing samples were taken.
  public var closing: Duration { Duration(unsigned: stopNanoseconds) }
  /// Elapsed time that these costs were spread over.
  public var elapsed: Duration { Duration(unsigned: elapsedNanoseconds) }
}
