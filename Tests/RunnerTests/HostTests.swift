import Glibc
import LinuxSystem
import Logging
import Runner
import SampleModel
import Synchronization
import TestSupport
import Testing

/// What a run looks at on its host, and what it changes there.
@Suite struct HostTests {
  private static func state(_ change: (inout HostState) -> Void = { _ in }) -> HostState {
    var state = HostState()
    state.load = 0.5
    state.cpus = 4
    state.clockSource = "tsc"
    state.governors = ["performance"]
    state.frequencyLimit = 1
    change(&state)
    return state
  }

  private static let disturbances: [(String, HostState)] = [
    ("host.load", state { $0.load = 4.5 }),
    ("host.governor", state { $0.governors = ["schedutil"] }),
    ("host.frequency", state { $0.frequencyLimit = 0.8 }),
    ("host.clock", state { $0.clockSource = "hpet" }),
    (
      "host.foreign_cpu",
      state {
        $0.watched = 200_000_000
        $0.foreignCPU = 0.31
      }
    ),
    (
      "host.steal",
      state {
        $0.watched = 200_000_000
        $0.steal = 0.08
      }
    ),
    ("host.throttling", state { $0.wasThrottled = true }),
    ("host.temperature", state { $0.hotZones = ["pkg is at 99 °C, 95 °C is its limit"] }),
  ]

  @Test func aHostThatMeasuresBadlyIsNamed() {
    #expect(HostGates.findings(Self.state()).isEmpty)
    #expect(HostGates.findings(HostState()).isEmpty, "what is not known is no finding")
    for (gate, state) in Self.disturbances {
      #expect(HostGates.findings(state).map(\.gate) == [gate])
    }
  }

  @Test func whatTheKernelsTicksCannotTellIsNoFinding() {
    // 0.1 of a CPU, two ticks of 10 ms and the root of four CPUs, in 200 ms; a quarter for steal.
    let quiet = Self.state {
      $0.watched = 200_000_000
      $0.foreignCPU = 0.29
      $0.steal = 0.06
    }
    #expect(HostGates.findings(quiet).isEmpty)
    var none = HostLimits()
    (none.foreignCPU, none.steal) = (nil, nil)
    let busy = Self.state {
      $0.watched = 200_000_000
      $0.foreignCPU = 4
      $0.steal = 1
    }
    #expect(HostGates.findings(busy, none).isEmpty)
  }

  @Test func whatIsWaitedForIsNoFinding() {
    var limits = HostLimits()
    limits.severity = .block
    limits.waitsUntilQuiet = true
    for (gate, state) in Self.disturbances {
      let waitsFor = gate == "host.load" || gate == "host.foreign_cpu"
      #expect(HostGates.findings(state, limits).map(\.severity) == (waitsFor ? [] : [.block]))
    }
  }

  @Test(arguments: [GateFinding.Severity.note, .block, nil])
  func whatIsFoundBeforeARunIsNotedOrEndsIt(_ severity: GateFinding.Severity?) throws {
    let folder = try TemporaryFolder()
    try folder.write("proc/loadavg", "9.5 9.5 9.5 1/100 1\n")
    try folder.write("sys/devices/system/cpu/online", "0-1\n")
    let zone = "sys/class/thermal/thermal_zone0"
    for (name, text) in [
      ("type", "pkg"), ("temp", "96000"), ("trip_point_0_type", "active"),
      ("trip_point_0_temp", "60000"), ("trip_point_1_type", "passive"),
      ("trip_point_1_temp", "95000"), ("trip_point_2_type", "critical"),
      ("trip_point_2_temp", "105000"),
    ] { try folder.write("\(zone)/\(name)", text + "\n") }
    let spawner = FakeSpawner()
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    let context = try context(spawner, repetitions: 1, roots: roots) { $0.host.severity = severity }
    let executor = FakeExecutor([])
    let result = RunController(
      context, executor: executor, collectors: FakeCollectors(spawner)
    ).run(session())
    #expect(executor.attempts.count == (severity == .block ? 0 : 1))
    #expect(result.errors.map(\.category) == (severity == .block ? [.gate] : []))
    #expect(result.warnings.count == (severity == nil ? 0 : 2), "\(result.warnings)")
    if severity == .block {
      #expect(result.errors[0].message.contains("pkg is at 96 °C, 95 °C is its limit"))
    }
  }

