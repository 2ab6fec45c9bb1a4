import Foundation
import LinuxSystem
import TestSupport
import Testing

@Suite(.serialized) struct SampleCommandTests {
  @Test func theStreamAgreesWithAnIndependentReader() throws {
    let command = try Command()
    let running = try command.start([
      "--cpu", "--net", "--interval", "10ms", "--count", "500", "--format", "ndjson", "--raw",
    ])
    // The same files by another reader all the while, each reading with its own time.
    var readings: [(start: UInt64, end: UInt64, values: [String: Double])] = []
    let clock = TimeSource.system
    while running.process.isRunning {
      let start = clock.realtime()
      let values = try independentReading()
      readings.append((start, clock.realtime(), values))
    }
    let outcome = try running.finish()
    #expect(outcome.code == 0)
    let objects = try outcome.objects()
    #expect(objects.first?["type"] as? String == "meta")
    #expect(objects.last?["type"] as? String == "end")
    let ledger = try #require(objects.last?["ledger"] as? [String: Any])
    let skipped = try #require(ledger["skipped"] as? Int)
    let samples = objects.filter { $0["type"] as? String == "sample" }
    #expect(samples.count == 2 * (500 - skipped))
    var compared = 0
    for sample in samples {
      let time = try #require(sample["time_ns"] as? UInt64)
      let values = try #require(sample["values"] as? [String: Double])
      // The last reading over before this sample, and one begun well after its read: a thread
      // may be held up between its clock and its read.
      guard let low = readings.last(where: { $0.end < time })?.values,
        let high = readings.first(where: { $0.start > time + 100_000_000 })?.values
      else { continue }
      compared += 1
      for (name, value) in values {
        // Levels may move either way, and the kernel lets idle and iowait step back.
        guard let from = low[name], let to = high[name], !name.hasPrefix("cpu.procs_"),
          !name.hasPrefix("cpu.idle"), !name.hasPrefix("cpu.iowait")
        else { continue }
        #expect(value >= from && value <= to, "\(name): \(from) ≤ \(value) ≤ \(to)")
      }
    }
    #expect(compared > 600, "\(compared) of \(samples.count) samples lie between two readings")
    for sample in samples where sample["collector"] as? String == "cpu" {
      let values = try #require(sample["values"] as? [String: Double])
      let cpus = values.keys.filter { $0.hasPrefix("cpu.user[") && $0 != "cpu.user[all]" }
      let sum = cpus.reduce(0.0) { $0 + (values[$1] ?? 0) }
      // Each line is rounded down to a tick of 10 ms on its own.
      #expect(abs((values["cpu.user[all]"] ?? -1) - sum) <= 1e7 * Double(cpus.count))
    }
  }

  /// Whatever refuses a command does so before its output file loses what it had; a command that
  /// is not refused replaces all of it.
  @Test func aRefusedCommandLeavesItsOutputFileAlone() throws {
    let command = try Command()
    let (kept, record) = (command.folder.file("kept"), command.folder.file("r.lbsample"))
    let old = String(repeating: "old\n", count: 1_000)
    let first = try command("--cpu", "-c", "1", "-i", "10ms", "--record", record)
    #expect(first.code == 0)
    try command.folder.write("kept", old)
    let sample = ["--cpu", "-c", "1", "-i", "10ms", "-o", kept]
    let refused: [[String]] = [
      sample + ["--format", "csv", "--record", record],
      sample + ["--raw"],
      sample + ["--format", "csv", "--only", "no.such.metric"],
      ["run", "--cpu", "--result", kept, "--events", kept + "2"]
        + ["--event-format", "no", "--", "true"],
      ["export", record, "-o", kept, "--metric", "no.such.metric"],
    ]
    try command.folder.write("kept2", old)
    for arguments in refused {
      let outcome = try command.start(arguments).finish()
      #expect(outcome.code != 0, "\(arguments)")
      for path in [kept, kept + "2"] {
        #expect(try String(contentsOfFile: path, encoding: .utf8) == old, "\(arguments)")
      }
    }
    let replaced = try command.start(["export", record, "-o", kept]).finish()
    let text = try String(contentsOfFile: kept, encoding: .utf8)
    #expect(replaced.code == 0 && text.hasPrefix("time_ns,") && !text.contains("old"))
  }

