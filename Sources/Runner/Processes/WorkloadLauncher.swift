import Glibc
import LinuxSystem
import SampleModel

/// Starts a process at its gate, with its output drained: workloads, hooks, servers, loads.
enum WorkloadLauncher {
  /// A process of `specification`'s user, environment, directory and input, to execute `path`: what
  /// is measured, to which the terminal may be lent, or what stands beside that.
  static func launch(
    _ path: String, _ arguments: [String], _ specification: RunSpecification,
    cpus: CPUSet, drainCPUs: CPUSet?, _ spawner: any WorkloadSpawner, stop: StopFlag,
    clock: TimeSource, isBeside: Bool = false, hasTerminal: Bool = false
  ) throws(SystemError) -> (any Workload, OutputPump) {
    let pipe = try Pipe()
    let input = try openInput(specification.input)
    let end = pipe.writeEnd.number
    let output = try openOutput(specification.output, pipe: end)
    var plan = SpawnPlan(
      path: path, arguments: arguments, environment: specification.environment,
      input: input.number, output: output.number, error: end)
    plan.cpus = cpus
    plan.directory = specification.directory
    plan.user = specification.user
    plan.isBeside = isBeside
    if hasTerminal { plan.foregroundTerminal = STDIN_FILENO }
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

  /// Where it is kept, the pipe that standard error has too.
  private static func openOutput(
    _ output: WorkloadOutput, pipe: Int32
  ) throws(SystemError) -> OwnedDescriptor {
    switch output {
    case .keep: return try duplicate(pipe)
    case .null: return try OwnedDescriptor(open: "/dev/null", O_WRONLY)
    case .file(let path): return try openFile(path)
    }
  }

  private static func duplicate(_ number: Int32) throws(SystemError) -> OwnedDescriptor {
    let copy = fcntl(number, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw SystemError("dup of descriptor \(number)", errno: errno) }
    return OwnedDescriptor(owning: copy)
  }

  /// Opens the file of an output, and with `O_TRUNC` empties it.
  static func openFile(_ path: String, _ flags: Int32 = 0) throws(SystemError) -> OwnedDescriptor {
    try OwnedDescriptor(toWrite: path, O_APPEND | flags, mode: 0o666)
  }

  private static func openInput(_ input: WorkloadInput) throws(SystemError) -> OwnedDescriptor {
    switch input {
    case .null: return try OwnedDescriptor(open: "/dev/null", O_RDONLY)
    case .file(let path): return try OwnedDescriptor(toRead: path)
    case .inherit: return try duplicate(STDIN_FILENO)
    }
  }

  /// Ends a process group that has to go: SIGTERM, SIGKILL after `grace` or at a second stop
  /// request. Returns once all of it is dead, or 5 s after SIGKILL.
  static func terminate(_ workload: any Workload, grace: UInt64, _ services: RunServices) {
    workload.signalGroup(SIGTERM)
    let clock = services.clock
    let deadline = clock.deadline(in: grace)
    let kill = services.kill.pollDescriptor
    var ready = clock.wait(readable: [workload.exitPollDescriptor, kill], until: deadline)
    // Its first process may be gone long before those that it started: a shell, of its server.
    var pause: UInt64 = 1_000_000
    while ready == [0] {
      guard workload.isGroupAlive else { return }
      guard clock.monotonic() < deadline else { break }
      let next = clock.wait(readable: [kill], until: min(deadline, clock.deadline(in: pause)))
      if !next.isEmpty { ready = [1] }
      pause = min(2 * pause, 50_000_000)
    }
    workload.signalGroup(SIGKILL)
    _ = clock.wait(
      readable: [workload.exitPollDescriptor], until: clock.deadline(in: StopCoordinator.limit))
  }
}

extension WorkloadOutput {
  /// Bytes that the file of an output has; 0 where it goes elsewhere.
  var bytesInFile: UInt64 {
    var facts = stat()
    guard case .file(let path) = self, unsafe stat(path.osCString, &facts) == 0 else { return 0 }
    return UInt64(bounded: Double(facts.st_size))
  }
}
