package import LinuxSystem
package import RunStore
import SampleModel

/// What all components of one run share.
package struct RunContext: Sendable {
  package let runID: String
  package private(set) var specification: RunSpecification
  package let services: RunServices
  package let store: RunWriter?
  package let journal: Journal
  /// The CPUs that this process was allowed at the start; workloads without `cpus` get them.
  package let allowedCPUs: CPUSet
  /// Facts outside the settings that decide what is measured; nil where they are unknown, so that
  /// no earlier measurement can be recognised.
  package let surroundings: CellSurroundings?
  /// Ends the processes that the run has started; the session's own once the run has begun.
  package private(set) var stopping: StopCoordinator

  /// The context of the run `runID`.
  package init(
    runID: String, specification: RunSpecification, services: RunServices, store: RunWriter?,
    journal: Journal, allowedCPUs: CPUSet, surroundings: CellSurroundings? = nil
  ) {
    self.runID = runID
    self.specification = specification
    self.services = services
    self.store = store
    self.journal = journal
    self.allowedCPUs = allowedCPUs
    self.surroundings = surroundings
    stopping = StopCoordinator(clock: services.clock)
  }

  /// A copy for the session of the run.
  func during(_ session: RunSession) -> RunContext {
    var context = self
    context.stopping = session.stopping
    return context
  }

  /// A copy for the same command in another directory.
  func executing(in directory: String) -> RunContext {
    var specification = specification
    specification.directory = directory
    return executing(specification)
  }

  /// A copy for another command.
  package func executing(_ specification: RunSpecification) -> RunContext {
    var context = self
    context.specification = specification
    return context
  }
}

extension AttemptOutcome {
  /// Adds the attempt's identity to its errors.
  mutating func locate(at id: AttemptID) {
    result.error = result.error?.located(at: id)
    fatal = fatal?.located(at: id)
    lostSampling = lostSampling?.located(at: id)
  }
}

extension LBError {
  /// The same error with the identity of an attempt.
  func located(at id: AttemptID) -> LBError {
    located(
      phase: id.phase, repetition: id.repetition, isWarmUp: id.warmUp, attempt: id.attempt)
  }
}