  /// /proc/stat and /proc/net/dev by string splitting, in base units.
  private func independentReading() throws -> [String: Double] {
    var values: [String: Double] = [:]
    let times = [
      "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest",
      "guest_nice",
    ]
    let stat = try String(contentsOfFile: "/proc/stat", encoding: .utf8)
    for line in stat.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words[0].hasPrefix("cpu") {
        let instance = words[0] == "cpu" ? "all" : String(words[0].dropFirst(3))
        for (field, word) in zip(times, words.dropFirst()) {
          values["cpu.\(field)[\(instance)]"] = (Double(word) ?? -1) * 1e7
        }
      } else {
        let name = words[0] == "softirq" ? "softirq_total" : String(words[0])
        values["cpu.\(name)"] = Double(words[1]) ?? -1
      }
    }
    let columns = ["rx_bytes", "rx_packets", "rx_errs", "rx_drop"]
    let net = try String(contentsOfFile: "/proc/net/dev", encoding: .utf8)
    for line in net.split(separator: "\n").dropFirst(2) {
      let parts = line.split(separator: ":")
      let name = parts[0].trimmingCharacters(in: .whitespaces)
      for (column, word) in zip(columns, parts[1].split(separator: " ")) {
        values["net.\(column)[\(name)]"] = Double(word) ?? -1
      }
    }
    return values
  }

  @Test func theAccountAtOneKilohertzIsExact() throws {
    let outcome = try Command()(
      "--cpu", "--net", "--interval", "1ms", "--duration", "2s", "--record", "r.lbsample")
    #expect(outcome.code == 0)
    #expect(outcome.error.contains("2000 deadlines = "))
    #expect(outcome.error.contains("+ 0 dropped"))
    print(outcome.error)
  }

  @Test func aSuspendedProcessShowsItsSkippedDeadlines() throws {
    let command = try Command()
    let running = try command.start([
      "--cpu", "--interval", "1ms", "--format", "ndjson", "--only", "cpu.ctxt",
    ])
    #expect(running.wait { running.output.split(separator: "\n").count > 50 })
    kill(running.process.processIdentifier, SIGSTOP)
    usleep(500_000)
    kill(running.process.processIdentifier, SIGCONT)
    usleep(200_000)
    running.process.interrupt()
    let outcome = try running.finish()
    #expect(outcome.code == 0)
    let end = try #require(try outcome.objects().last)
    let ledger = try #require(end["ledger"] as? [String: Any])
    let count = { (key: String) in ledger[key] as? Int ?? -1 }
    #expect(count("deadlines") == count("on_time") + count("late") + count("skipped"))
    #expect(count("skipped") >= 480, "500 ms at 1 kHz")
    #expect(count("pushed") == count("drained") + count("dropped"))
    // Samples that were taken and deadlines that were skipped are all the deadlines there were.
    let taken = try outcome.objects().filter { $0["type"] as? String == "sample" }.count
    #expect(taken - 1 <= count("deadlines") - count("skipped"))
  }

  @Test func everyFormatEndsWellAtAnInterrupt() throws {
    for (arguments, expected) in [
      ([String](), Int32(0)), (["--count", "100000"], 130), (["--format", "csv"], 0),
    ] {
      let command = try Command()
      let running = try command.start(["--cpu", "--interval", "10ms"] + arguments)
      #expect(running.wait { running.output.split(separator: "\n").count > 4 })
      running.process.interrupt()
      let outcome = try running.finish()
      #expect(outcome.code == expected)
      #expect(outcome.error.contains("deadlines"))
      #expect(outcome.output.hasSuffix("\n"))
    }
  }

  @Test func aReaderThatDoesNotReadCannotHoldAStopUp() throws {
    let command = try Command()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Command.path)
    process.arguments = ["--cpu", "--interval", "1ms", "--format", "ndjson"]
    process.environment = command.environment
    process.standardOutput = Foundation.Pipe()
    process.standardError = FileHandle.nullDevice
    try process.run()
    usleep(700_000)
    let start = Clock.monotonic()
    process.terminate()
    process.waitUntilExit()
    #expect(Clock.monotonic() - start < 1_500_000_000)
    #expect(process.terminationStatus == 143)
  }

  @Test func aClosedPipeEndsItSilently() throws {
    let command = try Command()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [
      "-c", "'\(Command.path)' --cpu --interval 10ms --format csv 2>err | head -n 2 >/dev/null",
    ]
    process.environment = command.environment
    process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
    try process.run()
    process.waitUntilExit()
    #expect(SmallFile.text(command.folder.file("err")) == "")
  }

  @Test func vmstatsTwoNumbersAreUnderstood() throws {
    let outcome = try Command()("0.05", "3", "--cpu")
    #expect(outcome.code == 0)
    #expect(outcome.lines.count == 6, "three lines of headings: \(outcome.output)")
  }

  @Test func anInterfaceMayComeAndGo() throws {
    guard getuid() == 0, FileManager.default.fileExists(atPath: "/sbin/ip") else {
      try Test.cancel("needs root and ip(8) to make a network namespace")
    }
    let command = try Command()
    let script = """
      set -e
      ip link set lo up
      '\(Command.path)' --net --interval 20ms --count 100 --format ndjson > out 2> err &
      tries=0
      until grep -q '"type":"sample"' out || [ $tries -gt 200 ]; do
        sleep 0.02; tries=$((tries + 1))
      done
      ip link add lbtest0 type veth peer name lbtest1
      sleep 0.3
      ip link del lbtest0
      wait
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
    process.arguments = ["-n", "/bin/sh", "-c", script]
    process.environment = command.environment
    process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      try Test.cancel(
        "no veth interfaces here: \(SmallFile.text(command.folder.file("err")) ?? "")")
    }
    let text = SmallFile.text(command.folder.file("out")) ?? ""
    func has(_ word: String, _ name: String) -> Bool {
      text.split(separator: "\n").contains { line in
        line.contains("columns changed") && line.contains(word) && line.contains("net[\(name)]")
      }
    }
    #expect(has("added", "lbtest1") || has("added", "lbtest0"))
    #expect(has("removed", "lbtest0"))
    #expect(text.contains(#""event":"layout""#))
  }

  /// Ten collectors had a live table of times alone, and a choice of columns was dropped.
  @Test(arguments: [
    (["--interrupts"], "interrupts"), (["--softirqs"], "TIMER"), (["--files"], "file_allocated"),
    (["--entropy"], "entropy_avail"), (["--timex"], "offset"),
    (["--vm-interval", "50ms", "--vm", "--only", "vm.pgfree"], "pgfree"),
    (["--cpu", "--only", "cpu.user[0]"], "usr"),
  ])
  func whatIsNamedHasColumns(_ arguments: [String], _ heading: String) throws {
    let command = try Command()
    let outcome = try command.start(
      arguments + ["-i", "50ms", "-c", "1"] + intervals(arguments)
    ).finish()
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(outcome.output.contains(heading), "\(outcome.output)")
    let row = try #require(outcome.lines.last)
    #expect(row.contains("|"), "\(row)")
  }

  private func intervals(_ arguments: [String]) -> [String] {
    arguments.contains("--only") || arguments.contains("--softirqs")
      ? [] : arguments.flatMap { ["\($0)-interval", "50ms"] }
  }

  /// What a recording was, against its own samples.
  @Test func aRecordingHasASummary() throws {
    let command = try Command()
    let file = command.folder.file("r.lbsample")
    let recorded = try command("--memory", "-i", "20ms", "-c", "25", "--record", file)
    #expect(recorded.code == 0, "\(recorded.error)")
    let shown = try command("runs", "show", file, "--format", "json")
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(shown.output.utf8)) as? [String: Any])
    #expect(json["runID"] != nil && json["journal"] == nil)
    let summary = try #require(json["recording"] as? [String: Any])
    let metrics = try #require(summary["metrics"] as? [[String: Any]])
    let rows = try command("export", file, "--format", "csv").lines.map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    let frames = try #require(summary["frames"] as? Int)
    #expect(recorded.error.contains("; \(frames) frames = "), "\(recorded.error)")
    for name in ["memory.MemFree", "memory.Active", "memory.MemTotal"] {
      let place = try #require(rows[0].firstIndex(of: name))
      let values = rows.dropFirst().compactMap { Double($0[place]) }
      let metric = try #require(metrics.first { $0["metric"] as? String == name })
      #expect(metric["minimum"] as? Double == values.min(), "\(name)")
      #expect(metric["maximum"] as? Double == values.max(), "\(name)")
      #expect(metric["count"] as? Int == values.count)
      let first = rows.dropFirst().first { Double($0[place]) == values.max() }
      #expect(metric["maximumElapsedNanoseconds"] as? Int == first.flatMap { Int($0[1]) })
      #expect(metric["maximumUnixNanoseconds"] as? Int == first.flatMap { Int($0[0]) })
      let mean = try #require(metric["mean"] as? Double)
      #expect(mean >= values.min() ?? 0 && mean <= values.max() ?? 0)
    }
    let text = try command("runs", "show", file)
    #expect(text.code == 0 && text.output.contains("span     "), "\(text.output)")
    #expect(!text.output.contains("MemTotal") && text.output.contains("available, whole host"))
    #expect(text.lines.contains { $0.contains("metrics in all: lbsample runs show ") })
    let digest = try #require(json["digest"] as? [[String: Any]])
    let available = try #require(digest.first { $0["key"] as? String == "available" })
    let level = metrics.first { $0["metric"] as? String == "memory.MemAvailable" }
    #expect(available["mean"] as? Double == level?["mean"] as? Double)
    #expect(available["maximum"] as? Double == level?["maximum"] as? Double)
    #expect(digest.first { $0["key"] as? String == "received" }?["mean"] is NSNull)
    let all = try command("runs", "show", file, "--all").lines
    #expect(all.contains { $0.hasPrefix("metric ") && $0.hasSuffix("max at") }, "\(all)")
    #expect(all.contains { $0.hasPrefix("memory.MemTotal ") })
    let chosen = try command("runs", "show", file, "--metric", "memory.Mem*").lines
    #expect(chosen.count { $0.hasPrefix("memory.") } == 3, "\(chosen)")
    let slip = try command("runs", "show", file, "--metric", "memry.*")
    #expect(slip.code == 2 && slip.error.contains("memory"), "\(slip.error)")
    #expect(slip.output.isEmpty)
  }

  /// The journal of a run is data too, and its metrics can be chosen.
  @Test func theJournalOfARunIsData() throws {
    let command = try Command()
    #expect(try command("run", "--cpu", "--", "true").code == 0)
    for format in ["json", "yaml"] {
      let plain = try command("runs", "show", "--format", format)
      let whole = try command("runs", "show", "--format", format, "--journal")
      #expect(!plain.output.contains("repetition.end"))
      #expect(whole.output.contains("repetition.end") && whole.output.contains("runID"))
    }
    let json = try command("runs", "show", "--format", "json", "--journal")
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    #expect(result["recording"] == nil, "a run has none")
    let journal = try #require(result["journal"] as? [[String: Any]])
    #expect(journal.first?["kind"] as? String == "run.start", "\(journal)")
    let lines = try command("runs", "show", "--journal").lines
    #expect(lines.count { $0.contains(": ") && $0.contains("repetition.") } > 0)
    let digest = try #require(result["digest"] as? [[String: Any]])
    let wall = try #require(digest.first { $0["key"] as? String == "wall_time" })
    #expect(wall["n"] as? Int == 1 && wall["interval"] is NSNull && wall["median"] is Double)
    let plot = try command("runs", "show", "--plot", "wall_time").lines
    #expect(plot.count == 2 && plot[1].hasPrefix("main\t1\t1\t"), "\(plot)")
    let nothing = try command("runs", "show", "--plot", "wal_time")
    #expect(nothing.code == 2 && nothing.error.contains("wall_time"), "\(nothing.error)")
    let idle = try command("runs", "show", "--sort", "name")
    #expect(idle.code == 2 && idle.error.contains("--all or --metrics"), "\(idle.error)")
    let chosen = try command("runs", "show", "--metrics", "wall_*").lines
    let summary = chosen.drop { !$0.hasPrefix("metric ") }
    #expect(summary.dropFirst().first?.hasPrefix("wall_time ") == true, "\(chosen)")
    #expect(!chosen.contains { $0.hasPrefix("user_time") })
  }

  /// What happens beside the samples of a run is in the log file as that of a watch, and in its
  /// warnings.
  @Test func theLogOfARunHasWhatIsDamaged() throws {
    let command = try Command()
    let stat = "cpu  1 0 1 1 0 0 0 0 0 0\ncpu0 1 0 1 1 0 0 0 0 0 0\nctxt "
    try command.folder.write("proc/stat", stat + "1\n")
    try command.folder.write("damaged", stat + "zz\n")
    let log = command.folder.file("log")
    let outcome = try command(
      "run", "--cpu", "--proc-root", command.folder.file("proc"), "-i",
      "10ms", "--log-file", log, "--", "sh", "-c", "sleep 0.1; cp damaged proc/stat; sleep 0.1")
    #expect(outcome.code == 0, "\(outcome.error)")
    let logged = SmallFile.text(log) ?? ""
    for words in [
      "notice",
      #"line 3: field 2 of "ctxt" is not a number; its value is left out (reported once)"#,
      "columns changed (layout 2): removed cpu.ctxt", "repetition.end",
    ] {
      #expect(logged.contains(words), "\(words): \(logged)")
    }
    #expect(logged.components(separatedBy: "not a number").count == 2, "\(logged)")
    #expect(outcome.output.contains("warning  "))
    #expect(outcome.output.contains(#"field 2 of "ctxt" is not a number"#))
    #expect(outcome.error == "" || !outcome.error.contains("not a number"), "\(outcome.error)")
  }

  /// Interfaces, CPUs and fields come and go: that is told in one line, and makes nothing fail.
  @Test func aChangeOfColumnsIsNoWarning() throws {
    let command = try Command()
    let stat = "cpu  1 0 1 1 0 0 0 0 0 0\ncpu0 1 0 1 1 0 0 0 0 0 0\n"
    try command.folder.write("proc/stat", stat + "ctxt 1\n")
    try command.folder.write("less", stat)
    try command.folder.write(
      "own.conf",
      """
      [gates]
      host = "off"
      skipped = ""
      own_cost = ""
      foreign_cpu = ""
      steal = ""
      throttling = false
      """)
    let script = "for n in 1 2 3; do sleep 0.1; cp less new; mv new proc/stat; sleep 0.1; "
    let outcome = try command(
      "run", "--cpu", "--config", command.folder.file("own.conf"), "--strict", "--proc-root",
      command.folder.file("proc"), "-i", "10ms", "--", "sh", "-c",
      script + "echo ctxt 1 >> proc/stat; done")
    #expect(outcome.code == 0, "\(outcome.error) \(outcome.output)")
    #expect(!outcome.output.contains("warning  cpu: columns"), "\(outcome.output)")
    let line = "columns  changed during sampling, number of times: cpu "
    #expect(outcome.output.contains(line), "\(outcome.output)")
    #expect(try command("runs", "show", "last").output.contains(line))
  }

  /// A terminal that gets narrower while it is sampled.
  @Test func theTableFollowsItsWindow() throws {
    let terminal = try Terminal(columns: 150)
    let command = try Command()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Command.path)
    process.arguments = ["--cpu", "--memory", "--vm", "--vm-interval=50ms", "-i", "50ms"]
    process.environment = command.environment.merging(["NO_COLOR": "1"]) { $1 }
    process.standardOutput = terminal.ownEnd
    process.standardError = FileHandle.nullDevice
    try process.run()
    defer { process.waitUntilExit() }
    func lines() -> [String] { terminal.text().split(separator: "\n").map(String.init) }
    func wait(_ condition: ([String]) -> Bool) -> Bool {
      for _ in 0..<2000 {
        if condition(lines()) { return true }
        usleep(5000)
      }
      return false
    }
    #expect(wait { $0.count > 4 })
    let wide = lines().count
    #expect(lines()[0].contains("memory") && lines()[0].count > 80, "\(lines())")
    terminal.resize(columns: 30)
    #expect(wait { $0.dropFirst(wide).count { $0.hasPrefix("time") } == 1 }, "\(lines())")
    #expect(wait { ($0.last?.count ?? 0) <= 30 && $0.last?.contains(":") == true })
    let narrow = lines().dropFirst(wide).drop { !$0.hasPrefix("  ") }
    #expect(narrow.count >= 3 && narrow.allSatisfy { $0.count <= 30 }, "\(narrow)")
    process.interrupt()
  }

  /// Runs the command on a terminal to its end.
  private func onTerminal(
    _ command: Command, columns: UInt16, _ variables: [String: String] = [:],
    _ arguments: [String]
  ) throws -> String {
    let terminal = try Terminal(columns: columns)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Command.path)
    process.arguments = arguments
    process.environment = command.environment.merging(["NO_COLOR": "1"]) { $1 }
      .merging(variables) { $1 }
    process.standardOutput = terminal.ownEnd
    process.standardError = FileHandle.nullDevice
    try process.run()
    // A terminal that nobody reads takes a page or two.
    while process.isRunning {
      _ = terminal.text()
      usleep(5000)
    }
    process.waitUntilExit()
    return terminal.text()
  }

  /// A terminal that does not know its size is as wide as the environment says, or 80 columns.
  @Test(arguments: [("", 80), ("50", 50), ("0", 80), ("wide", 80)])
  func aTerminalWithoutASizeHasOne(_ said: String, _ width: Int) throws {
    let text = try onTerminal(
      try Command(), columns: 0, ["COLUMNS": said],
      ["--cpu", "--memory", "--vm", "--load", "--protocols", "-i", "50ms", "-c", "2"])
    let lines = text.split(separator: "\n")
    #expect(lines.count >= 4 && lines.allSatisfy { $0.count <= width }, "\(text)")
    #expect(lines.contains { $0.count > width - 12 }, "and uses it: \(text)")
  }

  @Test func theBusiestProcessesFitTheWindow() throws {
    let text = try onTerminal(
      try Command(), columns: 60, [:],
      ["--cpu", "--top", "3", "--interval-of", "top=50ms", "-i", "50ms", "-c", "3"])
    let lines = text.split(separator: "\n")
    #expect(lines.contains { $0.contains("pid  cpu %") }, "\(text)")
    #expect(lines.allSatisfy { $0.count <= 60 }, "\(text)")
  }

  /// A terminal would act on what is in a workload's output; a program gets it as it is.
  @Test func aKeptOutputIsShownOnATerminal() throws {
    let command = try Command()
    let run = try command("run", "--cpu", "--", "printf", "\\033[31mred\\033]0;title\\007\\ttab\\n")
    #expect(run.code == 0, "\(run.error)")
    let text = try onTerminal(
      command, columns: 100, [:], ["runs", "show", "last", "--show-output"])
    #expect(text.contains("\\u{1B}[31mred\\u{1B}]0;title\\u{07}\ttab"), "\(text)")
    #expect(!text.contains("\u{1b}"))
    let plain = try command("runs", "show", "last", "--show-output")
    #expect(plain.output.contains("\u{1b}[31mred\u{1b}]0;title\u{07}\ttab\n"))
  }

  @Test(arguments: ["csv", "ndjson", "table"])
  func anExportOfNothingSaysSo(_ format: String) throws {
    let command = try Command()
    let file = command.folder.file("rec.lbsample")
    #expect(try command("--cpu", "-i", "50ms", "-c", "3", "--record", file).code == 0)
    let nothing = try command("export", file, "--format", format, "--from", "10s")
    #expect(nothing.code == 0)
    #expect(
      nothing.error.contains(
        "no sample lies in --from 10s; --from and --to count from the first sample of the run"),
      "\(nothing.error)")
    let some = try command("export", file, "--format", format, "--from", "0s", "--to", "10s")
    #expect(some.code == 0 && !some.error.contains("no sample"), "\(some.error)")
    let quiet = try command("export", file, "--format", format, "--from", "10s", "--quiet")
    #expect(quiet.code == 0 && quiet.error == "")
  }

  @Test func whatHasNoRowInTimeIsSaid() throws {
    let outcome = try Command()("--links", "--cpu", "-i", "50ms", "-c", "1")
    #expect(outcome.code == 0, "\(outcome.error)")
    #expect(outcome.error.contains("links is read every 10s, so it has no value within 1 sample;"))
  }

  @Test func csvHasUnitsTimesAndRecordsOnRequest() throws {
    let command = try Command()
    let units = try command(
      "--cpu", "--only", "cpu.ctxt", "--format", "csv", "--units", "header", "--time", "iso",
      "-i", "50ms", "-c", "1")
    #expect(units.lines.first == "time,elapsed_ns,cpu.ctxt (count/s)", "\(units.output)")
    #expect(units.lines.last?.contains("Z,") ?? false)
    let records = try command(
      "--top", "2", "--top-by", "memory", "--top-interval", "50ms", "-i", "50ms", "-c", "2",
      "--format", "csv", "--records", "busiest")
    #expect(records.lines.first?.hasPrefix("time_ns,kind,pid,tid,ppid,comm,") ?? false)
    #expect(records.lines.count >= 3, "\(records.output)")
    let refused = try command("--cpu", "--records", "flow", "--format", "csv", "-c", "1")
    #expect(refused.code == 2 && refused.error.contains("no selected collector writes records"))
    let table = try command.start(["--cpu", "--units", "header", "-c", "1"]).finish()
    #expect(table.code == 2 && table.error.contains("--units needs --format csv"))
  }

  /// Whatever the output is, a number that is damaged while it is sampled is said once, and in the
  /// log file too.
  @Test(arguments: ["csv", "ndjson", "table"])
  func whatIsDamagedWhileItIsSampledIsSaid(_ format: String) throws {
    let command = try Command()
    let stat = "cpu  1 0 1 1 0 0 0 0 0 0\ncpu0 1 0 1 1 0 0 0 0 0 0\nctxt "
    try command.folder.write("proc/stat", stat + "1\n")
    let log = command.folder.file("log")
    let running = try command.start([
      "--cpu", "--interval", "10ms", "--format", format, "--proc-root", command.folder.file("proc"),
      "--log-file", log, "--verbose",
    ])
    #expect(running.wait { running.output.split(separator: "\n").count > 3 })
    try command.folder.write("proc/stat", stat + "zz\n")
    let words = #"line 3: field 2 of "ctxt" is not a number; its value is left out (reported once)"#
    #expect(running.wait { running.error.contains(words) })
    running.process.interrupt()
    let outcome = try running.finish()
    #expect(outcome.code == 0)
    #expect(outcome.error.components(separatedBy: words).count == 2, "\(outcome.error)")
    let logged = SmallFile.text(log) ?? ""
    #expect(logged.components(separatedBy: words).count == 2, "\(logged)")
    #expect(logged.contains("sampling started: cpu, every 10ms"))
    #expect(outcome.error.contains("columns changed (layout 2): removed cpu.ctxt"))
  }
}

/// A terminal of a test's own.
private final class Terminal {
  private let master: Int32
  /// What a process writes to.
  let ownEnd: FileHandle
  private var bytes: [UInt8] = []

  init(columns: UInt16) throws {
    master = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    // TIOCSPTLCK and TIOCGPTPEER of asm-generic/ioctls.h.
    var isLocked: Int32 = 0
    guard master >= 0, unsafe ioctl(master, 0x4004_5431, &isLocked) == 0 else {
      throw SystemError("/dev/ptmx", errno: errno)
    }
    let end = ioctl(master, 0x5441, O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard end >= 0 else { throw SystemError("TIOCGPTPEER", errno: errno) }
    ownEnd = FileHandle(fileDescriptor: end, closeOnDealloc: true)
    resize(columns: columns)
  }

  deinit { close(master) }

  func resize(columns: UInt16) {
    var size = winsize(ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = unsafe ioctl(master, UInt(TIOCSWINSZ), &size)
  }

  /// All that was written so far, without the returns that a terminal puts before line feeds.
  func text() -> String {
    var part = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe read(master, &part, part.count)
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += part[..<count].filter { $0 != UInt8(ascii: "\r") }
    }
  }
}
