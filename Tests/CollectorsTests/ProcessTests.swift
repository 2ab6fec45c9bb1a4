import Glibc
import KernelText
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

@Suite(.serialized) struct ProcessTests {
  private let context = CollectorContext(roots: MountRoots())

  private func sample(_ armed: ArmedCollector) -> [String: UInt64]? {
    let acquisition = SingleAcquisition(armed)
    return acquisition.take() == .complete ? acquisition.named : nil
  }

  private func rows(_ armed: ArmedCollector) -> [[String: RecordValue.Content]] {
    guard let record = armed.recordFields else { return [] }
    let schema = RecordSchema(
      collector: "test", stream: 0, name: record.name, fields: record.fields,
      rowsPerTick: record.rowsPerTick)
    var words = [UInt64](repeating: 0, count: record.fields.count * record.rowsPerTick)
    var span = words.mutableSpan
    let count = armed.sampleRecords(into: &span)
    return (0..<count.rows).map { row in
      var values: [String: RecordValue.Content] = [:]
      for value in RecordValue.read(words.span, row: row, schema) {
        values[value.name] = value.content
      }
      return values
    }
  }

  /// A child of this process that runs `command`, through its gate.
  private func child(_ command: String...) throws -> GatedChild {
    let null = try OwnedDescriptor(open: "/dev/null", O_RDWR)
    let child = try GatedChild(
      SpawnPlan(
        path: command[0], arguments: command, environment: [], input: null.number,
        output: null.number, error: null.number))
    child.openGate()
    return child
  }

  private func eventually(_ limit: Double = 5, _ condition: () -> Bool) -> Bool {
    let end = Clock.monotonic() + UInt64(limit * 1e9)
    while Clock.monotonic() < end {
      if condition() { return true }
      _ = Poll.wait(readable: [], until: Clock.monotonic() + 2_000_000)
    }
    return condition()
  }

  @Test func theTableIsADictionary() {
    let table = ProcessTable(capacity: 64)
    var known: [Int32: Int] = [:]
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      // Few numbers, so that runs of the hash collide and break.
      let pid = Int32.random(in: 1...150, using: &generator)
      if let place = known[pid] {
        #expect(table.find(pid) == place)
        #expect(table[place].pid == pid)
        if Bool.random(using: &generator) {
          table.remove(place)
          known[pid] = nil
        }
      } else {
        #expect(table.find(pid) == nil)
        let place = table.add(pid)
        #expect((place == nil) == (known.count == 64), "only a full table refuses")
        if let place { known[pid] = place }
      }
      #expect(table.count == known.count)
    }
    for (pid, place) in known { #expect(table.find(pid) == place) }
  }

