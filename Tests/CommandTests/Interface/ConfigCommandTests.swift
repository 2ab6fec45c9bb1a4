import Foundation
import TestSupport
import Testing

/// What stands in collectors.conf.
@Suite struct ConfigCommandTests {
  private func values(_ path: String) throws -> [String: String] {
    let outcome = try Command()("config", "show", "--config", path, "--format", "json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let entries = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: String]])
    return entries.reduce(into: [:]) { $0[$1["key"] ?? ""] = $1["value"] }
  }

  /// A variable that is empty, or names no directory by itself, is as good as none.
  @Test(arguments: ["", "config"]) func anEmptyVariableNamesNoDirectory(_ text: String) throws {
    var command = try Command()
    command.environment["XDG_CONFIG_HOME"] = text
    try command.folder.write(".config/lbsample/collectors.conf", "[sample]\ninterval = \"8s\"\n")
    for path in [".config", ".config/lbsample"] {
      #expect(unsafe chmod(command.folder.file(path), 0o755) == 0)
    }
    let outcome = try command("config", "show")
    let line = outcome.output.split(separator: "\n").first { $0.hasPrefix("sample.interval") }
    #expect(line?.contains("8s") == true, "\(outcome.output) \(outcome.error)")
  }

  /// A configuration that was found is believed where nobody else can change it.
  @Test func whatOthersCanChangeIsNotBelieved() throws {
    let command = try Command()
    let real = try command.folder.write("real.conf", "[sample]\ninterval = \"7s\"\n")
    let here = command.folder.file("collectors.conf")
    func interval() throws -> (text: String, error: String) {
      let outcome = try command.start(["config", "show"], in: command.folder.path).finish()
      let line = outcome.output.split(separator: "\n").first { $0.hasPrefix("sample.interval") }
      return (line.map(String.init) ?? "", outcome.error)
    }
    try command.folder.write("collectors.conf", "[sample]\ninterval = \"8s\"\n")
    #expect(try interval().text.contains("8s"))
    #expect(unsafe chmod(here, 0o666) == 0)
    var found = try interval()
    #expect(!found.text.contains("8s") && found.error.contains("chmod go-w collectors.conf"))
    #expect(unsafe unlink(here) == 0 && symlink(real, here) == 0)
    found = try interval()
    #expect(!found.text.contains("7s"))
    #expect(found.error.contains("ignoring ./collectors.conf: a symbolic link"), "\(found.error)")
    #expect(unsafe unlink(here) == 0 && mkfifo(here, 0o600) == 0)
    #expect(try interval().error.contains("not a regular file"))
    #expect(unsafe unlink(here) == 0)
    try command.folder.write("collectors.conf", "[sample]\ninterval = \"8s\"\n")
    #expect(unsafe chmod(command.folder.path, 0o777) == 0)
    found = try interval()
    #expect(found.error.contains("its directory can be changed by others"), "\(found.error)")
    #expect(unsafe chmod(command.folder.path, 0o700) == 0 && unlink(here) == 0)
    // At home one keeps links to such files.
    try command.folder.write("config/lbsample/x", "")
    #expect(unsafe symlink(real, command.folder.file("config/lbsample/collectors.conf")) == 0)
    #expect(try interval().text.contains("7s"))
    #expect(unsafe chmod(real, 0o622) == 0)
    #expect(try interval().error.contains("writable by group or others"))
  }

  @Test func onlyTheFirstProblemsOfAFileAreTold() throws {
    let command = try Command()
    let keys = (1...3000).map { "k\($0) = 1\n" }.joined()
    let file = try command.folder.write("many.conf", "[sample]\n" + keys)
    let outcome = try command("config", "check", file)
    let lines = outcome.error.split(separator: "\n")
    #expect(outcome.code == 2 && lines.count == 1001, "\(lines.count) lines")
    #expect(lines.first?.contains("many.conf:2: unknown key sample.k1") == true)
    #expect(lines.last == "lbsample: and 2000 more problems")
  }

  @Test func rowsOfTheDigestAreChecked() throws {
    let command = try Command()
    let file = try command.folder.write(
      "rows.conf",
      """
      [digest]
      energy = ""
      mine = "time; twice; ns; lower; 2 * wall_time"
      less = "time; wall; ns; less; wall_time"
      torn = "time; wall; ns; lower; wall_time /"
      """)
    let outcome = try command("config", "check", file)
    let lines = outcome.error.split(separator: "\n")
    #expect(outcome.code == 2 && lines.count == 2, "\(outcome.error)")
    #expect(lines[0].contains("rows.conf:4: digest.less = time; wall; ns; less; wall_time: better"))
    #expect(lines[0].hasSuffix("expected one of lower, higher, none"))
    #expect(lines[1].contains("rows.conf:5: digest.torn ="), "\(lines[1])")
  }

  @Test func theShippedConfigurationIsTheDefault() throws {
    let shipped = "\(Command.repository)/collectors.conf"
    #expect(try values(shipped) == values("/dev/null"))
    var section = ""
    var keys: Set<String> = []
    for line in try String(contentsOfFile: shipped, encoding: .utf8).split(separator: "\n") {
      if line.hasPrefix("[") { section = line.trimmingCharacters(in: ["[", "]"]) }
      if !line.hasPrefix("#"), let equals = line.firstIndex(of: "=") {
        keys.insert("\(section).\(line[..<equals].trimmingCharacters(in: .whitespaces))")
      }
    }
    #expect(try keys == Set(values("/dev/null").keys), "every key stands in it, and no other")
  }

  @Test func setsFormulasAndStandInsMayBeOnesOwn() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "own.conf",
      """
      [perf]
      mine = "task-clock,page-faults,none-such-event"
      [derived]
      own_faults = "( page-faults + 0 ) / task-clock * 1000000000"
      """)
    let outcome = try Command()(
      "run", "--config", folder.file("own.conf"), "--perf", "mine", "--format", "json", "--",
      "/bin/true")
    guard outcome.code == 0 else {
      #expect(outcome.code == 3 && outcome.error.contains("perf_event_paranoid"))
      try Test.cancel("events are not permitted here")
    }
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let rows = try #require(result["metrics"] as? [[String: Any]])
    func median(_ name: String) throws -> Double {
      try #require(rows.first { $0["metric"] as? String == name }?["median"] as? Double, "\(name)")
    }
    let expected = try median("perf.page-faults") / median("perf.task-clock") * 1e9
    #expect(try abs(median("perf.own_faults") / expected - 1) < 1e-12)
    let warnings = try #require(result["warnings"] as? [String])
    #expect(
      warnings.contains {
        $0.contains("perf: events of the set mine") && $0.contains("none-such-event")
      })
    let strict = try Command()(
      "run", "--config", folder.file("own.conf"), "--perf", "mine", "--require", "perf", "--",
      "/bin/true")
    #expect(strict.code == 3 && strict.error.contains("none-such-event"), "\(strict.error)")
  }

  @Test(arguments: [
    ("[derived]\nbad = \"cycles / \"", "a formula of names"),
    ("[derived]\nbad = \"( cycles\"", "a formula of names"),
    ("[fallback]\ncycles = \"instructions\"\ninstructions = \"cycles\"", "form a circle"),
    ("[fallback]\ncycles = \"no-such\"", "no event of this name"),
    ("[perf]\nmine = \"{cycles\"", "a { has no closing }"),
    ("[derived]\nrunning = \"cycles / instructions\"", "a column has this name"),
    ("[derived]\ncs = \"page-faults * 2\"", "an event or a column has this name"),
    ("[perf]\npage-faults = \"task-clock\"", "an event or a column has this name"),
  ]) func whatIsWrongWithThemIsSaid(_ text: String, _ words: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("own.conf", text + "\n")
    let outcome = try Command()(
      "--config", folder.file("own.conf"), "--perf", text.contains("mine") ? "mine" : "cs",
      "--count", "1")
    #expect(outcome.code == 2 && outcome.error.contains(words), "\(outcome.error)")
  }
}
