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

  @Test func theShippedConfigurationIsTheDefault() throws {
    let shipped = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("collectors.conf").path
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
    #expect(warnings.contains { $0.contains("of the set mine") && $0.contains("none-such-event") })
    let strict = try Command()(
      "run", "--config", folder.file("own.conf"), "--perf", "mine", "--require", "perf", "--",
      "/bin/true")
    #expect(strict.code == 3 && strict.error.contains("none-such-event"), "\(strict.error)")
  }

  @Test(arguments: [
    ("[derived]\nbad = \"cycles / \"", "a formula of names"),
    ("[derived]\nbad = \"( cycles\"", "a formula of names"),
    ("[fallback]\ncycles = \"instructions\"\ninstructions = \"cycles\"", "round in a circle"),
    ("[fallback]\ncycles = \"no-such\"", "no event of this name"),
    ("[perf]\nmine = \"{cycles\"", "a { has no }"),
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