  /// Under another name of /proc there are neither fork events nor exit records: as for anybody
  /// without privilege, the tree is walked.
  @Test(arguments: ["/proc", "/proc/self/root/proc"])
  func aTreeGrowsAndShrinksWithItsProcesses(_ proc: String) throws {
    let context = CollectorContext(roots: MountRoots(proc: proc))
    let root = try child("/bin/sh", "-c", "sleep 30 & sleep 30 & wait")
    defer {
      root.signalGroup(SIGKILL)
      _ = root.reap(until: Clock.monotonic() + 1_000_000_000)
    }
    let collector = TreeCollector(
      target: WorkloadTarget(process: root.pid), perThread: true)
    #expect(collector.probe(context) == .available)
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    #expect(eventually { sample(armed)?["tree.processes"] == 3 })
    let before = try #require(sample(armed))
    #expect(before["tree.threads"] == 3)
    #expect((before["tree.rss"] ?? 0) > 100_000)
    if proc == "/proc" { #expect((before["tree.sum_exec_runtime"] ?? 0) > 0) }
    #expect(before["tree.forks"] == 2)
    #expect(before["tree.fds"].map { $0 >= 3 } ?? true)

    let victim = try #require(Descendants.children(of: "\(root.pid)").first)
    kill(victim, SIGKILL)
    #expect(eventually { sample(armed)?["tree.processes"] == 2 })
    #expect(eventually { sample(armed)?["tree.exits"] == 1 })
    let after = try #require(sample(armed))
    #expect(after["tree.forks"] == 2, "none was found twice")
    for metric in TreeCollector.metrics where metric.kind == .counter {
      let name = "tree.\(metric.name)"
      #expect((after[name] ?? 0) >= (before[name] ?? 0), "\(name) fell")
    }
  }

  /// A server beside the workload: not read while it does not run, and of the next one of its name
  /// only from an opening on.
  @Test func aProcessBesideTheWorkloadIsReadWhileItRuns() throws {
    func server() throws -> GatedChild { try child("/bin/sh", "-c", "while :; do :; done") }
    func end(_ child: GatedChild) {
      child.signalGroup(SIGKILL)
      _ = child.reap(until: Clock.monotonic() + 1_000_000_000)
    }
    let target = WorkloadTarget(beside: "server")
    let collector = TreeCollector(target: target, perThread: false)
    #expect(collector.description.name == "tree[server]")
    #expect(collector.probe(context) == .available)
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    #expect(armed.columns.allSatisfy { $0.instance == "server" } && armed.notes.isEmpty)
    #expect(armed.isIdle && armed.prepare() == .complete && armed.isIdle, "there is none")
    func sample(_ edge: BracketEdge) -> (AcquisitionOutcome, [String: UInt64]) {
      armed.edge = edge
      let acquisition = SingleAcquisition(armed)
      return (acquisition.take(), acquisition.named)
    }
    let first = try server()
    target.retarget(to: first.pid)
    #expect(armed.prepare() == .complete && !armed.isIdle)
    #expect(sample(.open).0 == .complete)
    #expect(eventually { (sample(.none).1["tree.sum_exec_runtime[server]"] ?? 0) > 100_000_000 })
    let last = sample(.close).1
    #expect(last["tree.processes[server]"] == 1 && (last["tree.rss[server]"] ?? 0) > 100_000)
    first.signalGroup(SIGKILL)
    #expect(eventually { first.peekExit() != nil })
    #expect(armed.prepare() == .complete && armed.isIdle, "it is dead, and nobody has reaped it")
    target.release()
    _ = first.reap(until: Clock.monotonic() + 1_000_000_000)
    #expect(armed.prepare() == .complete && armed.isIdle)

    let second = try server()
    target.retarget(to: second.pid)
    #expect(sample(.none).0 == .absent && sample(.close).0 == .absent, "no two in one bracket")
    #expect(armed.prepare() == .complete && !armed.isIdle)
    let begun = sample(.open)
    #expect(begun.0 == .complete)
    let used = try #require(begun.1["tree.sum_exec_runtime[server]"])
    let before = try #require(last["tree.sum_exec_runtime[server]"])
    #expect(used < before, "its own alone")
    // Another arming, as behind a wait, goes on with the same process.
    let again = try collector.arm(context)
    defer { again.disarm() }
    #expect(again.prepare() == .complete && !again.isIdle)
    let now = try #require(self.sample(again)?["tree.sum_exec_runtime[server]"])
    #expect(now >= used)
    end(second)
    #expect(again.prepare() == .complete && again.isIdle)
  }

  /// The workload's clock could not be opened (too many open files, say): the metric is absent of
  /// this workload, and there again with the next one.
  @Test(.enabled(if: TaskClock.isPermitted, "perf's task-clock is not permitted"))
  func aWorkloadWithoutItsClockHasNoValueOfIt() throws {
    let target = WorkloadTarget()
    let collector = TreeCollector(target: target, perThread: false)
    func names(_ armed: ArmedCollector) -> [String] { armed.columns.map(\.name) }
    let first = try collector.arm(context)
    defer { first.disarm() }
    #expect(names(first).contains("tree.task_clock"))
    // No such process: perf_event_open(2) fails.
    target.retarget(to: 0x3fff_ffff)
    #expect(target.clockFailure?.errno == ESRCH)
    #expect(first.prepare() == .layoutChanged)
    #expect(sample(first) == nil, "an acquisition does not say 0 either")
    let second = try collector.arm(context)
    defer { second.disarm() }
    #expect(!names(second).contains("tree.task_clock") && second.prepare() == .complete)
    #expect(second.notes.contains { $0.contains("has no task-clock") }, "\(second.notes)")
    let root = try child("/bin/sleep", "30")
    defer {
      root.signalGroup(SIGKILL)
      _ = root.reap(until: Clock.monotonic() + 1_000_000_000)
    }
    target.retarget(to: root.pid)
    #expect(target.clockFailure == nil && second.prepare() == .layoutChanged)
    let third = try collector.arm(context)
    defer { third.disarm() }
    #expect(sample(third)?["tree.task_clock"] != nil && third.prepare() == .complete)
  }

  @Test func disarmingATreeClosesItsFiles() throws {
    let before = directoryEntries("/proc/self/fd").count
    for _ in 0..<20 {
      let target = WorkloadTarget(process: getpid())
      let armed = try TreeCollector(target: target, perThread: false).arm(context)
      _ = sample(armed)
      armed.disarm()
    }
    // Other tests open and close theirs beside.
    #expect(directoryEntries("/proc/self/fd").count < before + 40)
  }

  @Test func aNumberThatWasGivenAgainIsAnotherProcess() throws {
    let identities = ProcessIdentities()
    let folder = try TemporaryFolder()
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    let stat = { (start: Int) -> String in
      let zeros = String(repeating: " 0", count: 30)
      return "77 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 \(start)\(zeros)\n"
    }
    try folder.write("proc/77/stat", stat(500))
    #expect(identities.isSame(77, roots))
    #expect(identities.isSame(77, roots))
    try folder.write("proc/77/stat", stat(900))
    #expect(!identities.isSame(77, roots))
    #expect(identities.isSame(78, roots), "one that is gone is not another")
  }

  @Test func itsRowsNameProcessesAndThreads() throws {
    #expect(ProcessRecord.fields.count == ProcessRecord.width)
    let root = try child("/bin/sleep", "30")
    defer {
      root.signalGroup(SIGKILL)
      _ = root.reap(until: Clock.monotonic() + 1_000_000_000)
    }
    let armed = try TreeCollector(
      target: WorkloadTarget(process: root.pid), perThread: true
    ).arm(context)
    defer { armed.disarm() }
    #expect(
      eventually { rows(armed, after: sample(armed)).contains { $0["comm"] == .text("sleep") } })
    let all = rows(armed, after: sample(armed))
    let thread = try #require(all.first { $0["kind"] == .number(1) })
    #expect(thread["tid"] == .number(UInt64(root.pid)))
    #expect(thread["comm"] == .text("sleep"))
    #expect(thread["processor"] != nil && thread["node"] != nil)
  }

