import Glibc
import LinuxSystem
import TestSupport
import Testing

@Suite struct CPUSetTests {
  @Test(arguments: ["0", "0-3", "0-3,8", "1,3,5-7", "63-65,8191"])
  func listsSurvive(_ list: String) {
    #expect(CPUSet(list: list)?.description == list)
  }

  @Test(arguments: ["", "a", "3-1", "-1", "1-", "8192", "1,,2", "0-9999999999"])
  func badListsAreRefused(_ list: String) { #expect(CPUSet(list: list) == nil) }

  @Test func whoDoesNotReadIsGivenUpAfterASecond() throws {
    let folder = try TemporaryFolder()
    let socket = try ControlSocket(path: folder.file("control"))
    let client = try ControlConnection(to: folder.file("control"))
    let connection = try #require(socket.accept())
    let began = Clock.monotonic()
    #expect(!connection.send([UInt8](repeating: 120, count: 1 << 22)))
    #expect((500_000_000...5_000_000_000).contains(Clock.monotonic() - began))
    _ = client.pollDescriptor
  }

  @Test func setsSubtractAndMeet() {
    let set = CPUSet(0...5)
    #expect(set.subtracting(CPUSet([1, 9])).members == [0, 2, 3, 4, 5])
    #expect(set.intersection(CPUSet([5, 9])).members == [5])
    #expect(CPUSet().isEmpty && !set.isEmpty)
  }

  @Test func aThreadIsMovedFromInside() throws {
    let allowed = CPUSet.allowed()
    let target = try #require(allowed.members.last)
    let seen = Box(CPUSet())
    let thread = try SystemThread(name: "mover") {
      do throws(SystemError) { try CPUSet([target]).applyToThisThread() } catch {
        return
      }
      seen.value = CPUSet.allowed()
    }
    thread.join()
    #expect(seen.value.members == [target])
    #expect(CPUSet.allowed() == allowed, "the caller's own affinity must not change")
  }
}

private final class Box<T>: @unchecked Sendable {
  // Sendable: written by a thread that is joined before it is read.
  var value: T
  init(_ value: T) { self.value = value }
}

private func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

/// Descriptors of this process that are open on `path`.
private func descriptorCount(_ path: String) -> Int {
  directoryEntries("/proc/self/fd").filter { name in
    var buffer = [CChar](repeating: 0, count: 512)
    let count = unsafe readlink("/proc/self/fd/\(name)", &buffer, 511)
    let bytes = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
    return String(decoding: bytes, as: UTF8.self) == path
  }.count
}

@Suite(.serialized) struct DescriptorTests {
  @Test func descriptorsAreClosedOnce() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("file", "text")
    #expect(descriptorCount(path) == 0)
    do {
      let file = try OwnedDescriptor(open: path, O_RDONLY)
      #expect(file.number > 2)
      // The count counts: else the test below could not fail.
      #expect(descriptorCount(path) == 1)
    }
    #expect(descriptorCount(path) == 0)
    let released = try OwnedDescriptor(open: path, O_RDONLY).release()
    #expect(descriptorCount(path) == 1)
    close(released)
    #expect(descriptorCount(path) == 0)
  }

  @Test func failuresNameCallPathAndReason() {
    #expect(throws: SystemError("open", errno: ENOENT, path: "/nowhere")) {
      _ = try OwnedDescriptor(open: "/nowhere", O_RDONLY).number
    }
    #expect(
      SystemError("open", errno: ENOENT, path: "/nowhere").description
        == "open /nowhere: No such file or directory")
  }
}

@Suite struct WaitingTests {
  @Test func aStopFlagStaysRaisedWithItsFirstReason() throws {
    let flag = try StopFlag()
    #expect(flag.raised == nil)
    #expect(
      Poll.wait(readable: [flag.pollDescriptor], until: Clock.monotonic() + 1_000_000).isEmpty)
    flag.raise(reason: 15)
    flag.raise(reason: 2)
    #expect(flag.raised == .signal(15))
    #expect(Poll.wait(readable: [-1, flag.pollDescriptor], until: nil) == [1])
  }

  @Test func aFutexWaitEndsAtItsDeadlineOrAtAWake() throws {
    let word = FutexWord(7)
    let deadline = Clock.monotonic() + 5_000_000
    while Clock.monotonic() < deadline { Futex.wait(word, whileEqualTo: 7, until: deadline) }
    Futex.wait(word, whileEqualTo: 8, until: Futex.forever)  // Not equal: returns at once.
    let shared = Box(FutexBox())
    let waker = try SystemThread(name: "waker") { shared.value.word.bump() }
    while shared.value.word.load() == 0 {
      Futex.wait(shared.value.word, whileEqualTo: 0, until: Futex.forever)
    }
    waker.join()
    #expect(shared.value.word.load() == 1)
  }
}

private final class FutexBox: Sendable {
  let word = FutexWord()
}

@Suite struct MappingTests {
  @Test func whatCannotBeHadIsSaid() throws {
    let plain = try Mapping(bytes: 10, purpose: "test", options: .init(locked: false))
    #expect(plain.lockedBytes == 0)
    #expect(plain.notes.isEmpty)
    unsafe #expect(plain.memory.count >= 4096)
    unsafe #expect(plain.memory.allSatisfy { $0 == 0 })
    let nowhere = try Mapping(
      bytes: 10, purpose: "test", options: .init(node: 9999, locked: false))
    #expect(nowhere.notes.count == 1)
    #expect(nowhere.notes[0].contains("not placed on node 9999"))
  }
}

@Suite(.serialized) struct SpawnTests {
  private func plan(
    _ command: [String], output: Int32, environment: [String] = []
  ) throws -> SpawnPlan {
    SpawnPlan(
      path: command[0], arguments: command, environment: environment,
      input: try OwnedDescriptor(open: "/dev/null", O_RDONLY).release(), output: output,
      error: output)
  }

