import Glibc
import LinuxSystem

/// Starts a process at its gate, with its output drained: workloads, hooks, servers, loads.
enum WorkloadLauncher {
  /// A process of `specification`'s user, environment, directory and input, to execute `path`.
  static func launch(
    _ path: String, _ arguments: [String], _ specification: RunSpecification,
    cpus: CPUSet, drainCPUs: CPUSet?, _ spawner: any WorkloadSpawner, stop: StopFlag,
    clock: TimeSource
  ) throws(SystemError) -> (any Workload, OutputPump) {
    let pipe = try Pipe()
    let input = try openInput(specification.input)
    let end = pipe.writeEnd.number
    var plan = SpawnPlan(
      path: path, arguments: arguments, environment: specification.environment,
      input: input.number, output: end, error: end)
    plan.cpus = cpus
    plan.directory = specification.directory
    plan.user = specification.user
    if specification.input == .inherit, isatty(STDIN_FILENO) == 1 {
      plan.foregroundTerminal = STDIN_FILENO
    }
    let workload: any Workload
    do throws(SpawnFailure) {
      workload = try spawner.spawn(plan)
    } catch {
      throw SystemError("starting it failed while \(error.step)", errno: error.errno)
    }
    let pump = try OutputPump(
      pipe.intoReadEnd(), limit: specification.outputLimit, passThrough: specification.showOutput,
      cpus: drainCPUs, stop: stop, clock: clock)
    return (workload, pump)
  }

  private static func openInput(_ input: WorkloadInput) throws(SystemError) -> OwnedDescriptor {
    switch input {
    case .null: return try OwnedDescriptor(open: "/dev/null", O_RDONLY)
    case .file(let path): return try OwnedDescriptor(open: path, O_RDONLY)
    case .inherit:
      let copy = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
      guard copy >= 0 else { throw SystemError("dup of standard input", errno: errno) }
      return OwnedDescriptor(owning: copy)
    }
  }

  /// Ends a process group that has to go: SIGTERM, SIGKILL after `grace` or at a second stop
  /// request. Returns once its first process is dead, or 5 s after SIGKILL.
  static func terminate(_ workload: any Workload, grace: UInt64, _ services: RunServices) {
    workload.signalGroup(SIGTERM)
    let clock = services.clock
    let ready = clock.wait(
      readable: [workload.exitPollDescriptor, services.kill.pollDescriptor],
      until: clock.deadline(in: grace))
    if ready.contains(0) { return }
    workload.signalGroup(SIGKILL)
    _ = clock.wait(
      readable: [workload.exitPollDescriptor], until: clock.deadline(in: StopCoordinator.limit))
  }
}