  @Test func whatChangesBetweenRepetitionsIsSaid() {
    let before = Self.state()
    #expect(HostGates.drift(from: before, to: Self.state { $0.load = 9 }).isEmpty)
    for (change, words) in [
      (Self.state { $0.cpus = 3 }, "the number of its CPUs was 4 and is 3"),
      (Self.state { $0.clockSource = nil }, "clock source was tsc and is unknown"),
      (Self.state { $0.governors = ["powersave", "performance"] }, "is performance, powersave"),
      (Self.state { $0.frequencyLimit = 0.5 }, "was 100 % and is 50 %"),
    ] {
      let found = HostGates.drift(from: before, to: change)
      #expect(found.count == 1 && found[0].message.contains(words), "\(found)")
    }
  }

  /// A host of files, and the changes of one run to it.
  private struct Host {
    let folder: TemporaryFolder
    let aslr: String
    let roots: MountRoots

    init() throws {
      folder = try TemporaryFolder()
      aslr = try folder.write("proc/sys/kernel/randomize_va_space", "2\n")
      for cpu in 0..<2 {
        try folder.write("sys/devices/system/cpu/cpu\(cpu)/cpufreq/scaling_governor", "powersave\n")
      }
      roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    }

    func changes(_ run: String, _ texts: [String], _ events: Events = Events()) throws
      -> HostChanges
    {
      let journal = Journal(
        runID: run, clock: VirtualScheduler().source,
        logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), store: nil,
        observer: { entry in events.entries.withLock { $0.append(entry) } })
      return HostChanges(
        try texts.map { try HostChange($0) }, roots, run: folder.file(run), journal)
    }

