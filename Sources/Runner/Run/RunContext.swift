package import LinuxSystem
package import RunStore
import SampleModel

/// What every component of one run is handed, instead of long argument lists.
package struct RunContext: Sendable {
  package let runID: String
  package private(set) var specification: RunSpecification
  package let services: RunServices
  package let store: RunWriter?
  package let journal: Journal
  /// CPUs that this process was allowed at the start: what a workload without CPUs of its own gets.
  package let allowedCPUs: CPUSet
  /// What decides about what is measured beside the settings; nil where nobody says so, by which no
  /// measurement can be known again.
  package let surroundings: CellSurroundings?
  /// Who ends what the run has open: its session's, once it is under way.
  package private(set) var stopping: StopCoordinator

  /// The context of one run.
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

  /// The same run while `session` is its state.
  func during(_ session: RunSession) -> RunContext {
    var context = self
    context.stopping = session.stopping
    return context
  }

  /// The same command in another directory.
  func executing(in directory: String) -> RunContext {
    var specification = specification
    specification.directory = directory
    return executing(specification)
  }

  /// The same run at another command.
  package func executing(_ specification: RunSpecification) -> RunContext {
    var context = self
    context.specification = specification
    return context
  }
}

/// Which attempt a component is at.
package struct AttemptPlace: Sendable, Hashable {
  package let phase: String
  package let repetition: Int
  package let warmUp: Bool
  package let attempt: Int

  /// One attempt's place in the run.
  package init(phase: String, repetition: Int, warmUp: Bool, attempt: Int) {
    self.phase = phase
    self.repetition = repetition
    self.warmUp = warmUp
    self.attempt = attempt
  }
}

extension AttemptOutcome {
  /// Says the attempt's place in its errors.
  mutating func locate(at place: AttemptPlace) {
    result.error = result.error?.located(at: place)
    fatal = fatal?.located(at: place)
    lostSampling = lostSampling?.located(at: place)
  }
}

extension LBError {
  /// The same error with the place of an attempt.
  func located(at place: AttemptPlace) -> LBError {
    located(
      phase: place.phase, repetition: place.repetition, isWarmUp: place.warmUp,
      attempt: place.attempt)
  }
}
