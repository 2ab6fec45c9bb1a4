package import LinuxSystem
package import SampleModel

/// What a run is asked to do: values only, fixed before it starts.
package struct RunSpecification: Sendable {
  package var name: String
  package var command: [String]
  package var repetitions = 1
  package var warmUps = 0
  /// Nanoseconds between two repetitions.
  package var cooldown: UInt64 = 0
  /// Nanoseconds that one attempt may take, nil for no limit.
  package var timeout: UInt64?
  /// Nanoseconds without output and without CPU time after which it is ended, nil for no limit.
  package var idleTimeout: UInt64?
  /// Nanoseconds between what prepares an attempt and its bracket.
  package var settle: UInt64 = 0
  /// Nanoseconds that are waited, before each repetition, until at most `quietShare` of the CPUs'
  /// time is busy; 0 to go on at once.
  package var quietLimit: UInt64 = 0
  package var quietShare = 0.05
  /// Nanoseconds between SIGTERM and SIGKILL.
  package var grace: UInt64 = 30_000_000_000
  package var workloadCPUs: CPUSet?
  /// The workload's whole environment, `NAME=value`.
  package var environment: [String] = []
  package var directory: String?
  package var input = WorkloadInput.null
  /// Where its standard output goes; its standard error is always kept.
  package var output = WorkloadOutput.keep
  package var user: UserIdentity?
  package var ignoredFailures = IgnoredFailures.none
  package var labels: [String: String] = [:]
  /// Bytes of the workload's output that are kept of each attempt.
  package var outputLimit = 1 << 20
  package var showOutput = false
  /// Commands around the repetitions.
  package var hooks: [Hook: String] = [:]
  /// Numbers that are read from the output of each attempt.
  package var metrics: [WorkloadMetric] = []
  /// Whether an output without one of them fails the repetition.
  package var requiresMetrics = true
  /// What of it is tried again.
  package var attempts = AttemptPolicy()
  /// What is looked at of the host before anything is begun.
  package var host = HostLimits()
  /// What a repetition has to keep to.
  package var gates = GateLimits()
  /// Gates and a policy of the program's own.
  package var ownGates: [any RepetitionGate] = []
  package var retryPolicy: (any RetryPolicy)?
  /// Repetitions are added until this is reached, up to `maximumRepetitions`.
  package var until: Precision?
  package var maximumRepetitions = 100
  /// Nanoseconds that a person has to say whether the run goes on behind a phase that failed and
  /// that others may lean on; nil to end it unasked.
  package var askLimit: UInt64?
  /// A directory of its own for each attempt, nil to use `directory`.
  package var workspace: WorkspacePlan?
  /// Which of these are kept.
  package var keep = WorkspacePlan.Keep.failure
  /// Bytes of one above which it is not kept, said.
  package var keepLimit: UInt64 = 1 << 30
  /// What the whole run may use.
  package var quota = QuotaLimits()
  /// Settings of the host that are changed for the run.
  package var hostChanges: [HostChange] = []
  /// Whether descendants that outlive the process group are adopted, killed and reaped. For a
  /// process of our own only: it would take another program's children for the workload's.
  package var adoptsOrphans = true
  package var configuration: [ConfigurationEntry] = []
  /// Files that the workload reads, whose contents are recorded by their hashes.
  package var inputs: [String] = []
  /// How old, in nanoseconds, an earlier measurement of the same may be that is taken instead of
  /// another one; nil to measure in any case.
  package var reuse: UInt64?
  /// Whether the value of a variable of this name is not to be written, not even as a hash.
  package var isMasked: @Sendable (String) -> Bool = { _ in true }

  /// A single repetition of `command`.
  package init(name: String, command: [String]) {
    self.name = name
    self.command = command
  }
}

/// How old an earlier measurement may be that is taken instead of another one.
package enum ReuseAge {
  /// Nanoseconds of `any`, of `never` (nil), or of a duration such as `24h`; nil outside for any
  /// other text.
  package static func read(_ text: String) -> UInt64?? {
    switch text {
    case "any": .some(.max)
    case "never": .some(nil)
    default: Durations.parse(text).map { .some($0) }
    }
  }

  /// As it is written.
  package static func text(_ age: UInt64) -> String {
    age == .max ? "any" : Durations.text(age)
  }

  /// For people's eyes, as `3 h`: what is left of the largest unit is not told.
  package static func told(_ age: UInt64) -> String {
    let seconds = age / 1_000_000_000
    switch seconds {
    case ..<120: return "\(seconds) s"
    case ..<7200: return "\(seconds / 60) min"
    case ..<172_800: return "\(seconds / 3600) h"
    default: return "\(seconds / 86400) days"
    }
  }

  /// What is expected, in words.
  package static let expectation = "a duration such as 24h, any, or never"
}

/// What the workload reads.
package enum WorkloadInput: Sendable, Hashable {
  case null
  case inherit
  case file(String)
}

/// Where the workload's standard output goes.
package enum WorkloadOutput: Sendable, Hashable {
  /// Into the result, up to a limit.
  case keep
  /// Nowhere: the workload writes to /dev/null.
  case null
  /// To the end of this file, which the run empties when it begins.
  case file(String)

  /// Reads `keep`, `null` or a path; nil for an empty one.
  package init?(_ text: String) {
    switch text {
    case "": return nil
    case "keep": self = .keep
    case "null": self = .null
    default: self = .file(text)
    }
  }
}

/// Which ends of the workload, other than exit code 0, count as success.
package enum IgnoredFailures: Sendable, Hashable {
  case none
  case all
  case codes(Set<Int32>)

  /// Reads `all`, or exit codes such as `1,2`; 128 and its number for a signal, as a shell has it.
  package init?(_ text: String) {
    if text == "all" {
      self = .all
      return
    }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let codes = parts.compactMap { Int32($0) }.filter { (0...255).contains($0) }
    guard codes.count == parts.count else { return nil }
    self = .codes(Set(codes))
  }

  /// Whether an end by this status is a success.
  package func accepts(_ status: ExitStatus) -> Bool {
    if status.code == 0 { return true }
    switch self {
    case .none: return false
    case .all: return true
    case .codes(let codes):
      guard let code = status.code ?? status.signal.map({ 128 + $0 }) else { return false }
      return codes.contains(code)
    }
  }
}