    var aslrNow: String? { SmallFile.text(aslr) }
    func governor(_ cpu: Int) -> String? {
      SmallFile.text(roots.sys("devices/system/cpu/cpu\(cpu)/cpufreq/scaling_governor"))
    }
    func isNoted(_ run: String) -> Bool {
      SmallFile.text(HostChanges.state(ofRun: folder.file(run))) != nil
    }
  }

  @Test func settingsAreChangedAuditedAndPutBack() throws {
    let host = try Host()
    let events = Events()
    let changes = try host.changes("a", ["aslr=0", "governor=performance"], events)
    try changes.apply()
    #expect(host.aslrNow == "0" && host.governor(0) == "performance" && host.isNoted("a"))
    #expect(try changes.restore().isEmpty)
    #expect(host.aslrNow == "2" && host.governor(1) == "powersave" && !host.isNoted("a"))
    #expect(
      events.kinds == Array(repeating: "host.change", count: 3)
        + Array(repeating: "host.restore", count: 3))
  }

  @Test func whatAKilledRunChangedIsPutBackByItsNote() throws {
    let host = try Host()
    do {
      // As a killed process: nothing is put back, its locks are gone.
      try host.changes("a", ["aslr=0", "governor=performance"]).apply()
    }
    #expect(host.aslrNow == "0" && host.isNoted("a"))
    let (restored, failures) = HostChanges.restore(
      HostChanges.state(ofRun: host.folder.file("a")), host.roots)
    #expect(restored.count == 3 && failures.isEmpty && !host.isNoted("a"))
    #expect(host.aslrNow == "2" && host.governor(0) == "powersave")
  }

  /// Root would write anything into any file that such a note names.
  @Test func aNoteOfAnothersIsNotBelieved() throws {
    let host = try Host()
    let note = HostChanges.state(ofRun: host.folder.file("a"))
    let victim = try host.folder.write("victim", "mine")
    for line in ["\(victim)\tx", "\(host.aslr)\t7", "\(host.aslr)\t0 1"] {
      try host.folder.write("a.host", line + "\n")
      let (restored, failures) = HostChanges.restore(note, host.roots)
      #expect(
        restored.isEmpty && failures.first?.message.contains("not a setting of this host") == true)
    }
    try host.folder.write("a.host", "\(host.aslr)\t0\n")
    #expect(unsafe chmod(note, 0o666) == 0)
    #expect(
      HostChanges.restore(note, host.roots).failures.first?.message.contains("writable") == true)
    #expect(unsafe chmod(note, 0o600) == 0 && chmod(host.folder.path, 0o777) == 0)
    #expect(HostChanges.restore(note, host.roots).failures.count == 1)
    let refused = #expect(throws: LBError.self) { try host.changes("b", ["aslr=0"]).apply() }
    #expect(refused?.message.contains("other users could change the values to restore") == true)
    #expect(unsafe chmod(host.folder.path, 0o700) == 0 && unlink(note) == 0)
    // A link, and a FIFO, which nobody opens.
    #expect(unsafe symlink(victim, note) == 0)
    #expect(HostChanges.restore(note, host.roots).failures.count == 1)
    #expect(unsafe unlink(note) == 0 && mkfifo(note, 0o600) == 0)
    #expect(HostChanges.restore(note, host.roots).failures.count == 1)
    #expect(SmallFile.text(victim) == "mine" && host.aslrNow == "2")
  }

  @Test func twoRunsDoNotChangeTheSameSetting() throws {
    let host = try Host()
    let first = try host.changes("a", ["aslr=0"])
    try first.apply()
    let second = try host.changes("b", ["aslr=1"])
    let error = #expect(throws: LBError.self) { try second.apply() }
    #expect(error?.message.contains("another run") == true)
    #expect(host.aslrNow == "0" && !host.isNoted("b"), "nothing was noted of it")
    #expect(try second.restore().isEmpty && first.restore().isEmpty && host.aslrNow == "2")
    try second.apply()
    #expect(host.aslrNow == "1")
    #expect(try second.restore().isEmpty && host.aslrNow == "2")
  }

  @Test func oneFileUnderTwoNamesIsChangedOnce() throws {
    let host = try Host()
    let other = host.roots.sys("devices/system/cpu/cpu1/cpufreq")
    let made = unsafe [
      unlink("\(other)/scaling_governor"), rmdir(other), symlink("../cpu0/cpufreq", other),
    ]
    #expect(made == [0, 0, 0])
    let changes = try host.changes("a", ["governor=performance", "aslr=0", "aslr=1"])
    try changes.apply()
    #expect(host.governor(1) == "performance" && host.aslrNow == "1")
    // Its second name has not made it everybody's.
    let same = try host.changes("b", ["governor=performance"])
    #expect(throws: LBError.self) { try same.apply() }
    #expect(try changes.restore().isEmpty && host.governor(0) == "powersave" && host.aslrNow == "2")
  }

  @Test func whatIsAsWantedIsSharedAndHeld() throws {
    let host = try Host()
    let first = try host.changes("a", ["aslr=2"])
    try first.apply()
    try host.changes("b", ["aslr=2"]).apply()
    #expect(throws: LBError.self) { try host.changes("c", ["aslr=0"]).apply() }
    #expect(host.aslrNow == "2" && !host.isNoted("a") && !host.isNoted("c"))
  }

  @Test func whatAnotherRunHasChangedIsNotPutBackUnderIt() throws {
    let host = try Host()
    do { try host.changes("a", ["aslr=0"]).apply() }
    let other = try host.changes("b", ["aslr=1"])
    try other.apply()
    let note = HostChanges.state(ofRun: host.folder.file("a"))
    #expect(HostChanges.restore(note, host.roots).failures.count == 1 && host.aslrNow == "1")
    #expect(try other.restore().isEmpty && host.aslrNow == "0" && host.isNoted("a"))
    #expect(HostChanges.restore(note, host.roots).failures.isEmpty && host.aslrNow == "2")
  }

  @Test func whatDoesNotExistHereIsRefused() throws {
    let host = try Host()
    let error = #expect(throws: LBError.self) { try host.changes("a", ["turbo=off"]).apply() }
    #expect(error?.category == .gate && error?.message.contains("no such setting") == true)
    #expect(!host.isNoted("a"))
  }

  @Test func dropsOfCachesAreAudited() throws {
    let host = try Host()
    let file = try host.folder.write("proc/sys/vm/drop_caches", "0")
    let events = Events()
    let changes = try host.changes("a", ["drop-caches=3"], events)
    try changes.apply()
    #expect(events.kinds.isEmpty && SmallFile.text(file) == "0", "they come before each attempt")
    try changes.applyBeforeAttempt()
    #expect(events.kinds == ["host.change"] && SmallFile.text(file) == "3")
  }
}
