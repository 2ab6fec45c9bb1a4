package import LinuxSystem
package import Logging
package import RunStore
package import SampleModel

/// The run's events: each goes to the log, to the result file and to whoever watches.
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

  /// Records one event; a store that refuses it says so through the run's own writes.
  package func record(
    _ level: Logger.Level, _ kind: String, _ message: String, at place: AttemptPlace? = nil,
    status: RunStatus? = nil, error: LBError? = nil
  ) throws(LBError) {
    var entry = JournalEntry(
      unixNanoseconds: clock.realtime(), level: level.rawValue, kind: kind, message: message,
      run: runID, phase: place?.phase, repetition: place?.repetition, attempt: place?.attempt)
    entry.status = status
    entry.error = error
    var metadata: Logger.Metadata = ["run": "\(runID)"]
    if let place {
      metadata["phase"] = "\(place.phase)"
      metadata["repetition"] = "\(place.repetition)"
      metadata["attempt"] = "\(place.attempt)"
    }
    logger.log(level: level, "\(kind): \(message)", metadata: metadata)
    observer?(entry)
    try store?.journal(entry)
  }
}
