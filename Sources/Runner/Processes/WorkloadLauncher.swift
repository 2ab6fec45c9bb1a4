import Glibc
import LinuxSystem
import SampleModel

/// Starts processes that are held at their start gate, with captured output: workloads, hooks,
/// servers, co-runners.
enum WorkloadLauncher {
  /// Starts a process that will execute `path` with the user, environment, directory and input of
  /// `specification`. A measured process may get the terminal; `isBackground` is for all others.
  static func launch(
    _ path: String, _ arguments: [String], _ specification: RunSpecification,
    cpus: CPUSet, captureCPUs: CPUSet?, _ spawner: any WorkloadSpawner, stop: StopFlag,
    clock: TimeSource, isBackground: Bool = false, hasTerminal: Bool = false
  ) throws(SystemError) -> (any Workload, OutputCapture) {
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
    plan.isBeside = isBackground
    if hasTerminal { plan.foregroundTerminal = STDIN_FILENO }
    let workload: any Workload
    do throws(SpawnFailure) {
      workload = try spawner.spawn(plan)
    } catch {
      throw SystemError("starting it failed while \(error.step)", errno: error.errno)
    }
    let capture = try OutputCapture(
      pipe.intoReadEnd(), limit: specification.outputLimit, passThrough: specification.showOutput,
      cpus: captureCPUs, stop: stop, clock: clock)
    return (workload, capture)
  }

  /// Opens the destination of standard output; for `keep` it is the pipe of standard error.
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

  /// Opens the file of an output to append to it.
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

  /// Ends a process group: by SIGTERM, then by SIGKILL after `grace` nanoseconds or at the second
  /// stop request. Returns when all of its processes are dead, or 5 s after SIGKILL.
  static func terminate(_ workload: any Workload, grace: UInt64, _ services: RunServices) {
    workload.signalGroup(SIGTERM)
    let clock = services.clock
    let deadline = clock.deadline(in: grace)
    let kill = services.kill.pollDescriptor
    var ready = clock.wait(readable: [workload.exitPollDescriptor, kill], until: deadline)
    // The first process may end long before others of the group: a shell that started a server.
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
  /// The size of the output's file in bytes; 0 for other destinations.
  var bytesInFile: UInt64 {
    var facts = stat()
    guard case .file(let path) = self, unsafe stat(path.osCString, &facts) == 0 else { return 0 }
    return UInt64(bounded: Double(facts.st_size))
  }
}
