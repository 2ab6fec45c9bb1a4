public import Runner
import SampleModel

/// What a phase, a member of one or a whole plan says: the keys of docs/reference/plans.md with
/// their values. The modifiers of `ProcessSettings` and `MeasurementSettings` set them.
public struct PhaseSettings: Sendable, Hashable {
  package var values: [String: PlanValue] = [:]

  /// No settings: each has its default.
  public init() {}

  /// The value of a key as a plan file has it; nil where it is not set.
  public subscript(_ key: String) -> PlanValue? {
    get { values[key] }
    set { values[key] = newValue }
  }

  /// Adds `text` to the list of a key.
  mutating func append(_ text: String, to key: String) {
    var list: [PlanValue] = if case .list(let known)? = values[key] { known } else { [] }
    list.append(.text(text))
    values[key] = .list(list)
  }
}

extension PlanValue {
  /// A length of time as plans have it.
  static func time(_ duration: Duration) -> PlanValue { .text("\(duration.wholeNanoseconds)ns") }

  /// A share as plans have it: `1%` of 0.01.
  static func share(_ share: Double) -> PlanValue {
    .text(share.isFinite ? Share.text(share) : "\(share)")
  }

  /// The words of a command.
  static func words(_ words: [String]) -> PlanValue { .list(words.map { .text($0) }) }

  /// A file, whose name is no word that a plan has for something else.
  static func file(_ path: String, except words: Set<String>) -> PlanValue {
    .text(words.contains(path) ? "./\(path)" : path)
  }
}

/// What has settings of a process: environment, directory, CPUs, input and output.
///
/// Each modifier gives a copy. What is wrong with a value is an error of `run`, which names all
/// mistakes at once.
public protocol ProcessSettings: Sendable {
  /// The settings so far.
  var settings: PhaseSettings { get set }
}

/// Where the standard output of a process goes.
public enum OutputTarget: Sendable, Hashable {
  /// Into the result, up to `RunOptions.outputLimit`.
  case result
  /// To /dev/null.
  case discarded
  /// To the end of this file, which the run empties when it begins.
  case file(String)
}

extension ProcessSettings {
  /// Any key of a plan, also one that has no modifier.
  public func setting(_ key: String, _ value: PlanValue) -> Self {
    var copy = self
    copy.settings[key] = value
    return copy
  }

  /// Variables of the process, in place of those of the same names in `RunOptions.environment`.
  public func environment(_ variables: [String: String]) -> Self {
    var known: [String: PlanValue] = [:]
    if case .table(let values)? = settings["env"] { known = values }
    known.merge(variables.mapValues { .text($0) }) { $1 }
    return setting("env", .table(known))
  }

  /// The working directory.
  public func directory(_ path: String) -> Self { setting("directory", .text(path)) }

  /// The CPUs that the process may use.
  public func cpus(_ cpus: [Int]) -> Self {
    setting("cpus", .text(cpus.map { "\($0)" }.joined(separator: ",")))
  }

  /// The file that it reads; without this it reads /dev/null.
  public func input(_ path: String) -> Self {
    setting("input", .file(path, except: ["inherit"]))
  }

  /// It reads what this program reads.
  public func inheritsInput() -> Self { setting("input", "inherit") }

  /// Where its standard output goes. Standard error is always kept.
  public func output(_ target: OutputTarget) -> Self {
    switch target {
    case .result: setting("workload_output", "keep")
    case .discarded: setting("workload_output", "null")
    case .file(let path): setting("workload_output", .file(path, except: ["keep", "null"]))
    }
  }

  /// The time between SIGTERM and SIGKILL where it has to end; the default of programs is 5 s.
  public func grace(_ time: Duration) -> Self { setting("grace", .time(time)) }
}