  private func rows(
    _ armed: ArmedCollector, after: [String: UInt64]?
  ) -> [[String: RecordValue.Content]] { rows(armed) }

  @Test func aTreeOfNobodyIsAbsentAndSaysSo() {
    let collector = TreeCollector(target: WorkloadTarget(process: 0x3fff_ffff), perThread: false)
    #expect(collector.probe(context) == .absent(reason: "process 1073741823: no such process"))
    #expect(TreeCollector(target: nil, perThread: false).probe(context).word == "absent")
  }

  @Test func aProcessIsWhatItsFilesSay() throws {
    let pid = getpid()
    let collector = ProcessCollector(processes: [pid])
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    let values = try #require(sample(armed))
    // Independent readings: of lines that do not move much, split as strings.
    let status = try #require(SmallFile.text("/proc/self/status"))
    for line in status.split(separator: "\n") where line.hasPrefix("Vm") && line.hasSuffix("kB") {
      let words = line.split(whereSeparator: { " \t:".contains($0) })
      let now = try #require(values["process.\(words[0])[\(pid)]"])
      let kibibytes = try #require(Double(words[1]))
      #expect(abs(Double(now) - kibibytes) <= max(4096, kibibytes * 0.2), "\(line)")
    }
    #expect(values["process.num_threads[\(pid)]"] ?? 0 >= 1)
    #expect(values["process.starttime[\(pid)]"] == startTime(of: "self"))
    let fds = UInt64(directoryEntries("/proc/self/fd").count)
    if let count = values["process.fds[\(pid)]"] {
      #expect(count > 3 && count < fds + 50)
    }
    let later = try #require(sample(armed))
    #expect(later["process.rchar[\(pid)]"] ?? 0 >= values["process.rchar[\(pid)]"] ?? .max)
    let names = Set(values.keys)
    for metric in collector.description.metrics where metric.name != "Seccomp_filters" {
      #expect(names.contains("process.\(metric.name)[\(pid)]") || metric.name == "fds")
    }
  }

  private func startTime(of process: String) -> UInt64? {
    SmallFile.text("/proc/\(process)/stat").flatMap { text in
      text.split(separator: ")").last.flatMap { UInt64($0.split(separator: " ")[19]) }
    }
  }

