import Foundation
import LinuxSystem
import TestSupport
import Testing

@Suite(.serialized) struct FaultTests {
  /// Arguments, exit code, and words that the message must have.
  private static let table: [([String], Int32, [String])] = [
    (["--interval", "0"], 2, ["--interval 0: too short", "10us"]),
    (["--interval", "-5ms"], 2, ["--interval -5ms: not a duration"]),
    (["--interval", "10 parsecs"], 2, ["--interval 10 parsecs: not a duration", "500ms"]),
    (["--count", "x"], 2, ["--count x", "whole number"]),
    (["--count", "0"], 2, ["--count 0"]),
    (["--cpu", "--interval-of", "cpu="], 2, ["--interval-of cpu=: expected COLLECTOR=TIME"]),
    (["--cpu", "--interval-of", "cpu"], 2, ["--interval-of cpu: expected COLLECTOR=TIME"]),
    (["--interval-of", "memry=1s"], 2, ["unknown collector 'memry'; did you mean memory?"]),
    (["--vm", "--vm-interval=5x"], 2, ["--interval-of vm=5x: not a duration", "500ms"]),
    (["--cpu", "--vm-interval", "2s"], 2, ["add --vm, or remove --interval-of vm"]),
    (["--duration", "1ms"], 2, ["--duration 1ms: shorter than one interval (1s)"]),
    (["--budget", "200%"], 2, ["--budget 200%: expected a percentage above 0%"]),
    (["1", "2", "3"], 2, ["unexpected argument '3'"]),
    (["--cpu", "--count", "1", "--output", "/dev/full"], 5, ["/dev/full: write failed"]),
    (["--nonsense"], 2, ["--nonsense"]),
    (["smaple"], 2, ["'smaple' is neither a subcommand", "did you mean sample"]),
    (
      ["--json-errors", "run", "--", "./x", "y"], 2,
      ["options come after the command: lbsample run"]
    ),
    (["help", "nosuch"], 2, ["no command or help topic nosuch", "see 'lbsample --help'"]),
    (["help", "runs", "shwo"], 2, ["no command shwo; did you mean show?", "runs --help'"]),
    (["--format", "xml"], 2, ["xml", "table, csv, ndjson"]),
    (["--pin", "9999999"], 2, ["9999999"]),
    (["--pin", "8000"], 2, ["8000", "CPUs"]),
    (["--priority", "fifo:100"], 2, ["fifo:100"]),
    (["--cpus", "x"], 2, ["--cpus x"]),
    (["--cpu", "--per-thread"], 2, ["--per-thread needs --tree, --process or --perf"]),
    (["--only", "nosuch*"], 2, ["no metric matches"]),
    (["--cpu", "--only", "vm.pgfault"], 2, ["no metric matches", "add --vm"]),
    (["--require", "cpuu"], 2, ["'cpuu'", "did you mean cpu", "lbsample collectors"]),
    (["--raw"], 2, ["--raw"]),
    (["--config", "/tmp"], 2, ["/tmp"]),
    (["--config", "/nowhere.conf"], 2, ["/nowhere.conf", "No such file"]),
    (["--cpu", "--proc-root", "/nowhere"], 2, ["--proc-root /nowhere: no such directory"]),
    (["--cpu", "--proc-root", "/usr"], 3, ["collector cpu is not available", "/usr/stat"]),
    (["--cpu", "--output", "/nowhere/x"], 5, ["/nowhere/x", "No such file"]),
    (["--cpu", "--count", "1", "--record", "/nowhere/x.lbsample"], 5, ["/nowhere/x.lbsample"]),
    (["run", "--log-file", "/nowhere/l", "--", "true"], 2, ["--log-file /nowhere/l"]),
    (["run", "--"], 2, ["no command"]),
    (["run", "--", "no-such-command"], 2, ["no-such-command", "no such command"]),
    (["run", "--", "/etc/passwd"], 2, ["/etc/passwd", "not executable"]),
    (["run", "--", "/tmp"], 2, ["/tmp is a directory"]),
    (["run", "--", "/nowhere/x"], 2, ["/nowhere/x does not exist; check the path"]),
    (["run", "--", "/etc/passwd/x"], 2, ["/etc/passwd/x: Not a directory; check the path"]),
    (["run", "--input", "/tmp", "--", "true"], 2, ["--input /tmp: Is a directory", "inherit"]),
    (["run", "--input", "/nowhere", "--", "true"], 2, ["--input /nowhere: No such file"]),
    (["run", "--repetitions", "0", "--", "true"], 2, ["--repetitions 0"]),
    (["run", "--workload-cpus", "8000", "--", "true"], 2, ["--workload-cpus 8000"]),
    (["run", "--user", "no-such-user", "--", "true"], 2, ["no-such-user"]),
    (["run", "--env", "X", "--", "true"], 2, ["--env X", "NAME=VALUE"]),
    (["run", "--result", "/nowhere/r", "--", "true"], 5, ["/nowhere/r"]),
    (["run", "--ignore-failure=x", "--", "true"], 2, ["--ignore-failure=x"]),
    (["run", "-L", "n=1,2", "--", "echo", "{m}"], 2, ["parameter n has no effect", "{n}"]),
    (["run", "--parameter", "n=1", "--", "echo", "n"], 2, ["parameter n has no effect"]),
    (["run", "--allow", "zz", "--", "true"], 2, ["--allow zz", "aslr, governor"]),
    (["run", "--allow", "aslr", "--", "true"], 2, ["--allow aslr: has no effect", "--set-host"]),
    (
      ["run", "--allow", "turbo", "--allow", "aslr", "--set-host", "aslr=0", "--", "true"], 2,
      ["--allow turbo: has no effect"]
    ),
    (
      ["run", "--event-format", "lb", "--", "true"], 2,
      ["--event-format lb: has no effect", "--events"]
    ),
    (["run", "--event-format", "json", "--notify", "true", "--", "true"], 2, ["--events FILE"]),
    (["run", "--force", "--", "true"], 2, ["--force requires --resume"]),
    (["run", "--allow", "asrl", "--", "true"], 2, ["--allow asrl", "did you mean aslr"]),
    (
      ["run", "--idempotent", "--idle-retries", "2", "--", "true"], 2,
      ["--idle-retries 2", "--idle-timeout"]
    ),
    (["run", "--max-repetitions", "9", "--", "true"], 2, ["--max-repetitions 9", "--until"]),
    (["run", "--cooldown", "9223372036s", "--", "true"], 2, ["--cooldown 9223372036s: too long"]),
    (["run", "--max-wall", "9223372036s", "--", "true"], 2, ["--max-wall 9223372036s: too long"]),
    (["99999999999"], 2, ["99999999999: too long"]),
    (["--cpu", "--output", "x", "--record", "./x"], 2, ["./x", "the same file"]),
    (["run", "--", "false"], 4, ["false exited with code 1"]),
    (["run", "--cpu", "true"], 2, ["after --"]),
    (["run", "--cpu", "sleep", "1"], 2, ["after --"]),
    (["run", "-ar2", "--", "true"], 2, ["-ar2"]),
    (["runs", "show", "nothing"], 2, ["nothing"]),
    (["runs", "show", "/etc/passwd"], 2, ["/etc/passwd"]),
    (["runs", "show", "/tmp"], 2, ["/tmp is a directory", "--runs-dir /tmp"]),
    (["runs", "show", "/nowhere/x"], 2, ["/nowhere/x: no such result file"]),
    (["export", "--format", "xml"], 2, ["xml"]),
    (["collectors", "cpuu"], 2, ["did you mean cpu"]),
  ]

