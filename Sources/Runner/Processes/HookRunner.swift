package import SampleModel

/// Commands around a run's repetitions, as hyperfine names them: each is given to /bin/sh.
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

/// Runs the commands of hooks, as the workload's user, in its directory and environment.
package struct HookRunner {
  private static let cleanUpLimit: UInt64 = 60_000_000_000

  private let context: RunContext

  /// Hooks of one run.
  package init(_ context: RunContext) { self.context = context }

  /// Runs the command of `hook`, if there is one; gives why it failed. A stop ends it. `cleanup`
  /// comes behind a stop too, and has a minute, or what one repetition may take if that is more.
  package func run(_ hook: Hook) -> LBError? {
    guard let command = context.specification.hooks[hook] else { return nil }
    var step = AuxiliaryCommand(
      "--\(hook.rawValue)", shell: command, context.specification, cpus: context.allowedCPUs)
    if hook == .cleanup {
      step.atStop = .endsUnlessEarlier
      step.limit = max(Self.cleanUpLimit, context.specification.timeout ?? 0)
    }
    return step.run(context)
  }
}
