package import LinuxSystem
package import SampleModel

/// The settings of a run, or of a command of it; fixed before the run starts.
package struct RunSpecification: Sendable {
  package var name: String
  package var command: [String]
  package var repetitions = 1
  package var warmUps = 0
  /// Nanoseconds between two repetitions.
  package var cooldown: UInt64 = 0
  /// Nanoseconds after which an attempt is ended; nil: no limit.
  package var timeout: UInt64?
  /// Nanoseconds without output and without CPU time after which an attempt is ended; nil: no
  /// limit.
  package var idleTimeout: UInt64?
  /// Nanoseconds between the preparation of an attempt and its bracket.
  package var settle: UInt64 = 0
  /// Most nanoseconds to wait before each repetition until at most `quietShare` of the CPUs' time
  /// is busy; 0: no wait.
  package var quietLimit: UInt64 = 0
  package var quietShare = 0.05
  /// Nanoseconds between SIGTERM and SIGKILL.
  package var grace: UInt64 = 30_000_000_000
  package var workloadCPUs: CPUSet?
  /// The workload's whole environment, `NAME=value`.
  package var environment: [String] = []
  package var directory: String?
  package var input = WorkloadInput.null
  /// The destination of its standard output; its standard error is always kept.
  package var output = WorkloadOutput.keep
  package var user: UserIdentity?
  package var ignoredFailures = IgnoredFailures.none
  package var labels: [String: String] = [:]
  /// Most bytes of the output of each attempt that are kept.
  package var outputLimit = 1 << 20
  package var showOutput = false
  /// Commands before and after the repetitions.
  package var hooks: [Hook: String] = [:]
  /// Metrics that are read from the output of each attempt.
  package var metrics: [WorkloadMetric] = []
  /// Whether an output without one of them fails the repetition.
  package var requiresMetrics = true
  /// When a repetition gets another attempt.
  package var attempts = AttemptPolicy()
  /// The limits of the host before the run.
  package var host = HostLimits()
  /// The limits of the gates of each attempt.
  package var gates = GateLimits()
  /// Gates and a retry policy of the calling program.
  package var customGates: [any RepetitionGate] = []
  package var retryPolicy: (any RetryPolicy)?
  /// Repetitions are added until this precision is reached, up to `maximumRepetitions`.
  package var until: Precision?
  package var maximumRepetitions = 100
  /// Nanoseconds to wait for a person's approval to continue after a phase failed that later phases
  /// may need; nil: the run ends without asking.
  package var askLimit: UInt64?
  /// A working directory that is made for each attempt; nil: all use `directory`.
  package var workspace: WorkspacePlan?
  /// Which workspaces are kept.
  package var keep = WorkspacePlan.Keep.failure
  /// Most bytes of a workspace or a checkpoint that is kept; a larger workspace is removed with a
  /// warning.
  package var keepLimit: UInt64 = 1 << 30
  /// The limits of the whole run.
  package var quota = QuotaLimits()
  /// Settings of the host that are changed for the run.
  package var hostChanges: [HostChange] = []
  /// Whether descendants that outlive the process group are adopted, killed and reaped. Only in a
  /// process that has no other children: it would take those for the workload's.
  package var adoptsOrphans = true
  package var configuration: [ConfigurationEntry] = []
  /// Files that the workload reads, whose contents are recorded by their hashes.
  package var inputs: [String] = []
  /// How old, in nanoseconds, an earlier measurement of the same may be that is taken instead of
  /// another one; nil to measure in any case.
  package var reuse: UInt64?
  /// Whether the value of a variable of this name is not to be written, not even as a hash.
  package var isMasked: @Sendable (String) -> Bool = { _ in true }

  /// `name` as runs may be called, whose ids are names of files: letters and digits of ASCII, `.`,
  /// `_`, `+` and `-`, at most 64 of them, and neither `.` nor `-` in front.
  package static func plainName(_ name: String) -> String {
    let plain = name.map { character in
      character.isASCII && (character.isLetter || character.isNumber || "._+".contains(character))
        ? character : "-"
    }
    let start = plain.firstIndex { $0 != "-" && $0 != "." } ?? plain.endIndex
    let clean = String(plain[start...].prefix(64))
    return clean.isEmpty ? "run" : clean
  }

  /// A single repetition of `command`.
  package init(name: String, command: [String]) {
    self.name = name
    self.command = command
  }
}

/// How old an earlier measurement may be that is taken instead of another one.
package enum ReuseAge {
  /// Nanoseconds of `any`, of `never` (nil), or of a duration above 0 such as `24h`; nil outside
  /// for any other text.
  package static func read(_ text: String) -> UInt64?? {
    switch text {
    case "any": .some(.max)
    case "never": .some(nil)
    default: Durations.parse(text).flatMap { $0 > 0 ? .some($0) : nil }
    }
  }

  /// As it is written.
  package static func text(_ age: UInt64) -> String {
    age == .max ? "any" : Durations.text(age)
  }

  /// For people, as `3 h`: in the largest unit, without a fraction.
  package static func brief(_ age: UInt64) -> String {
    let seconds = age / 1_000_000_000
    switch seconds {
    case ..<120: return "\(seconds) s"
    case ..<7200: return "\(seconds / 60) min"
    case ..<172_800: return "\(seconds / 3600) h"
    default: return "\(seconds / 86400) days"
    }
  }

  /// What is expected, in words.
  package static let expectation = "a duration above 0 such as 24h, any, or never"
}

/// The standard input of the workload.
package enum WorkloadInput: Sendable, Hashable {
  case null
  case inherit
  case file(String)
}

/// The destination of the workload's standard output.
package enum WorkloadOutput: Sendable, Hashable {
  /// The result, up to a limit.
  case keep
  /// /dev/null.
  case null
  /// The end of this file, which the run truncates when it begins.
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

  /// Reads `all`, or exit codes such as `1,2`; 128 + n means signal n, as in a shell.
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

  /// Whether this exit status is a success.
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
