package import RunAnalysis
package import SampleModel

/// The digest for programs; docs/reference/digest.md describes every key.
///
/// Every key is always there: what is not known is null, and `reason` says why.
package enum DigestDocument {
  /// A row of a phase.
  package struct Row: Encodable {
    let phase: String
    let key: String
    let group: String
    let name: String
    let formula: String
    let unit: String
    let better: Known<String>
    let n: Int
    let median: Known<Double>
    let interval: Known<[Double]>
    let spread: Known<Double>
    let reason: Known<String>

    init(_ entry: Digest.Entry, _ phase: String) {
      self.phase = phase
      key = entry.row.key
      group = entry.row.group
      name = entry.row.name
      formula = entry.formula
      unit = entry.unit
      better = Known(entry.row.better?.rawValue)
      n = entry.count
      median = Known.finite(entry.median)
      let ends = entry.interval.map { [$0.low, $0.high] }
      interval = Known(ends.flatMap { $0.allSatisfy(\.isFinite) ? $0 : nil })
      spread = Known.finite(entry.spread)
      reason = Known(entry.reason)
    }
  }

  /// The rows of every phase that has repetitions, phase by phase.
  package static func rows(_ result: RunResult, _ definition: DigestDefinition) -> [Row] {
    result.phases.filter { !$0.repetitions.isEmpty }.flatMap { phase in
      Digest(phase, definition).entries.map { Row($0, phase.name) }
    }
  }

  /// A row of a recording.
  package struct RecordingRow: Encodable {
    let key: String
    let group: String
    let name: String
    let formula: String
    let unit: String
    let better: Known<String>
    let n: Int
    let mean: Known<Double>
    let percentile95: Known<Double>
    let maximum: Known<Double>
    let maximumElapsedNanoseconds: Known<UInt64>
    let maximumUnixNanoseconds: Known<UInt64>
    let episodes: Int
    let reason: Known<String>

    init(_ entry: RecordingDigest.Entry) {
      let isThere = entry.count > 0
      key = entry.row.key
      group = entry.row.group
      name = entry.row.name
      formula = entry.formula
      unit = entry.unit
      better = Known(entry.row.better?.rawValue)
      n = entry.count
      mean = Known.finite(isThere ? entry.mean : nil)
      percentile95 = Known.finite(isThere ? entry.percentile95 : nil)
      maximum = Known.finite(isThere ? entry.maximum : nil)
      maximumElapsedNanoseconds = Known(isThere ? entry.maximumElapsed : nil)
      maximumUnixNanoseconds = Known(isThere ? entry.maximumUnix : nil)
      episodes = entry.episodeCount
      reason = Known(isThere ? nil : "no collector of the recording has its metrics")
    }
  }

  /// A busy stretch of a recording.
  package struct Stretch: Encodable {
    struct Part: Encodable {
      let key: String
      let name: String
      let unit: String
      let mean: Known<Double>
      let usual: Known<Double>
    }
    struct Process: Encodable {
      let pid: UInt64
      let name: String
      let cpuNanoseconds: Known<Double>
    }
    let startElapsedNanoseconds: UInt64
    let endElapsedNanoseconds: UInt64
    let rows: [Part]
    let processes: [Process]
  }

  /// A recording's rows.
  package static func rows(_ digest: RecordingDigest) -> [RecordingRow] {
    digest.entries.map { RecordingRow($0) }
  }

  /// A recording's busy stretches, each with its processes.
  package static func stretches(
    _ digest: RecordingDigest, processes: [[RecordingDigest.Process]]
  ) -> [Stretch] {
    digest.stretches.enumerated().map { index, stretch in
      let origin = digest.origin
      return Stretch(
        startElapsedNanoseconds: stretch.start > origin ? stretch.start - origin : 0,
        endElapsedNanoseconds: stretch.end > origin ? stretch.end - origin : 0,
        rows: stretch.parts.map { part in
          let entry = digest.entries[part.row]
          return Stretch.Part(
            key: entry.row.key, name: entry.row.name, unit: entry.unit,
            mean: Known.finite(part.mean),
            usual: Known.finite(entry.median))
        },
        processes: (processes.indices.contains(index) ? processes[index] : []).map {
          Stretch.Process(pid: $0.pid, name: $0.name, cpuNanoseconds: Known.finite($0.time))
        })
    }
  }
}
