package import LinuxSystem
package import Logging
package import RunStore
package import SampleModel
package import Sampler

/// The collectors of a run, before they are armed.
package struct RunSampling {
  package var configuration: SamplerConfiguration
  package var requests: [CollectorRequest]
  /// The workload, whose tree and events are sampled.
  package var workload: WorkloadTarget
  /// What of the plan is not measured, in words.
  package var notices: [String] = []
  /// What is fed beside the result file.
  package var sinks: [any SampleSink] = []

  /// Sampling by these requests.
  package init(
    _ configuration: SamplerConfiguration, _ requests: [CollectorRequest],
    workload: WorkloadTarget
  ) {
    self.configuration = configuration
    self.requests = requests
    self.workload = workload
  }
}

/// Who watches a run while it is under way.
package struct RunObservers {
  package var logger: Logger
  /// Receives every event.
  package var journal: @Sendable (JournalEntry) -> Void = { _ in }
  /// Receives what is happening, for a progress line.
  package var progress: (RunProgress) -> Void = { _ in }
  /// Called once everything is armed, before anything is started. An error ends the run as a failed
  /// arming does.
  package var armed: (StreamMeta?) throws(LBError) -> Void = { _ throws(LBError) in }

  /// No observer but `logger`.
  package init(logger: Logger) { self.logger = logger }
}

/// A run with everything that it needs, put together in one place for the command and the library:
/// file, collectors, journal, controller and state.
///
/// Making it arms the collectors. Where that fails, a new file is removed and that of a resumed run
/// is left as it was.
package struct RunAssembly {
  private let record: RunRecord
  private let collectors: CollectorSet
  private let controller: RunController
  private let session: RunSession

  /// Arms what `sampling` asks for, and prepares the run of `configured` that is kept in `record`.
  /// `notices` are events of its start, each a kind and a message; `decisions` are those of earlier
  /// sessions. Phases that a run in `stored` measured with the same settings, files and
  /// `surroundings` are not measured again where their settings ask for it. Throws
  /// `collectorUnavailable`, `configuration`, `metricCollection`, `resultPersistence`, or
  /// `stopRequested` where a stop came first.
  package init(
    _ record: RunRecord, _ configured: SessionConfiguration, _ services: RunServices,
    _ sampling: RunSampling, _ observers: RunObservers,
    notices: [(kind: String, message: String)] = [],
    decisions: ResumeDecisions = ResumeDecisions(), allowed: CPUSet = .allowed(),
    surroundings: CellSurroundings? = nil, stored: StoredCells? = nil
  ) throws(LBError) {
    let store = record.writer.map {
      StoreSink($0, resuming: record.resumePoint, now: Clock.monotonic)
    }
    let collectors = CollectorSet(
      sampling.configuration, requests: sampling.requests, workload: sampling.workload,
      notices: sampling.notices, sinks: (store.map { [$0] } ?? []) + sampling.sinks,
      logger: observers.logger)
    var begun = record
    do throws(LBError) {
      // Known before anything is armed, unless what is executed first may make the file.
      if record.resumePoint.phases.isEmpty, configured.specification.hooks[.setup] == nil,
        let mistake = configured.plan.firstMistakeInInputs(
          in: surroundings?.directory ?? Directories.current)
      {
        throw mistake
      }
      try collectors.arm()
      try observers.armed(collectors.meta)
      let cpus = configured.specification.workloadCPUs ?? allowed
      if let offset = StartOffset.measure(
        services.spawner, on: cpus, from: collectors.bracketCPU, clock: services.clock)
      {
        begun.result.labels.merge(offset.labels) { $1 }
        try record.writer?.setLabels(offset.labels)
      }
    } catch {
      collectors.disarm()
      record.abandon()
      throw error
    }
    let runID = record.result.runID
    let journal = Journal(
      runID: runID, clock: services.clock, logger: observers.logger, store: record.writer,
      observer: observers.journal)
    let context = RunContext(
      runID: runID, specification: configured.specification, services: services,
      store: record.writer, journal: journal, allowedCPUs: allowed, surroundings: surroundings)
    controller = RunController(
      context, plan: configured.plan, executor: RepetitionExecutor(), collectors: collectors,
      stored: stored, progress: observers.progress)
    session = RunSession(
      result: begun.result, store: record.writer, resuming: record.resumePoint,
      clock: services.clock)
    session.startNotices = notices
    session.addPlanMistakes(configured.planMistakes)
    session.decisions = decisions
    self.record = record
    self.collectors = collectors
  }

  /// Executes the run. What fails stands in the result; `close` is called in any case.
  package func run() -> RunResult { controller.run(session) }

  /// Disarms the collectors and ends the file. What was measured stays in `result` even where that
  /// fails; gives what the user should know of the file.
  package func close(_ result: inout RunResult) -> String? {
    collectors.disarm()
    do throws(LBError) {
      return try record.writer?.finish(result)
    } catch {
      record.writer?.close()
      result.errors.append(error)
      if result.errors.count == 1 { result.status = .failed }
      return nil
    }
  }
}
