package import LinuxSystem

/// What a simulated process does once its gate is open; times in virtual nanoseconds.
package struct SimulatedBehaviour: Sendable {
  /// How long it runs, nil for ever.
  package var lasts: UInt64? = 0
  /// How it ends then.
  package var exit = ExitStatus(code: 0, signal: nil)
  /// How long after SIGTERM it is dead, nil where it ignores it.
  package var diesAfterTerminate: UInt64? = 0
  /// How it ends then, nil for the signal's own way.
  package var exitAtTerminate: ExitStatus?
  /// How long after SIGTERM those that it has left in its group are dead, nil where they ignore it.
  package var membersDieAfterTerminate: UInt64? = 0
  /// How long after SIGKILL it is dead, nil where it is never.
  package var diesAfterKill: UInt64? = 0
  /// Between two lines that it writes, nil for a silent one.
  package var talksEvery: UInt64?

  /// One that succeeds at once.
  package init() {}
}
