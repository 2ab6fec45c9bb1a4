package import RunAnalysis
package import SampleModel

/// Takes a recording's records of processes, and finds which of them used the CPUs in stretches of
/// time. Of a window that a stretch has in part, the same part of the CPU time is the stretch's.
package final class ProcessSink: SampleSink {
  /// The most processes that are kept of each stretch.
  static let most = 4096

  private let stretches: [BusyStretch]
  private var times = ProcessTimes(countsNew: false)
  private var used: [[UInt64: (name: String, time: Double)]]

  package var bytesWritten: UInt64 { 0 }

  /// Looks for processes in these stretches.
  package init(_ stretches: [BusyStretch]) {
    self.stretches = stretches
    used = stretches.map { _ in [:] }
  }

  /// Takes the schemas of processes.
  package func begin(_ meta: StreamMeta) throws(LBError) { times.begin(meta) }

  /// Takes a batch of records.
  package func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    times.take(
      header, rows,
      joined: { pid in for index in used.indices { used[index][pid] = nil } },
      used: { add($0) })
  }

  private func add(_ use: ProcessTimes.Use) {
    guard use.end > use.start else { return }
    for (index, stretch) in stretches.enumerated() {
      let (low, high) = (max(use.start, stretch.start), min(use.end, stretch.end))
      guard high > low else { continue }
      let share = Double(use.time) * Double(high - low) / Double(use.end - use.start)
      guard used[index][use.pid] != nil || used[index].count < Self.most else { continue }
      used[index][use.pid, default: (use.name, 0)].time += share
      if !use.name.isEmpty { used[index][use.pid]?.name = use.name }
    }
  }

  /// Of each stretch the processes that used most CPU time, most of it first.
  package var processes: [[RecordingDigest.Process]] {
    used.map { all in
      let sorted = all.filter { $0.value.time > 0 }.sorted {
        ($1.value.time, $0.key) < ($0.value.time, $1.key)
      }
      return sorted.prefix(RecordingDigest.mostProcesses).map { pid, use in
        RecordingDigest.Process(pid: pid, name: use.name, time: use.time)
      }
    }
  }

  /// Only records say of processes.
  package func layout(_ layout: Layout) throws(LBError) {}
  /// Frames have no processes.
  package func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}
  /// Events do not change what was collected.
  package func event(_ event: SampleEvent) throws(LBError) {}
  /// Records are counted as they arrive.
  package func commit(watermark: UInt64) throws(LBError) {}
}
