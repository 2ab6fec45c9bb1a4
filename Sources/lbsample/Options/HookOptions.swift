import ArgumentParser
import Runner

/// Shell commands before and after repetitions, with the names that hyperfine uses.
struct HookOptions: ParsableArguments {
  @Option("workload.setup") var setup: Given?
  @Option("workload.prepare") var prepare: Given?
  @Option("workload.conclude") var conclude: Given?
  @Option("workload.cleanup") var cleanup: Given?
}
