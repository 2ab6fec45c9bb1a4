import Foundation
import LinuxSystem
import SampleModel
import TestSupport
import Testing

/// What plans do about mistakes and failures, and where outputs go, by the command.
@Suite struct PlanFaultTests {
  private func write(_ command: Command, _ name: String, _ text: String) throws -> String {
    let path = command.folder.file(name)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return path
  }

  private func run(_ command: Command, _ arguments: String...) throws -> Command.Outcome {
    try command.start(
      ["run", "--config", "/dev/null", "--format", "json"] + arguments
    ).finish()
  }

  private func result(_ outcome: Command.Outcome) throws -> RunResult {
    try JSONDecoder().decode(RunResult.self, from: Data(outcome.output.utf8))
  }

  @Test func aMistakeIsOneLineWhateverItsNameHolds() throws {
    let command = try Command()
    let text = "[[phase]]\nname = \"a\\nb\\u001B[31m\"\ncommand = \"true\"\n"
    let outcome = try run(command, "--plan", try write(command, "plan.toml", text))
    #expect(outcome.code == 2, "\(outcome.error)")
    let lines = outcome.error.split(separator: "\n")
    #expect(lines.count == 1 && outcome.error.contains(#"a\nb\u{1B}[31m: "#), "\(outcome.error)")
  }

  @Test func aSoftPlanSkipsWhatIsWrong() throws {
    let command = try Command()
    let text = """
      validate = "soft"
      [[phase]]
      name = "typo"
      command = "true"
      repetition = 3
      [[phase]]
      name = "absent"
      command = "no-such-command-here"
      [[phase]]
      name = "good"
      command = "true"
      [[phase]]
      name = "lost"
      kind = "when"
      condition = "goood.wall_time < 1s"
      [[phase.phase]]
      name = "inner"
      command = "true"
      """
    let soft = try run(command, "--entropy", "--plan", try write(command, "soft.toml", text))
    #expect(soft.code == 0, "\(soft.error)")
    let phases = try result(soft).phases
    #expect(phases.map(\.name) == ["typo", "absent", "good", "lost"])
    #expect(phases.map(\.status) == [.skipped, .skipped, .completed, .skipped])
    #expect(phases[0].note?.contains("did you mean repetitions?") == true, "\(phases[0])")
    let warnings = try result(soft).warnings.joined(separator: "\n")
    for part in ["soft.toml:5: ", "no-such-command-here", "no phase is called goood"] {
      #expect(warnings.contains(part), "\(warnings)")
    }
    let strict = try run(
      command, "--entropy", "--plan",
      try write(command, "strict.toml", text.replacingOccurrences(of: "soft", with: "strict")))
    #expect(strict.code == 2 && strict.error.contains("did you mean repetitions?"))
    // Nothing that is right is left, and what holds for all phases is nobody's own mistake.
    for (name, wrong) in [
      ("none", "validate = \"soft\"\n[[phase]]\nname = \"a\"\ncommand = \"true\"\nx = 1"),
      ("all", "validate = \"soft\"\nreps = 1\n[[phase]]\nname = \"a\"\ncommand = \"true\""),
    ] {
      let outcome = try run(
        command, "--entropy", "--plan", try write(command, "\(name).toml", wrong))
      #expect(outcome.code == 2 && outcome.error.contains("unknown key"), "\(outcome.error)")
    }
  }

