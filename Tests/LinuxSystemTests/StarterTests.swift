import CLinux
import Foundation
import Glibc
import LinuxSystem
import TestSupport
import Testing

/// What is started by a starter is started as by fork; both ways are tried.
@Suite(.serialized) struct StarterTests {
  /// Starts a command, looks at it at its gate, and runs it to its end; gives its output.
  private func run(
    _ command: [String], through starter: WorkloadStarter?,
    environment: [String] = ["PATH=/usr/bin:/bin"], mark: UInt64? = nil,
    atGate look: (Int32) throws -> Void = { _ in }
  ) throws -> [String] {
    let folder = try TemporaryFolder()
    let output = try OwnedDescriptor(open: folder.file("out"), O_RDWR | O_CREAT, mode: 0o600)
    let input = try OwnedDescriptor(open: "/dev/null", O_RDONLY)
    var plan = SpawnPlan(
      path: command[0], arguments: command, environment: environment, input: input.number,
      output: output.number, error: output.number)
    plan.mark = mark
    let child = try GatedChild(plan, through: starter)
    try look(child.pid)
    child.openGate()
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: nil)
    #expect(child.peekExit() == LinuxSystem.ExitStatus(code: 0, signal: nil))
    #expect(child.reap(until: .max) != nil)
    return try String(contentsOfFile: folder.file("out"), encoding: .utf8)
      .split(separator: "\n").map(String.init)
  }

  private static func starters() throws -> [WorkloadStarter?] { [nil, try WorkloadStarter()] }

  /// What a process has open.
  private func open(_ process: Int32) -> Set<String> {
    Set(
      directoryEntries("/proc/\(process)/fd").compactMap { readlink("/proc/\(process)/fd/\($0)") })
  }

  @Test func aWorkloadIsOurChildAndHasNoSignalChanged() throws {
    let script = "echo $PPID; grep -E 'SigBlk|SigIgn' /proc/self/status; true"
    for starter in try Self.starters() {
      let lines = try run(["/bin/sh", "-c", script], through: starter)
      #expect(lines.first == "\(getpid())")
      let masks = lines.dropFirst().compactMap {
        $0.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) }
      }
      // Two that the C library keeps for itself are not to be had: posix_spawn(3) ignores them.
      #expect(masks.map { $0 & ~(3 << 31) } == [0, 0], "\(lines)")
    }
  }

  /// Whatever it starts carries its mark too, and is known by it.
  @Test func aMarkIsCarriedByAllThatIsStarted() throws {
    let mark = ProcessMark(run: "marked-\(getpid())")
    #expect(mark.measured != mark.beside && mark == ProcessMark(run: "marked-\(getpid())"))
    for starter in try Self.starters() {
      for number in [mark.measured, mark.beside] {
        let script = "(setsid grep 'Max file locks' /proc/self/limits)"
        let lines = try run(["/bin/sh", "-c", script], through: starter, mark: number) { pid in
          #expect(ProcessMark.number(of: pid) == number && mark.carriers == [pid])
          #expect(ProcessState.isAlive(group: pid))
          #expect(ProcessMark(run: "another").carriers.isEmpty)
        }
        #expect(lines.first?.contains(" \(number) ") == true, "\(lines)")
        #expect(mark.carriers.isEmpty)
      }
    }
  }

  /// The mark alone makes no leftover: user and start have to fit, and no lbsample lives above it.
  @Test func aLeftoverIsNotToldByItsMarkAlone() throws {
    let mark = ProcessMark(run: "left-\(getpid())")
    let before = Clock.boottime()
    let own: Set<UInt32> = [getuid()]
    func found(_ users: Set<UInt32>, since start: UInt64?, _ program: String) -> [Int32] {
      LeftoverSearch(mark, users: users, since: start, program: program).found
    }
    _ = try run(["/bin/true"], through: nil, mark: mark.beside) { pid in
      #expect(found(own, since: nil, "/dev/null") == [pid])
      #expect(found(own, since: before, "/dev/null") == [pid])
      #expect(found([getuid() + 1], since: nil, "/dev/null").isEmpty, "of another user")
      #expect(found(own, since: before + 60_000_000_000, "/dev/null").isEmpty, "older")
      #expect(found(own, since: nil, "/proc/self/exe").isEmpty, "of a program that lives")
    }
  }

  @Test func atItsGateItHoldsNothingOfOurs() throws {
    let folder = try TemporaryFolder()
    let held = try OwnedDescriptor(open: folder.file("lock"), O_RDWR | O_CREAT, mode: 0o600)
    #expect(held.number > 2 && open(getpid()).contains(folder.file("lock")))
    for starter in try Self.starters() {
      _ = try run(["/bin/true"], through: starter) { pid in
        #expect(!open(pid).contains(folder.file("lock")) && open(pid).contains("/dev/null"))
      }
      guard let starter else { continue }
      #expect(!open(starter.pid).contains(folder.file("lock")))
      for standard in 0..<3 {
        #expect(readlink("/proc/\(starter.pid)/fd/\(standard)") == "/dev/null")
      }
    }
  }

  private func readlink(_ path: String) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: path)
  }

  @Test func muchEnvironmentGoesThroughItsSocket() throws {
    let long = (0..<40).map { "V\($0)=" + String(repeating: "x", count: 20_000) }
    for starter in try Self.starters() {
      let lines = try run(
        ["/usr/bin/env"], through: starter, environment: long + ["LAST=1"])
      #expect(lines == long + ["LAST=1"])
    }
  }

  @Test func manyAreStartedAtOnce() throws {
    let starter = try WorkloadStarter()
    let null = try OwnedDescriptor(open: "/dev/null", O_RDWR)
    let plan = SpawnPlan(
      path: "/bin/sleep", arguments: ["sleep", "100"], environment: [], input: null.number,
      output: null.number, error: null.number)
    let children = try (0..<20).map { _ in try GatedChild(plan, through: starter) }
    #expect(Set(children.map(\.pid)).count == 20)
    #expect(Descendants.children().isSuperset(of: children.map(\.pid)))
    for child in children {
      child.openGate()
      child.abandon()
    }
    #expect(starter.failure == nil)
  }

  @Test func whatFailsInTheChildIsReported() throws {
    let starter = try WorkloadStarter()
    var plan = SpawnPlan(
      path: "/bin/true", arguments: ["true"], environment: [], input: 0, output: 1, error: 2)
    plan.directory = "/nowhere"
    #expect(throws: SpawnFailure(step: "changing to its directory", errno: ENOENT)) {
      _ = try GatedChild(plan, through: starter)
    }
    plan.directory = nil
    plan.path = "/nowhere/program"
    let child = try GatedChild(plan, through: starter)
    child.openGate()
    _ = Poll.wait(readable: [child.exitPollDescriptor], until: nil)
    #expect(child.execFailure() == SpawnFailure(step: "executing it", errno: ENOENT))
  }

  /// It is asked for nothing by a signal: those of the terminal are for others.
  @Test func aStarterThatEndedIsDoneWithout() throws {
    let starter = try WorkloadStarter()
    kill(starter.pid, SIGINT)
    kill(starter.pid, SIGTERM)
    kill(starter.pid, SIGHUP)
    #expect(try run(["/bin/echo", "a"], through: starter) == ["a"])
    #expect(starter.failure == nil)
    kill(starter.pid, SIGKILL)
    #expect(try run(["/bin/echo", "b"], through: starter) == ["b"])
    #expect(starter.failure?.errno == EPIPE)
    #expect(try run(["/bin/echo", "c"], through: starter) == ["c"])
  }

  @Test func itEndsWithItsOwner() throws {
    var pid: Int32 = 0
    do {
      let starter = try WorkloadStarter()
      pid = starter.pid
      #expect(Descendants.children().contains(pid))
    }
    #expect(!Descendants.children().contains(pid) && kill(pid, 0) < 0)
  }

  @Test func theEmptyProgramDoesNothing() throws {
    let program = try #require(EmptyProgram())
    for starter in try Self.starters() {
      let output = try program.withPath { try run([$0], through: starter) }
      #expect(output.isEmpty)
    }
  }
}
