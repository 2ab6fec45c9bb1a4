import Foundation
import LinuxSystem
import TestSupport
import Testing

@Suite(.serialized) struct RunCommandTests {
  private func result(_ outcome: Command.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  private func attempts(_ result: [String: Any]) throws -> [[String: Any]] {
    let phases = try #require(result["phases"] as? [[String: Any]])
    let repetitions = phases.flatMap { $0["repetitions"] as? [[String: Any]] ?? [] }
    return repetitions.flatMap { $0["attempts"] as? [[String: Any]] ?? [] }
  }

  @Test func theBracketHoldsTheWorkloadWhateverTheInterval() throws {
    let command = try Command()
    let script = "cat /proc/uptime >/dev/null; date +%s%N; sleep 0.05; date +%s%N"
    let outcome = try command(
      "run", "-r", "3", "--cpu", "--format", "json", "--", "sh", "-c", script)
    #expect(outcome.code == 0, "\(outcome.error)")
    let shown = try command("runs", "show", "last", "--show-output")
    let printed = shown.lines.compactMap { UInt64($0) }
    #expect(printed.count == 6)
    let frames = try command("export", "last", "--format", "ndjson", "--raw")
    let edges = try frames.objects().filter { $0["edge"] != nil }
    #expect(edges.count == 6)
    for repetition in 0..<3 where printed.count == 6 && edges.count == 6 {
      let open = try #require(edges[repetition * 2]["time_ns"] as? UInt64)
      let close = try #require(edges[repetition * 2 + 1]["time_ns"] as? UInt64)
      #expect(edges[repetition * 2]["edge"] as? String == "open")
      #expect(edges[repetition * 2]["repetition"] as? Int == repetition + 1)
      #expect(open <= printed[repetition * 2], "the opening sample is before the first instruction")
      #expect(close >= printed[repetition * 2 + 1], "the closing one after the last")
    }
    for attempt in try attempts(try result(outcome)) {
      let metrics = try #require(attempt["metrics"] as? [String: Double])
      #expect((metrics["cpu.processes"] ?? 0) >= 4, "the shell's own forks lie in the bracket")
      let wall = try #require(attempt["wallNanoseconds"] as? UInt64)
      #expect(wall >= 50_000_000)
    }
  }

  @Test func aWorkloadOfTwoMillisecondsIsMeasured() throws {
    let outcome = try Command()(
      "run", "-r", "5", "--cpu", "--format", "json", "--", "sleep", "0.002")
    #expect(outcome.code == 0)
    for attempt in try attempts(try result(outcome)) {
      let wall = try #require(attempt["wallNanoseconds"] as? UInt64)
      let bracket = try #require(attempt["bracketNanoseconds"] as? UInt64)
      #expect(wall >= 2_000_000 && bracket >= wall)
      #expect(attempt["status"] as? String == "completed")
    }
  }

  @Test func aBusyWorkloadShowsItsCPUSeconds() throws {
    let cpus = CPUSet.allowed().members
    let cpu = try #require(cpus.first)
    // A second of CPU time by the shell's own clock, not of elapsed time: other load on this
    // host then lengthens it and does not change the count.
    let script = """
      import time
      while time.process_time() < 1.0: pass
      """
    guard
      FileManager.default.fileExists(atPath: "/usr/bin/python3")
        || FileManager.default.fileExists(atPath: "/usr/local/bin/python3")
    else {
      try Test.cancel("needs python3 as a workload with a CPU clock")
    }
    let outcome = try Command()(
      "run", "--cpu", "--workload-cpus", "\(cpu)", "--format", "json", "--", "python3", "-c",
      script)
    #expect(outcome.code == 0, "\(outcome.error)")
    let attempt = try #require(try attempts(try result(outcome)).first)
    let user = try #require(attempt["userNanoseconds"] as? Double)
    let system = try #require(attempt["systemNanoseconds"] as? Double)
    #expect((0.97...1.10).contains((user + system) / 1e9), "\((user + system) / 1e9) CPU seconds")
    let metrics = try #require(attempt["metrics"] as? [String: Double])
    let host = ["user", "system", "nice"].reduce(0.0) {
      $0 + (metrics["cpu.\($1)[\(cpu)]"] ?? 0)
    }
    // Other suites may use the same CPU beside it: this bounds it from below only.
    #expect(host / 1e9 >= 0.95, "\(host / 1e9) CPU seconds on CPU \(cpu)")
  }

  @Test func perfCountsTheSameTaskClock() throws {
    let perf = "/usr/bin/perf"
    guard FileManager.default.fileExists(atPath: perf) else {
      try Test.cancel("perf is not installed")
    }
    let command = try Command()
    let counts = command.folder.file("counts")
    let outcome = try command(
      "run", "--cpu", "--format", "json", "--", perf, "stat", "-x", ",", "-o", counts, "-e",
      "task-clock", "sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
    guard outcome.code == 0, let text = SmallFile.text(counts),
      let line = text.split(separator: "\n").first(where: { $0.contains("task-clock") }),
      let milliseconds = Double(line.split(separator: ",")[0])
    else {
      try Test.cancel("perf stat does not count task-clock here: \(outcome.error)")
    }
    let attempt = try #require(try attempts(try result(outcome)).first)
    let user = try #require(attempt["userNanoseconds"] as? Double)
    let system = try #require(attempt["systemNanoseconds"] as? Double)
    let ours = (user + system) / 1e6
    // What the hypervisor took in between is in perf's clock, and not in the kernel's accounts.
    let stolen = ((attempt["metrics"] as? [String: Double])?["cpu.steal[all]"] ?? 0) / 1e6
    // perf itself is in our count and not in its own: 30 ms is more than it takes to start.
    #expect(ours + stolen >= milliseconds * 0.97 && ours <= milliseconds * 1.03 + 30)
    print("task-clock by perf \(milliseconds) ms, by rusage \(ours) ms")
  }

  @Test func aTimeoutLeavesNoProcessNotEvenOneThatCalledSetsid() throws {
    let command = try Command()
    let outcome = try command(
      "run", "--timeout", "300ms", "--grace", "200ms", "--format", "json", "--", "sh", "-c",
      "trap '' TERM; setsid sleep 987.125 & sleep 987.25")
    #expect(outcome.code == 4)
    let attempt = try #require(try attempts(try result(outcome)).first)
    #expect(attempt["status"] as? String == "timeout")
    #expect((attempt["orphansKilled"] as? Int ?? 0) >= 1)
    let left = try Process.run(
      URL(fileURLWithPath: "/bin/sh"),
      arguments: ["-c", "ps ax -o args | grep -q '^sleep 987\\.'"])
    left.waitUntilExit()
    #expect(left.terminationStatus == 1, "a sleep of the workload is still there")
  }

  @Test func aStopKeepsWhatThereIs() throws {
    for (signal, code) in [(SIGINT, Int32(130)), (SIGTERM, 143)] {
      let command = try Command()
      let running = try command.start([
        "run", "-r", "5", "--interval", "10s", "--", "sleep", "100",
      ])
      #expect(running.wait { command.resultFile != nil })
      // Arming comes behind the file.
      usleep(900_000)
      let start = Clock.monotonic()
      kill(running.process.processIdentifier, signal)
      let outcome = try running.finish()
      #expect(Clock.monotonic() - start < 1_000_000_000)
      #expect(outcome.code == code)
      #expect(outcome.output.contains("interrupted"))
      let shown = try command("runs", "show", "last")
      #expect(shown.output.contains("status   interrupted"))
      #expect(shown.output.contains("not begun  4 of 5 repetitions"))
    }
  }

  @Test func theOutputIsDrainedKeptAndBounded() throws {
    let command = try Command()
    let outcome = try command(
      "run", "--format", "json", "--", "sh", "-c", "head -c 5000000 /dev/zero; echo end >&2")
    #expect(outcome.code == 0)
    let attempt = try #require(try attempts(try result(outcome)).first)
    #expect(attempt["outputBytes"] as? Int == 5_000_004)
    #expect(attempt["outputBytesKept"] as? Int == 1 << 20)
    #expect(try command("runs", "show", "last").output.contains("1048576 of 5000004 bytes"))
  }

  @Test func environmentDirectoryInputAndLabelsReachTheWorkload() throws {
    let command = try Command()
    try command.folder.write("in.txt", "from the file\n")
    let outcome = try command(
      "run", "--env", "NAME=value", "--chdir", "/tmp", "--input", command.folder.file("in.txt"),
      "--label", "who=me", "--name", "odd name/!", "--", "sh", "-c", "echo $NAME; pwd; cat")
    #expect(outcome.code == 0, "\(outcome.error)")
    let shown = try command("runs", "show", "last", "--show-output")
    for part in ["value\n/tmp\nfrom the file", "label    who=me", "odd-name-"] {
      #expect(shown.output.contains(part), "\(part)")
    }
    let json = try command("runs", "show", "last", "--format", "json")
    #expect(json.output.contains("workload.directory"))
  }

  @Test func aSkippedDeadlineInABracketIsCounted() throws {
    let command = try Command()
    let running = try command.start(["run", "--interval", "10ms", "--", "sleep", "2.5"])
    #expect(running.wait { command.resultFile != nil })
    // Arming comes behind the file.
    usleep(900_000)
    kill(running.process.processIdentifier, SIGSTOP)
    usleep(400_000)
    kill(running.process.processIdentifier, SIGCONT)
    #expect(try running.finish().code == 0)
    let json = try command("runs", "show", "last", "--format", "json")
    let attempt = try #require(try attempts(try result(json)).first)
    let ledger = try #require(attempt["ledger"] as? [String: Any])
    let thread = try #require((ledger["threads"] as? [[String: Any]])?.first)
    let ticks = try #require(thread["ticks"] as? [String: Int])
    #expect((30...60).contains(ticks["skipped"] ?? 0), "\(ticks)")
    #expect(
      ticks["deadlines"] == (ticks["onTime"] ?? 0) + (ticks["late"] ?? 0)
        + (ticks["skipped"] ?? 0))
  }

  /// SIGKILL at random moments from 50 ms on, at three intervals, with and without a reader.
  @Test func aKilledRecorderLeavesAFileThatOpens() throws {
    var random = SystemRandomNumberGenerator()
    var seen = 0
    for round in 0..<18 {
      let command = try Command()
      let interval = ["1ms", "100ms", "1s"][round % 3]
      let running = try command.start([
        "run", "-r", "3", "--interval", interval, "--cooldown", "50ms", "--", "sleep", "0.7",
      ])
      #expect(running.wait { command.resultFile != nil })
      let wait = UInt32.random(in: 0...1_800_000, using: &random)
      usleep(wait)
      let reader = round % 2 == 1 ? command.resultFile.map { connection($0) } : nil
      kill(running.process.processIdentifier, SIGKILL)
      let killed = Clock.realtime()
      _ = try running.finish()
      guard let file = command.resultFile else {
        Issue.record("killed after \(wait) µs: there is no file")
        continue
      }
      let frames = try command("export", file, "--format", "ndjson", "--raw")
      let shown = try command("runs", "show", file)
      #expect(shown.code == 0, "\(shown.error)")
      #expect(shown.output.contains("status   interrupted"), "after \(wait) µs: \(shown.output)")
      let samples =
        frames.code == 0
        ? try frames.objects().filter { $0["type"] as? String == "sample" } : []
      if interval != "1s", let last = samples.last?["time_ns"] as? UInt64 {
        // What was acquired more than a second before the kill is there.
        #expect(last + 1_100_000_000 + 150_000_000 >= killed, "killed after \(wait) µs")
        seen += 1
      }
      #expect(try integrity(file, command) == "ok")
      reader?.terminate()
    }
    #expect(seen > 0, "some were killed late enough to have samples")
  }

  /// Another process that holds the file open for reading.
  private func connection(_ file: String) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "exec 3< '\(file)'; sleep 5"]
    do { try process.run() } catch { Issue.record("no reader: \(error)") }
    return process
  }

  private func integrity(_ file: String, _ command: Command) throws -> String {
    let reader = try RunFile(file)
    return try reader.integrity()
  }

  @Test func aWorkloadsOwnNumbersStandBesideTheHosts() throws {
    let script = #"echo "copied 12 blocks"; echo '{"a":1}'"#
    let outcome = try Command()(
      "run", "--cpu", "-r", "2", "--metric", "n[blocks]=copied ([0-9]+)", "--format", "json", "--",
      "/bin/sh", "-c", script)
    #expect(outcome.code == 0, "\(outcome.error)")
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let rows = try #require(result["metrics"] as? [[String: Any]])
    let row = try #require(rows.first { $0["metric"] as? String == "workload.n" })
    #expect(row["median"] as? Double == 12 && row["unit"] as? String == "blocks")
    #expect(row["count"] as? Int == 2)
    let missing = try Command()(
      "run", "--cpu", "--metric-json", "n=b", "--", "/bin/echo", #"{"a":1}"#)
    #expect(missing.code == 4 && missing.error.contains("there is no b"), "\(missing.error)")
    let noted = try Command()(
      "run", "--cpu", "--metric-json", "n=b", "--metric-missing", "note", "--", "/bin/echo",
      #"{"a":1}"#)
    #expect(noted.code == 0 && noted.output.contains("there is no b"))
  }
}