  @Test func aPhaseThatFailsLeavesItsDirectoryAsItWas() throws {
    let command = try Command()
    let folder = command.folder.file("data-of-mine")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    _ = try write(command, "data-of-mine/kept", "before")
    let change =
      "cd \(folder) && printf after > kept && mkdir -p new/deep && touch new/deep/file .hidden"
    func plan(_ end: String) -> String {
      """
      [[phase]]
      name = "changes"
      command = ["sh", "-c", "\(change); \(end)"]
      checkpoint = "\(folder)"
      """
    }
    func names() throws -> [String] {
      try FileManager.default.subpathsOfDirectory(atPath: folder).sorted()
    }
    let kept = { try String(contentsOfFile: folder + "/kept", encoding: .utf8) }
    let failed = try run(
      command, "--entropy", "--plan", try write(command, "fail.toml", plan("exit 3")))
    #expect(failed.code == 4, "\(failed.error)")
    #expect(try names() == ["kept"] && kept() == "before")
    let journal = try command("runs", "show", "last", "--journal", "--config", "/dev/null").output
    #expect(
      journal.contains("phase.checkpoint") && journal.contains("phase.rollback"), "\(journal)")
    let done = try run(
      command, "--entropy", "--plan", try write(command, "done.toml", plan("exit 0")))
    #expect(done.code == 0, "\(done.error)")
    #expect(try names().contains("new/deep/file") && kept() == "after")
    let left = try FileManager.default.subpathsOfDirectory(atPath: command.folder.file("data"))
    #expect(!left.contains { $0.contains(".files") }, "\(left)")
    let large = try run(
      command, "--entropy", "--plan",
      try write(command, "large.toml", plan("exit 0") + "\nkeep_limit = 3"))
    #expect(large.code == 4 && large.error.contains("keep_limit"), "\(large.error)")
  }

  @Test func aPlanSaysWhatIsSampled() throws {
    let command = try Command()
    let path = try write(
      command, "sampled.toml",
      """
      collectors = ["memory", "load"]
      interval = "20ms"
      [[phase]]
      name = "a"
      command = "sleep 0.1"
      """)
    func collectors(_ arguments: [String]) throws -> (Set<String>, RunResult) {
      let outcome = try command.start(
        ["run", "--config", "/dev/null", "--format", "json"] + arguments + ["--plan", path]
      ).finish()
      #expect(outcome.code == 0, "\(outcome.error)")
      let result = try self.result(outcome)
      let lines = try #require(result.phases[0].repetitions[0].attempts[0].ledger.threads.first)
      return (Set(lines.collectors.map(\.collector)), result)
    }
    let (planned, result) = try collectors([])
    #expect(planned == ["memory", "load"])
    let interval = try #require(result.configuration.first { $0.key == "run.interval" })
    #expect(interval.value == "20ms" && interval.origin.contains("sampled.toml"))
    let named = try #require(result.configuration.first { $0.key == "collectors.named" })
    #expect(named.value == "memory,load" && named.origin == path)
    #expect(
      try collectors(["--entropy", "-i", "50ms"]).0 == ["entropy"], "the command line goes first")
    let wrong = try run(
      command, "--plan",
      try write(
        command, "wrong.toml",
        "collectors = [\"memry\"]\n[[phase]]\nname = \"a\"\ncommand = \"true\""))
    #expect(wrong.code == 2 && wrong.error.contains("did you mean memory?"), "\(wrong.error)")
  }

  @Test func standardOutputGoesWhereItIsWanted() throws {
    let command = try Command()
    let says = ["--", "sh", "-c", "echo out; echo seen 7 >&2"]
    func kept(_ arguments: [String]) throws -> (RunResult, String) {
      let outcome = try command.start(
        ["run", "--config", "/dev/null", "--format", "json", "--entropy"] + arguments + says
      ).finish()
      #expect(outcome.code == 0, "\(outcome.error)")
      let result = try self.result(outcome)
      return (result, try #require(result.file))
    }
    let attempt = { (result: RunResult) in result.phases[0].repetitions[0].attempts[0] }
    #expect(attempt(try kept([]).0).outputBytes == 11)
    let (null, _) = try kept(["--workload-output", "null", "--metric", "n=seen ([0-9]+)"])
    #expect(attempt(null).outputBytes == 7, "standard error is kept")
    #expect(attempt(null).metrics["workload.n"] == 7)
    let path = command.folder.file("out.txt")
    try Data("of another run\n".utf8).write(to: URL(fileURLWithPath: path))
    let (file, _) = try kept(["-r", "3", "--workload-output", path])
    #expect(attempt(file).outputBytes == 7)
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "out\nout\nout\n")
    // A run that is refused empties none of its files.
    let plan = try command.folder.write(
      "refused.toml",
      ["out.txt", "/no/such/folder/x"].enumerated().map { place, path in
        "[[phase]]\nname = \"p\(place)\"\ncommand = \"echo\"\nworkload_output = \"\(path)\"\n"
      }.joined())
    let refused = try run(command, "--entropy", "--plan", plan)
    #expect(refused.code == 2, "\(refused.error)")
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "out\nout\nout\n")
    for (wrong, code) in [("/no/such/folder/x", 2), ("", 2)] as [(String, Int32)] {
      let outcome = try run(command, "--entropy", "--workload-output", wrong, "--", "true")
      #expect(outcome.code == code, "\(outcome.error)")
    }
  }

  /// The parser would end the file or a text at a NUL byte, and itself where names nest too deep or
  /// a header has none.
  @Test(
    arguments: [
      (
        "[[phase]]\nname=\"a\"\ncommand=[\"true\"]\n#\u{0}\n[[phase]]\nname=\"b\"\n", 4,
        "NUL byte in line 4"
      ),
      (#"[[phase]]\#nname="a"\#ncommand=["echo","a\u0000b"]"#, 3, "NUL character"),
      (#"[[phase]]\#nname="a\U00000000b"\#ncommand="true""#, 2, "NUL character"),
      (#"x = """\#n\\ \u0000 """"#, 2, "NUL character"),
      (#"["\u0000"]"#, 1, "NUL character"),
      ("\(names(257)) = 1", 1, "more than 256 deep"),
      ("\(names(20_000)) = 1", 1, "more than 256 deep"),
      ("\n[\(names(50_000))]", 2, "more than 256 deep"),
      ("[[\(names(129))]]", 1, "more than 256 deep"),
      ("x = \(String(repeating: "[", count: 1000))", 1, "more than 256 deep"),
      ("x = {\(names(200)) = {\(names(200)) = 1}}", 1, "more than 256 deep"),
      ("[[[", 1, "no name after the bracket"),
      ("[a]\nb = { n = [2, 21,}", 2, "a list in [ is closed by }"),
      ("a = [{ b = 1, ]", 1, "a table in { is closed by ]"),
      ("\n[#]", 2, "no name after the bracket"),
      ("[ .a]", 1, "no name after the bracket"),
      ("[[\tü]]", 1, "no name after the bracket"),
      ("[\n]", 1, "no name after the bracket"),
      ("a = 1\n[[{", 2, "no name after the bracket"),
      ("[ [a]]", 1, "not TOML"),
      ("[ ]", 1, "not TOML"),
      ("[[", 1, "not TOML"),
    ] as [(String, Int, String)])
  func textThatTheParserMustNotGetIsRefused(_ text: String, _ line: Int, _ words: String) throws {
    let command = try Command()
    let path = try write(command, "text.toml", text)
    for outcome in [try run(command, "--plan", path), try command("config", "check", path)] {
      #expect(outcome.code == 2, "\(outcome.error)")
      #expect(outcome.error.contains("\(path):\(line): "), "\(outcome.error)")
      #expect(outcome.error.contains(words), "\(outcome.error)")
    }
    #expect(command.resultFile == nil)
  }

  private static func names(_ count: Int) -> String {
    Array(repeating: "a", count: count).joined(separator: ".")
  }

  @Test func aPlanThatIsTooLongOrNoTextIsRefused() throws {
    let command = try Command()
    let phase = "[[phase]]\nname = \"a\"\ncommand = \"true\"\n"
    let long = try write(command, "long.toml", phase + String(repeating: "#\n", count: 1 << 19))
    for path in [long, "/dev/zero"] {
      let outcome = try run(command, "--dry-run", "--plan", path)
      #expect(outcome.code == 2 && outcome.error.contains("more than 1048576 bytes"))
    }
    let latin = command.folder.file("latin.toml")
    try Data(Array("# a\n# ".utf8) + [0xE9, 10] + Array(phase.utf8)).write(
      to: URL(fileURLWithPath: latin))
    let outcome = try run(command, "--dry-run", "--plan", latin)
    #expect(outcome.code == 2 && outcome.error.contains("latin.toml:2: not UTF-8"))
  }

  /// What a plan includes is a file with phases: a device never ends, or has nothing to say.
  @Test(arguments: [
    ("/dev/zero", "not a regular file"), ("/dev/null", "not a regular file"),
    ("fifo", "not a regular file"), ("empty.toml", "has no phases"),
  ]) func whatIsIncludedIsAFileWithPhases(_ file: String, _ words: String) throws {
    let command = try Command()
    try command.folder.write("empty.toml", "# nothing\n")
    #expect(unsafe mkfifo(command.folder.file("fifo"), 0o600) == 0)
    let plan = try write(
      command, "plan.toml",
      """
      [[phase]]
      name = "a"
      command = "true"
      [[phase]]
      name = "b"
      kind = "include"
      file = "\(file)"
      """)
    let outcome = try run(command, "--dry-run", "--plan", plan)
    #expect(outcome.code == 2, "\(outcome.error)")
    #expect(outcome.error.contains("plan.toml:7: ") && outcome.error.contains(words))
  }

  /// What looks like it, and is not.
  @Test func bracketsPointsAndBackslashesInTextsAreText() throws {
    let command = try Command()
    let points = String(repeating: ".", count: 300)
    let text = #"""
      [[phase]] # \#(points) [[[
      "name" = "a" # '
      command = ['echo', 'a\u0000b', "c\\u0000d", "\#(points)", """"[\#(points)"" """]
      repetitions = 1
      [phase.env]
      x = '''
      '"\u0000\#(points)
      '''
      """#
    let outcome = try run(command, "--entropy", "--plan", try write(command, "text.toml", text))
    #expect(outcome.code == 0, "\(outcome.error)")
    let words = try result(outcome).phases[0].command
    #expect(words == ["echo", "a\\u0000b", "c\\u0000d", points, "\"[\(points)\"\" "])
  }

  @Test func aDirectoryThatTookTheCheckpointsPlaceIsLeftAlone() throws {
    let exchanges = [
      "mv top/d top/d.moved; ln -s ../victim top/d", "mv top top.moved; ln -s elsewhere top",
      "mv top/d top/d.moved; cp -a victim top/d",
    ]
    for exchange in exchanges {
      let command = try Command()
      let folder = command.folder
      for name in ["victim/v", "elsewhere/d/v"] { try folder.write(name, "precious") }
      try folder.write("top/d/f", "one")
      let plan = try write(
        command, "plan.toml",
        """
        [[phase]]
        name = "swaps"
        command = ["sh", "-c", "\(exchange); exit 1"]
        checkpoint = "top/d"
        """)
      let outcome = try run(command, "--entropy", "--plan", plan)
      #expect(outcome.code == 4, "\(outcome.error)")
      let errors = try result(outcome).errors.map(\.message).joined(separator: "\n")
      #expect(errors.contains("top/d is another directory now"), "\(errors)")
      #expect(directoryEntries(folder.file("victim")) == ["v"])
      #expect(directoryEntries(folder.file("elsewhere/d")) == ["v"])
      #expect(directoryEntries(folder.file("top/d")) == ["v"])
      let left = try FileManager.default.subpathsOfDirectory(atPath: folder.file("data"))
      #expect(left.contains { $0.hasSuffix("/checkpoint/f") }, "the copy is kept: \(left)")
    }
  }

  /// Whatever ends a run before its workload begins leaves the output of an earlier one.
  @Test func theOutputOfAnEarlierRunStaysUntilTheWorkloadBegins() throws {
    let command = try Command()
    let file = try command.folder.write("w", "precious")
    for words in [
      ["--workspace", "git:/nowhere"], ["--prepare", "false"], ["--setup", "false"],
      ["--workspace", command.folder.file("nosuch")],
    ] {
      let outcome = try command.start(
        ["run", "--config", "/dev/null", "--cpu", "--workload-output", file] + words
          + ["--", "echo", "new"]
      ).finish()
      let left = try String(contentsOfFile: file, encoding: .utf8)
      #expect(outcome.code != 0 && left == "precious", "\(outcome.error)")
    }
    let whole = try command(
      "run", "--config", "/dev/null", "--cpu", "-r", "2", "--workload-output", file, "--", "echo",
      "new")
    let new = try String(contentsOfFile: file, encoding: .utf8)
    #expect(whole.code == 0 && new == "new\nnew\n", "\(whole.error)")
  }

  /// What is read would be emptied before it is read.
  @Test func noOutputTakesThePlaceOfAnInput() throws {
    let command = try Command()
    let file = command.folder.file("r.lbsample")
    let recorded = try command("--cpu", "-i", "10ms", "-c", "3", "--record", file)
    #expect(recorded.code == 0, "\(recorded.error)")
    #expect(unsafe symlink(file, command.folder.file("link")) == 0)
    let size = try #require(FileManager.default.contents(atPath: file)).count
    for output in [file, command.folder.file("link")] {
      let outcome = try command("export", file, "-o", output)
      #expect(outcome.code == 2 && outcome.error.contains("the same file"), "\(outcome.error)")
    }
    #expect(FileManager.default.contents(atPath: file)?.count == size)
    let settings = try command.folder.write("c.conf", "[sample]\ninterval = \"20ms\"\n")
    for words in [
      ["run", "--config", settings, "--result", settings, "--", "true"],
      ["--config", settings, "--cpu", "-c", "1", "-o", settings],
    ] {
      let outcome = try command.start(words).finish()
      #expect(outcome.code == 2 && outcome.error.contains("the same file"), "\(outcome.error)")
    }
    #expect(SmallFile.text(settings)?.hasPrefix("[sample]") == true)
  }

  /// A collector that has to be there has a value at least.
  @Test func whatIsRequiredHasAValue() throws {
    let command = try Command()
    try command.folder.write("proc/meminfo", "MemTotal: xx kB\n")
    let words = ["--memory", "-c", "1", "-i", "10ms", "--proc-root", command.folder.file("proc")]
    for more in [[], ["--require", "memory"]] as [[String]] {
      let outcome = try command.start(words + more).finish()
      #expect(outcome.code == 3 && outcome.error.contains("none of its values"), "\(outcome)")
    }
  }

  @Test(
    arguments: [
      (["--workload-output", "w", "--result", "w"], "--result w and --workload-output w"),
      (["--events", "w", "--result", "./w"], "--result ./w and --events w"),
      (["--log-file", "w", "--result", "link"], "--result link and --log-file w"),
      (["--input", "old", "--workload-output", "old"], "--workload-output old and --input old"),
    ] as [([String], String)])
  func aFileThatIsNamedTwiceIsRefused(_ options: [String], _ words: String) throws {
    let command = try Command()
    try command.folder.write("old", "kept")
    try FileManager.default.createSymbolicLink(
      atPath: command.folder.file("link"), withDestinationPath: "w")
    if options.contains("link") { try command.folder.write("w", "") }
    let outcome = try command.start(["run"] + options + ["--", "echo", "payload"]).finish()
    #expect(outcome.code == 2 && outcome.error.contains(words), "\(outcome.error)")
    #expect(try String(contentsOfFile: command.folder.file("old"), encoding: .utf8) == "kept")
    let null = try command.start(
      ["run", "--result", "/dev/null", "--log-file", "/dev/null", "--", "true"]
    ).finish()
    #expect(null.code == 0, "\(null.error)")
  }
}