  @Test(arguments: table.indices)
  func everyMistakeIsNamedWithItsExitCode(_ index: Int) throws {
    let (arguments, code, words) = Self.table[index]
    let command = try Command()
    let running = try command.start(arguments)
    let outcome = try running.finish()
    #expect(outcome.code == code, "\(arguments): \(outcome.error)")
    for word in words {
      #expect(outcome.error.contains(word), "\(arguments): \(outcome.error)")
    }
    if code != 4 {
      #expect(outcome.output.isEmpty, "\(arguments): \(outcome.output)")
      #expect(command.resultFile == nil, "nothing is left behind")
    }
  }

  /// What cannot be opened is found before anything is armed or made: no recording, no socket.
  @Test(
    arguments: [
      (["--cpu", "--count", "1", "--log-file", "/nowhere/l"], 2, "--log-file /nowhere/l"),
      (["--cpu", "--count", "1", "--output", "/nowhere/o", "--format", "csv"], 5, "/nowhere/o"),
      (["--cpu", "--proc-root", "/usr", "--count", "1"], 3, "/usr/stat"),
      (
        ["arm", "--control", "@c", "--cpu", "--log-file", "/nowhere/l"], 2, "--log-file /nowhere/l"
      ),
      (["arm", "--control", "@c", "--cpu", "--proc-root", "/usr"], 3, "/usr/stat"),
    ] as [([String], Int32, String)])
  func aRecordingThatCannotBeginLeavesNothing(
    _ arguments: [String], _ code: Int32, _ words: String
  ) throws {
    let command = try Command()
    let folder = try TemporaryFolder()
    let given = arguments.map { $0 == "@c" ? folder.file("c") : $0 }
    let outcome = try command.start(given + ["--record", folder.file("r.lbsample")]).finish()
    #expect(outcome.code == code && outcome.error.contains(words), "\(outcome.error)")
    #expect(directoryEntries(folder.path).isEmpty, "\(directoryEntries(folder.path))")
  }