  /// Runs a command to its end and gives its output.
  private func run(_ command: [String], _ change: (inout SpawnPlan) -> Void = { _ in }) throws
    -> (String, LinuxSystem.ExitStatus?)
  {
    let folder = try TemporaryFolder()
    let output = try OwnedDescriptor(
      open: folder.file("out"), O_RDWR | O_CREAT, mode: 0o600)
    var plan = try plan(command, output: output.number)
    defer { close(plan.input) }
    change(&plan)
    let child = try GatedChild(plan)
    child.openGate()
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: nil)
    let status = child.peekExit()
    #expect(child.reap(until: .max) != nil)
    return (SmallFile.text(folder.file("out")) ?? "", status)
  }

  @Test func nothingRunsBeforeTheGateOpens() throws {
    let folder = try TemporaryFolder()
    let witness = folder.file("witness")
    let plan = try plan(["/usr/bin/touch", witness], output: 2)
    defer { close(plan.input) }
    let child = try GatedChild(plan)
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: Clock.monotonic() + 50_000_000)
    #expect(!exists(witness))
    #expect(child.peekExit() == nil)
    child.openGate()
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: nil)
    #expect(child.peekExit() == LinuxSystem.ExitStatus(code: 0, signal: nil))
    #expect(exists(witness))
    let usage = try #require(child.reap(until: .max))
    #expect(usage.userNanoseconds + usage.systemNanoseconds < 1_000_000_000)
    #expect(child.reap(until: .max) == nil)
  }

  /// A library's host process has the default action for SIGPIPE, as this one: it would be gone.
  @Test func openingTheGateOfAKilledChildIsNoSignal() throws {
    signal(SIGPIPE, SIG_DFL)
    let plan = try plan(["/bin/true"], output: 2)
    defer { close(plan.input) }
    let child = try GatedChild(plan)
    #expect(kill(child.pid, SIGKILL) == 0)
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: nil)
    child.openGate()
    #expect(child.peekExit() == LinuxSystem.ExitStatus(code: nil, signal: SIGKILL))
    #expect(child.reap(until: .max) != nil)
  }

  @Test func environmentDirectoryAndAffinityAreTheChilds() throws {
    let cpu = try #require(CPUSet.allowed().members.last)
    let (text, status) = try run([
      "/bin/sh", "-c", "echo $NAME; pwd; grep Cpus_allowed_list /proc/self/status",
    ]) { plan in
      plan.environment = ["NAME=value", "PATH=/bin:/usr/bin"]
      plan.directory = "/tmp"
      plan.cpus = CPUSet([cpu])
    }
    let lines = text.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[0] == "value" && lines[1] == "/tmp")
    #expect(lines[2].hasSuffix("\t\(cpu)"))
    #expect(status == LinuxSystem.ExitStatus(code: 0, signal: nil))
  }

  @Test func exitCodesAndSignalsAreToldApart() throws {
    #expect(try run(["/bin/sh", "-c", "exit 7"]).1 == LinuxSystem.ExitStatus(code: 7, signal: nil))
    #expect(
      try run(["/bin/sh", "-c", "kill -9 $$"]).1 == LinuxSystem.ExitStatus(code: nil, signal: 9))
  }

  @Test func aFailedExecIsReported() throws {
    let folder = try TemporaryFolder()
    let script = try folder.write("script", "no interpreter here\n")
    unsafe chmod(script, 0o755)
    var plan = try plan([script], output: 2)
    plan.path = folder.file("gone")
    defer { close(plan.input) }
    let child = try GatedChild(plan)
    child.openGate()
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: nil)
    #expect(child.execFailure() == SpawnFailure(step: "executing it", errno: ENOENT))
    _ = child.reap(until: .max)
  }

  @Test func aBadDirectoryFailsBeforeTheGate() throws {
    var plan = try plan(["/bin/true"], output: 2)
    plan.directory = "/nowhere"
    defer { close(plan.input) }
    #expect(throws: SpawnFailure(step: "changing to its directory", errno: ENOENT)) {
      _ = try GatedChild(plan)
    }
  }

  @Test func anAbandonedChildNeverRunsAndLeavesNoZombie() throws {
    let folder = try TemporaryFolder()
    let plan = try plan(["/usr/bin/touch", folder.file("witness")], output: 2)
    defer { close(plan.input) }
    var pid: Int32 = 0
    do {
      let child = try GatedChild(plan)
      pid = child.pid
    }
    #expect(!exists(folder.file("witness")))
    #expect(pid > 0 && !Descendants.children().contains(pid))
  }

  @Test func commandsAreFoundAsTheShellFindsThem() throws {
    #expect(
      try CommandPath.resolve("sh", searchPath: "/nowhere:/bin", directory: nil) == "/bin/sh")
    #expect(throws: CommandPath.Refusal.notFound(searched: "/bin")) {
      try CommandPath.resolve("no-such-command", searchPath: "/bin", directory: nil)
    }
    #expect(throws: CommandPath.Refusal.isDirectory(path: "/tmp")) {
      try CommandPath.resolve("/tmp", searchPath: "", directory: nil)
    }
    #expect(throws: CommandPath.Refusal.unreachable(path: "/nowhere/x", errno: ENOENT)) {
      try CommandPath.resolve("/nowhere/x", searchPath: "/bin", directory: "/tmp")
    }
    let folder = try TemporaryFolder()
    try folder.write("plain", "x")
    #expect(throws: CommandPath.Refusal.notExecutable(path: "./plain")) {
      try CommandPath.resolve("./plain", searchPath: "", directory: folder.path)
    }
  }
}
