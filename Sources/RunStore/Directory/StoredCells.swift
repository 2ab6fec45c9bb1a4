package import SampleModel

/// Looks in a directory of runs for phases that were measured under given keys (`--reuse`).
///
/// Only the caller's own files are believed, only phases of which each counted repetition was
/// completed without being disturbed, and only what was measured within `age`. A cell that cannot
/// be read is not found. The keys of the newest `mostRuns` runs are read once, when they are first
/// asked for.
package final class StoredCells {
  /// The number of runs that are read, the newest ones.
  package static let mostRuns = 500

  /// What was found: of each key that was asked for its phase, all of one run.
  package struct Found: Sendable {
    /// The run that has them.
    package let run: String
    /// When the first of their attempts began, in nanoseconds since 1970.
    package let start: UInt64
    package let phases: [PhaseResult]
  }

  private struct Run {
    let path: String
    /// Names of phases by their keys.
    let phases: [String: String]
  }

  private let directory: RunDirectory
  /// The run that asks: its own phases are no earlier measurements.
  private let own: String
  private var runs: [Run]?
  /// Why the newest run with the keys of the last search was not taken; nil if no run has them.
  package private(set) var refusal: String?
  /// What could not be read, in words.
  package private(set) var problems: [String] = []

  /// The cells in a directory, but for those of the run `own`.
  package init(in directory: RunDirectory, except own: String) {
    self.directory = directory
    self.own = own
  }

  /// The newest run that has a phase of each of these keys, measured at most `age` nanoseconds
  /// before `now` (nanoseconds since 1970). nil where none has.
  package func find(_ keys: [String], age: UInt64, now: UInt64) -> Found? {
    refusal = nil
    guard !keys.isEmpty, Set(keys).count == keys.count else { return nil }
    for run in known() {
      let names = keys.compactMap { run.phases[$0] }
      guard names.count == keys.count else { continue }
      if let found = noting({ () throws(LBError) in try read(run, names, age, now) }) ?? nil {
        return found
      }
    }
    return nil
  }

  private func read(
    _ run: Run, _ names: [String], _ age: UInt64, _ now: UInt64
  ) throws(LBError) -> Found? {
    let reader = try RunReader(path: run.path)
    defer { reader.close() }
    guard reader.damage == nil else { return nil }
    let result = try reader.result()
    var phases: [PhaseResult] = []
    var first = UInt64.max
    for name in names {
      guard let phase = result.phases.first(where: { $0.name == name }) else { return nil }
      guard let start = Self.start(ofHit: phase) else {
        let isDisturbed = phase.repetitions.flatMap(\.attempts).contains {
          !$0.contamination.isEmpty
        }
        let reason = isDisturbed ? "are contaminated" : "did not all complete"
        refusal = refusal ?? "the repetitions of \(result.runID) \(reason)"
        return nil
      }
      guard start <= now, now - start <= age else {
        refusal = refusal ?? "\(result.runID) is older than --reuse accepts"
        return nil
      }
      first = min(first, start)
      phases.append(phase)
    }
    return Found(run: result.runID, start: first, phases: phases)
  }

  /// When the first attempt of a phase began that may be taken; nil of any other phase.
  package static func start(ofHit phase: PhaseResult) -> UInt64? {
    let counted = phase.repetitions.filter { !$0.warmUp }
    let attempts = counted.flatMap(\.attempts)
    guard phase.status == .completed, phase.replacedBy == nil, phase.provenance?.key != nil,
      !phase.metrics.isEmpty, !counted.isEmpty,
      counted.allSatisfy({ $0.status == .completed && $0.standing?.status == .completed }),
      attempts.allSatisfy(\.contamination.isEmpty)
    else { return nil }
    return attempts.map(\.startUnixNanoseconds).min().flatMap { $0 > 0 ? $0 : nil }
  }

  /// The newest runs that have keys.
  private func known() -> [Run] {
    if let runs { return runs }
    var found: [Run] = []
    let files = noting { () throws(LBError) in try directory.files() } ?? []
    for file in files.prefix(Self.mostRuns)
    where RunDirectory.id(ofFile: file) != own && RunDirectory.isOwnAlone(file) {
      let cells = noting { () throws(LBError) -> [(key: String, phase: String)] in
        let reader = try RunReader(path: file)
        defer { reader.close() }
        return try reader.cells()
      }
      guard let cells, !cells.isEmpty else { continue }
      found.append(
        Run(
          path: file,
          phases: Dictionary(cells.map { ($0.key, $0.phase) }, uniquingKeysWith: { $1 })))
    }
    runs = found
    return found
  }

  /// What `body` gives; nil, noted, where it fails.
  private func noting<Value>(_ body: () throws(LBError) -> Value) -> Value? {
    do throws(LBError) {
      return try body()
    } catch {
      problems.append("\(error)")
      return nil
    }
  }
}