  #if arch(x86_64)
    /// A seccomp filter that answers capset(2) with EPERM, then the arguments' program.
    private static let refusal = """
      import ctypes, os, struct, sys
      code = lambda *fields: struct.pack("HBBI", *fields)
      program = ctypes.create_string_buffer(
          code(0x20, 0, 0, 0) + code(0x15, 0, 1, 126) + code(6, 0, 0, 0x50001)
          + code(6, 0, 0, 0x7fff0000))
      class Filter(ctypes.Structure):
          _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]
      libc = ctypes.CDLL(None)
      libc.prctl(38, 1, 0, 0, 0)
      if libc.prctl(22, 2, ctypes.byref(Filter(4, ctypes.addressof(program))), 0, 0): sys.exit(77)
      os.execv(sys.argv[1], sys.argv[1:])
      """
    private static let python = "/usr/bin/python3"

    /// A workload that would keep what it is to lose is not started.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: python), "python3 is missing"))
    func aWorkloadWhosePrivilegesCannotBeDroppedIsNotStarted() throws {
      let folder = try TemporaryFolder()
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Self.python)
      process.arguments = [
        "-c", Self.refusal, Command.path, "run", "--cpu", "--runs-dir", folder.file("runs"), "--",
        "/usr/bin/touch", folder.file("started"),
      ]
      let error = Foundation.Pipe()
      process.standardError = error
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      let text = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      guard process.terminationStatus != 77 else { try Test.cancel("no seccomp filters here") }
      #expect(process.terminationStatus == 4 && text.contains("capset"), "\(text)")
      #expect(!FileManager.default.fileExists(atPath: folder.file("started")))
    }
  #endif

  @Test(
    .enabled(
      if: getuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv"),
      "another user is played by root, with setpriv"))
  func aResultFileThatMayNotBeReadIsNamed() throws {
    let command = try Command()
    let file = try command.folder.write("other.lbsample", "of root")
    #expect(unsafe chmod(file, 0o600) == 0)
    #expect(unsafe chmod(command.folder.path, 0o755) == 0)
    try Command.copy(Command.path, to: command.folder.file("own"))
    let (code, text) = try command.shell(
      "setpriv --reuid=65534 --regid=65534 --clear-groups ./own runs show \(file) 2>&1")
    #expect(code == 5 && text.contains("\(file): permission denied; "), "\(code): \(text)")
  }

  @Test func aConfigurationsMistakesAreReportedTogether() throws {
    let command = try Command()
    let file = try command.folder.write(
      "bad.conf",
      """
      [sample]
      intervall = "1s"
      format = 3

      [samplng]
      pin = "auto"

      [run]
      repetitions = 0
      """)
    let outcome = try command("config", "check", file)
    #expect(outcome.code == 2)
    for part in [
      "bad.conf:2: unknown key sample.intervall; did you mean sample.interval?",
      "bad.conf:3: sample.format has the wrong type",
      "bad.conf:5: unknown section [samplng]; did you mean sampling?",
      "bad.conf:9: run.repetitions = 0",
    ] {
      #expect(outcome.error.contains(part), "\(part)\n\(outcome.error)")
    }
    let broken = try command.folder.write("broken.conf", "[sample\n")
    #expect(try command("config", "check", broken).error.contains("broken.conf:1: not TOML"))
  }

  @Test func valuesCarryTheirOrigin() throws {
    var command = try Command()
    try command.folder.write("config/lbsample/collectors.conf", "[run]\nwarmup = 3\n")
    command.environment["LBSAMPLE_RUN_REPETITIONS"] = "7"
    let outcome = try command("config", "show")
    #expect(outcome.code == 0)
    func line(_ key: String) -> String { outcome.lines.first { $0.hasPrefix(key) } ?? "" }
    #expect(line("run.warmup").contains("collectors.conf:2"))
    #expect(line("run.repetitions").hasSuffix("environment LBSAMPLE_RUN_REPETITIONS"))
    #expect(line("run.grace").hasSuffix("default"))
    command.environment["LBSAMPLE_RUN_REPETITION"] = "7"
    #expect(try command("config", "show").error.contains("did you mean LBSAMPLE_RUN_REPETITIONS"))
  }

  @Test func errorsComeAsJSONWhenAsked() throws {
    let outcome = try Command()("run", "--json-errors", "--", "false")
    #expect(outcome.code == 4)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.error.utf8)) as? [String: Any])
    #expect(object["category"] as? String == "workload")
    #expect((object["context"] as? [String: Any])?["exitCode"] as? Int == 1)
  }

  @Test func aFullDiskKeepsWhatWasCommitted() throws {
    guard getuid() == 0 else {
      try Test.cancel("needs root to mount a small tmpfs")
    }
    let command = try Command()
    let disk = command.folder.file("disk")
    let script = """
      mkdir '\(disk)'; mount -t tmpfs -o size=400k tmpfs '\(disk)' || exit 77
      '\(Command.path)' --cpu --net --interval 1ms --record '\(disk)/r.lbsample' 2>err
      echo $? > code
      '\(Command.path)' export '\(disk)/r.lbsample' --raw > rows 2>>err
      '\(Command.path)' runs show '\(disk)/r.lbsample' > shown 2>>err
      umount '\(disk)'
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", script]
    process.environment = command.environment
    process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus != 77 else {
      try Test.cancel("no tmpfs may be mounted here")
    }
    let error = SmallFile.text(command.folder.file("err")) ?? ""
    #expect(SmallFile.text(command.folder.file("code")) == "5")
    #expect(error.contains("r.lbsample") && error.contains("bytes free"), "\(error)")
    let rows = SmallFile.text(command.folder.file("rows"))?.split(separator: "\n").count ?? 0
    #expect(rows > 100, "\(rows) rows are readable")
    print("full disk: \(rows) rows kept")
  }

  @Test func anUnprivilegedUserCanSampleAndRun() throws {
    guard getuid() == 0 else {
      try Test.cancel("every other test has just shown it")
    }
    let command = try Command()
    chmod777(command.folder.path)
    // The build folder may be root's own: the user gets a copy of the command.
    let copy = command.folder.file("lbsample")
    try Command.copy(Command.path, to: copy)
    let script = "'\(copy)' --cpu --net --interval 10ms --count 3 && '\(copy)' run -- true"
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
    process.arguments = [
      "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c", script,
    ]
    process.environment = command.environment.merging(
      ["LD_LIBRARY_PATH": ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"] ?? ""]
    ) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
    let output = Foundation.Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = String(
      decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    #expect(text.contains("status   completed"))
  }

  private func chmod777(_ path: String) { _ = unsafe chmod(path, 0o777) }

  @Test func doctorAndCollectorsSayWhatIsHere() throws {
    let command = try Command()
    let doctor = try command("doctor")
    #expect(doctor.code == 0)
    for subject in [
      "kernel", "clock source", "locked memory", "perf events", "fork events", "exit records",
      "control group", "numa", "packet",
    ] {
      #expect(doctor.output.contains(subject), "\(subject)")
    }
    for line in doctor.lines where line.hasPrefix("denied ") {
      #expect(doctor.output.contains("fix:"), "\(line) without a way to change it")
    }
    let json = try command("collectors", "--format", "json")
    let entries = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
    #expect(entries.count >= 2)
    for entry in entries {
      let isHere = entry["availability"] as? String == "available"
      #expect(isHere == (entry["reason"] as? String == ""), "\(entry)")
    }
    #expect(try command("doctor", "--format", "json").code == 0)
  }

  @Test func runsAreListedAndRemoved() throws {
    let command = try Command()
    #expect(try command("run", "--name", "one", "--", "true").code == 0)
    #expect(try command("run", "--name", "two", "--", "true").code == 0)
    let list = try command("runs", "list")
    #expect(list.lines.count == 3 && list.lines[1].hasPrefix("two-"))
    #expect(try command("runs", "show", "last").output.contains("run      two-"))
    #expect(try command("runs", "remove", "one").code == 0)
    #expect(try command("runs", "list").lines.count == 2)
    #expect(try command("--version").output.contains("."))
  }

  /// A limit of the process is told with what raises it, and no place in our sources.
  @Test(arguments: [5, 8]) func aLackOfDescriptorsIsNamed(_ limit: Int) throws {
    let command = try Command()
    try FileManager.default.createDirectory(
      atPath: command.folder.file("data/lbsample/runs"), withIntermediateDirectories: true)
    let (code, text) = try command.shell("ulimit -n \(limit); exec $0 run -- true")
    #expect([2, 5].contains(code), "\(text)")
    #expect(text.contains("ulimit -n"), "\(text)")
    #expect(!text.contains(".swift") && !text.contains("NSCocoa"), "\(text)")
  }

  @Test func aLogFileThatIsFullIsToldOfOnce() throws {
    let events = try Command()("run", "--events", "/dev/full", "--", "true")
    #expect(events.code == 5 && events.error.contains("/dev/full"), "\(events.error)")
    let outcome = try Command()("run", "--log-file", "/dev/full", "--", "true")
    #expect(outcome.code == 0, "\(outcome.error)")
    let told = outcome.error.split(separator: "\n").filter { $0.contains("--log-file /dev/full") }
    #expect(told.count == 1, "\(outcome.error)")
  }
}
