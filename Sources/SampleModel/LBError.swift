/// What kind of failure an `LBSampleError` is; decides the exit code of the command.
public enum ErrorCategory: String, Sendable, Codable, CaseIterable {
  /// What was asked for is not possible as it stands; nothing was started.
  case configuration
  /// A required collector cannot be had on this host.
  case collectorUnavailable
  /// Sampling failed.
  case metricCollection
  /// The workload, a server or a hook failed.
  case workload
  /// A number could not be read from the workload's output.
  case outputParse
  /// The result file could not be written or read.
  case resultPersistence
  /// Another host failed.
  case remoteExecution
  /// A gate, or who was asked, ended the run.
  case gate
  /// The run reached a quota.
  case quota
  /// A signal or a program stopped the run.
  case stopRequested
  /// A fault of lbsample itself, or of the system below it.
  case `internal`

  /// The command's exit code when an error of this category comes first.
  public var exitCode: Int32 {
    switch self {
    case .internal: 1
    case .configuration: 2
    case .collectorUnavailable, .metricCollection: 3
    case .workload, .outputParse, .remoteExecution: 4
    case .resultPersistence: 5
    case .gate, .quota: 6
    case .stopRequested: 130
    }
  }
}

/// Where and in what an error happened.
public struct ErrorContext: Sendable, Hashable, Codable {
  /// The collector concerned.
  public var collector: String?
  /// The phase it belongs to.
  public var phase: String?
  /// The repetition, from 1.
  public var repetition: Int?
  /// The attempt, from 1.
  public var attempt: Int?
  /// True where the repetition is a warm-up, which are numbered apart; else nil.
  public var isWarmUp: Bool?
  /// The file concerned.
  public var path: String?
  /// The kernel's error number.
  public var errno: Int32?
  /// The command and its arguments.
  public var command: [String]?
  /// The exit code, nil when there is none.
  public var exitCode: Int32?
  /// The signal that ended it, nil when there is none.
  public var signal: Int32?

  /// A context that names nothing yet, or just a file and an errno.
  public init(collector: String? = nil, path: String? = nil, errno: Int32? = nil) {
    self.collector = collector
    self.path = path
    self.errno = errno
  }
}

/// The name of the error type within the package.
package typealias LBError = LBSampleError

/// The one error type: what failed, where, and what to do.
///
/// Its category is what a program decides by, and a pattern of `catch` where no other error is
/// thrown:
///
/// ```swift
/// do throws(LBSampleError) {
///   let result = try await Benchmark("sort", "big.txt").run()
/// } catch .configuration {
///   // what was asked for is not possible
/// } catch {
///   print(error.category, error.message)
/// }
/// ```
/// Elsewhere it is `catch let error as LBSampleError where error.category == .configuration`.
public struct LBSampleError: Error, Sendable, Hashable, Codable {
  /// What kind of failure it is.
  public var category: ErrorCategory
  /// What, where, and what to do about it: one line, or as many as there are problems (`listing`).
  public var message: String
  /// Where it happened.
  public var context: ErrorContext
  /// The chain of causes, nearest first.
  public var causes: [String]
  /// File and line that raised an `internal` error.
  public var origin: String?

  /// An error; `internal` ones carry the location that raised them. A line feed in `message` or
  /// `causes`, which some name contains, becomes `\n`.
  public init(
    _ category: ErrorCategory, _ message: String, context: ErrorContext = ErrorContext(),
    causes: [String] = [], file: StaticString = #fileID, line: UInt = #line
  ) {
    self.category = category
    self.message = Self.inLine(message)
    self.context = context
    self.causes = causes.map(Self.inLine)
    origin = category == .internal ? "\(file):\(line)" : nil
  }

  /// One error of several problems, each a line of its message.
  package static func listing(
    _ category: ErrorCategory, _ problems: [String], context: ErrorContext = ErrorContext()
  ) -> LBError {
    var error = LBError(category, "", context: context)
    error.message = problems.map(inLine).joined(separator: "\n")
    return error
  }

  private static func inLine(_ text: String) -> String {
    text.has("\n") ? text.parts("\n", keepEmpty: true).joined(separator: "\\n") : text
  }

  /// The error with its location in the run, unless it has one: equal messages in two phases are
  /// two errors.
  package func located(
    phase: String?, repetition: Int? = nil, isWarmUp: Bool = false, attempt: Int? = nil
  ) -> LBError {
    guard let phase, !phase.isEmpty, context.phase == nil || context.phase == phase else {
      return self
    }
    var error = self
    error.context.phase = phase
    guard context.repetition == nil, let repetition else { return error }
    error.context.repetition = repetition
    error.context.isWarmUp = isWarmUp ? true : nil
    error.context.attempt = attempt
    return error
  }

  /// The exit code, which differs for SIGTERM and SIGINT.
  public var exitCode: Int32 {
    if category == .stopRequested, let signal = context.signal { return 128 + signal }
    return category.exitCode
  }
}

extension ErrorCategory {
  /// Whether `error` is of this category: `catch .configuration` where the error's type is known.
  public static func ~= (category: ErrorCategory, error: LBSampleError) -> Bool {
    error.category == category
  }
}

extension LBError: CustomStringConvertible {
  /// The message, then each cause after a colon.
  public var description: String {
    let location = origin.map { " (\($0))" } ?? ""
    return ([message + location] + causes).joined(separator: ": ")
  }
}