  @Test func theBusiestIsNamedFirst() throws {
    let busy = try child("/bin/sh", "-c", "while :; do :; done")
    defer {
      busy.signalGroup(SIGKILL)
      _ = busy.reap(until: Clock.monotonic() + 1_000_000_000)
    }
    let armed = try TopCollector(count: 3, order: .cpu).arm(context)
    defer { armed.disarm() }
    _ = sample(armed)
    _ = rows(armed)
    // The host is shared: it need be among the busiest only.
    #expect(
      eventually {
        _ = Poll.wait(readable: [], until: Clock.monotonic() + 100_000_000)
        _ = sample(armed)
        let rows = rows(armed)
        guard rows.count <= 3 else { return false }
        return rows.contains { row in
          guard row["pid"] == .number(UInt64(busy.pid)),
            case .number(let cpu) = row["sum_exec_runtime"],
            case .number(let window) = row["elapsed"]
          else { return false }
          return cpu > window / 4 && cpu <= window * 11 / 10
        }
      })
  }

  /// /proc/PID/io of the shell has all that its child wrote, from when it has waited for it.
  @Test func theShellDidNotWriteWhatItsChildWrote() throws {
    let folder = try TemporaryFolder()
    let file = folder.file("written")
    let root = try child(
      "/bin/sh", "-c", "sleep 0.1; dd if=/dev/zero of=\(file) bs=65536 count=100; sleep 30")
    defer {
      root.signalGroup(SIGKILL)
      _ = root.reap(until: Clock.monotonic() + 1_000_000_000)
    }
    let top = try TopCollector(count: 50, order: .io).arm(context)
    let tree = try TreeCollector(
      target: WorkloadTarget(process: root.pid), perThread: false
    ).arm(context)
    defer {
      top.disarm()
      tree.disarm()
    }
    func inclusive() -> UInt64 {
      let line = SmallFile.text("/proc/\(root.pid)/io")?.split(separator: "\n")
        .first { $0.hasPrefix("write_bytes") }
      return line.flatMap { UInt64($0.split(separator: " ")[1]) } ?? 0
    }
    var written: UInt64 = 0
    func look() {
      _ = sample(top)
      for row in rows(top) where row["pid"] == .number(UInt64(root.pid)) {
        if case .number(let bytes) = row["write_bytes"] { written += bytes }
      }
      _ = sample(tree)
      for row in rows(tree) where row["pid"] == .number(UInt64(root.pid)) {
        if case .number(let bytes) = row["write_bytes"] { #expect(bytes < 65536) }
      }
    }
    let hasWaited = eventually {
      look()
      return inclusive() >= 6_553_600
    }
    guard hasWaited else {
      try Test.cancel("what is written to \(file) is not counted by the kernel")
    }
    for _ in 0..<3 { look() }
    #expect(written < 65536)
  }

  @Test func memoryRanksByResidentPages() throws {
    let armed = try TopCollector(count: 5, order: .memory).arm(context)
    defer { armed.disarm() }
    #expect((sample(armed)?["top.processes"] ?? 0) >= 2)
    let sizes = rows(armed).compactMap { row -> UInt64? in
      guard case .number(let bytes) = row["rss"] else { return nil }
      return bytes
    }
    #expect(!sizes.isEmpty)
    // Read once to choose and once to show: large ones keep their order.
    for (one, next) in zip(sizes, sizes.dropFirst()) { #expect(Double(one) > Double(next) * 0.8) }
  }

  @Test func aFootprintIsWhatTheRollupSays() throws {
    let pid = getpid()
    let collector = FootprintCollector(
      isWanted: true, tree: WorkloadTarget(process: pid), processes: [pid])
    guard collector.probe(context) == .available else {
      try Test.cancel("\(collector.probe(context).reason)")
    }
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    let values = try #require(sample(armed))
    let pss = Double(try #require(values["footprint.Pss[\(pid)]"]))
    let text = try #require(SmallFile.text("/proc/self/smaps_rollup"))
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("Pss:") })
    let said = try #require(Double(line.split(separator: " ")[1]))
    #expect(abs(pss / said - 1) < 0.2)
    #expect(try #require(values["footprint.Pss[tree]"]) >= UInt64(pss * 0.8))
    #expect(try #require(values["footprint.processes[tree]"]) >= 1)
    let placed = values.filter { $0.key.hasPrefix("footprint.placement[\(pid):") }
    let rss = Double(try #require(values["footprint.Rss[\(pid)]"]))
    if SmallFile.text("/proc/self/numa_maps") != nil {
      // numa_maps leaves out what has no page descriptor of its own.
      #expect(Double(placed.values.reduce(0, +)) > rss * 0.5)
      #expect(Double(placed.values.reduce(0, +)) < rss * 1.2)
    }
  }
}
