package import SampleModel

/// Shell commands before and after repetitions, with the names that hyperfine uses.
package enum Hook: String, Sendable, CaseIterable {
  /// Once before everything.
  case setup
  /// Before each repetition, outside its bracket.
  case prepare
  /// After each repetition, outside its bracket.
  case conclude
  /// Once after everything, whatever happened.
  case cleanup
}

/// Runs hooks as the workload's user, in its directory and environment.
package struct HookRunner {
  private static let cleanUpLimit: UInt64 = 60_000_000_000

  private let context: RunContext

  /// The hooks of a run.
  package init(_ context: RunContext) { self.context = context }

  /// Runs the command of `hook`, if there is one. Returns why it failed, or nil. A stop request
  /// ends it. `cleanup` runs after a stop request too; its limit is a minute, or the timeout of a
  /// repetition if that is longer.
  package func run(_ hook: Hook) -> LBError? {
    guard let command = context.specification.hooks[hook] else { return nil }
    var step = AuxiliaryCommand(
      "--\(hook.rawValue)", shell: command, context.specification, cpus: context.allowedCPUs)
    if hook == .cleanup {
      step.stopBehavior = .ignoreIfAlreadyStopping
      step.limit = max(Self.cleanUpLimit, context.specification.timeout ?? 0)
    }
    return step.run(context)
  }
}
