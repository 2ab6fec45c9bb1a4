package import LinuxSystem
package import Logging
package import RunStore
package import SampleModel

/// Records the events of a run: in the log, in the result file, and to an observer.
package struct Journal: Sendable {
  private let runID: String
  private let clock: TimeSource
  private let logger: Logger
  private let store: RunWriter?
  private let observer: (@Sendable (JournalEntry) -> Void)?

  /// A journal of run `runID`.
  package init(
    runID: String, clock: TimeSource, logger: Logger, store: RunWriter?,
    observer: (@Sendable (JournalEntry) -> Void)? = nil
  ) {
    self.runID = runID
    self.clock = clock
    self.logger = logger
    self.store = store
    self.observer = observer
  }

  /// Records one event, with its attempt if it is about one. Throws `resultPersistence` where the
  /// result file cannot be written.
  package func record(
    _ level: Logger.Level, _ kind: String, _ message: String, at id: AttemptID? = nil,
    status: RunStatus? = nil, error: LBError? = nil
  ) throws(LBError) {
    var entry = JournalEntry(
      unixNanoseconds: clock.realtime(), level: level.rawValue, kind: kind, message: message,
      run: runID, phase: id?.phase, repetition: id?.repetition, attempt: id?.attempt)
    entry.status = status
    entry.error = error
    var metadata: Logger.Metadata = ["run": "\(runID)"]
    if let id {
      metadata["phase"] = "\(id.phase)"
      metadata["repetition"] = "\(id.repetition)"
      metadata["attempt"] = "\(id.attempt)"
    }
    logger.log(level: level, "\(kind): \(message)", metadata: metadata)
    observer?(entry)
    try store?.journal(entry)
  }
}
