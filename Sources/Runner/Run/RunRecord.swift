package import LinuxSystem
package import RunStore
package import SampleModel

/// What a run is kept in: a new file, that of a run which is resumed, or memory alone; with the
/// result as it stands before the run.
package struct RunRecord {
  /// nil where nothing is written.
  package let writer: RunWriter?
  /// What earlier sessions left in the file.
  package let resumePoint: ResumePoint
  package var result: RunResult
  /// What was between the session before and this one, in words; nil of a new run.
  package let interruption: String?
  private let isNew: Bool

  /// A new run, in a new file where `path` is given. `version` says which program writes it.
  /// Throws `resultPersistence` or `configuration` where the file cannot be made.
  package init(
    _ path: String?, _ runID: String, _ specification: RunSpecification, _ plan: PhaseNode,
    version: String, interval: UInt64, now: UInt64, _ roots: MountRoots
  ) throws(LBError) {
    let host = HostFacts.read(roots)
    writer = try path.map { path throws(LBError) in
      try RunWriter(
        path: path,
        identity: RunWriter.Identity(
          runID: runID, name: specification.name, kind: "run", version: version,
          interval: interval, startUnixNanoseconds: now,
          repetitions: plan.planned?.repetitions, warmUps: plan.planned?.warmUps),
        host: host, configuration: specification.configuration, labels: specification.labels)
    }
    resumePoint = ResumePoint()
    interruption = nil
    result = RunResult(
      runID: runID, name: specification.name, kind: "run", startUnixNanoseconds: now)
    result.configuration = specification.configuration
    result.labels = specification.labels
    result.file = path
    for fact in host { result.host[fact.name] = fact.value }
    isNew = true
  }

  /// The record of a run that is resumed: its file, open again, and its result until now.
  package init(
    resumed writer: RunWriter, _ result: RunResult, interruption: String
  ) throws(LBError) {
    self.writer = writer
    self.result = result
    self.interruption = interruption
    resumePoint = try writer.resumePoint()
    isNew = false
  }

  /// Leaves the file as it was, or removes a new one in which nothing was recorded.
  package func abandon() {
    guard let writer else { return }
    guard isNew else {
      do throws(LBError) { try writer.setRunStatus(.interrupted) } catch {
        // A reader finds its writer gone, and says interrupted too.
      }
      writer.close()
      return
    }
    writer.discard()
  }
}
