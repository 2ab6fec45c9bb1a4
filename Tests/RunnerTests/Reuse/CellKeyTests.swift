import Foundation
import LinuxSystem
import SampleModel
import TestSupport
import Testing

@testable import Runner

/// What two measurements must have in common for one to stand for the other.
@Suite struct CellKeyTests {
  /// A phase with what it is measured with.
  private struct Cell {
    var node = PhaseNode(name: "load[n=1]", kind: "command")
    var one = RunSpecification(name: "t", command: ["work", "1"])
    var found = PhaseProvenance()
    var position = CellInspection.Position()
    var surroundings = CellSurroundings(
      version: "0.1.0", host: ["kernel=6.1", "cpus=2"], user: 1000, directory: "/here",
      hasScope: false)
    var directory = "/here"

    init() {
      node.parameters = ["n": "1"]
      one.environment = ["PATH=/bin", "LANG=C"]
      found.executable = PhaseProvenance.File(path: "/bin/work", sha256: "aa")
      one.inputs = ["/data"]
      found.inputs = [PhaseProvenance.File(path: "/data", sha256: "bb")]
    }

    var key: CellKey {
      CellInspection.key(node, one, found, position, surroundings, directory: directory)
    }
  }

  private static let changes: [(String, @Sendable (inout Cell) throws -> Void)] = [
    ("name", { $0.node.name = "load[n=2]" }), ("kind", { $0.node.kind = "workload" }),
    ("parameter", { $0.node.parameters["n"] = "2" }),
    ("order", { $0.position.order = .abba }),
    ("mates", { $0.position.mates = ["load[n=1]", "b"] }),
    ("setup of the run", { $0.position.setups = ["make"] }),
    ("directory", { $0.directory = "/there" }),
    ("executable", { $0.found.executable?.sha256 = "ab" }),
    ("executable's path", { $0.found.executable?.path = "/usr/bin/work" }),
    ("input", { $0.found.inputs[0].sha256 = "bc" }),
    ("input's name", { $0.found.inputs[0].path = "/other" }),
    ("more inputs", { $0.found.inputs.append($0.found.inputs[0]) }),
    (
      "another named input",
      {
        $0.one.inputs.append("/more")
        $0.found.inputs.append(PhaseProvenance.File(path: "/more", sha256: "bb"))
      }
    ),
    ("version", { $0.surroundings.version = "0.2.0" }),
    ("host", { $0.surroundings.host[0] = "kernel=6.2" }),
    ("limits", { $0.surroundings.limits = ["Max open files 400"] }),
    ("caller", { $0.surroundings.user = 0 }), ("scope", { $0.surroundings.hasScope = true }),
    ("command", { $0.one.command[1] = "2" }),
    ("words", { $0.one.command = ["work 1"] }),
    ("repetitions", { $0.one.repetitions = 2 }), ("warm-ups", { $0.one.warmUps = 1 }),
    ("cooldown", { $0.one.cooldown = 1 }), ("timeout", { $0.one.timeout = 1 }),
    ("idle timeout", { $0.one.idleTimeout = 1 }), ("settle", { $0.one.settle = 1 }),
    ("quiet limit", { $0.one.quietLimit = 1 }), ("quiet share", { $0.one.quietShare = 0.1 }),
    ("grace", { $0.one.grace = 1 }), ("CPUs", { $0.one.workloadCPUs = CPUSet(list: "0") }),
    ("a variable", { $0.one.environment[1] = "LANG=en" }),
    ("the order of variables", { $0.one.environment.reverse() }),
    ("input of the workload", { $0.one.input = .file("/data") }),
    ("output", { $0.one.output = .null }), ("user", { $0.one.user = UserIdentity(named: "0") }),
    ("ignored failures", { $0.one.ignoredFailures = .codes([1]) }),
    ("output limit", { $0.one.outputLimit = 1 }), ("shown output", { $0.one.showOutput = true }),
    ("hook", { $0.one.hooks[.prepare] = "sync" }),
    ("metric", { $0.one.metrics = [try WorkloadMetric("v=v=([0-9]+)") { .pattern($0) }] }),
    ("missing metrics", { $0.one.requiresMetrics = false }),
    ("retries", { $0.one.attempts.retries = 1 }), ("gate", { $0.one.gates.steal = 0.5 }),
    ("noted gate", { $0.one.gates.noted = ["steal"] }),
    ("until", { $0.one.until = Precision("ci<=1%") }),
    ("most repetitions", { $0.one.maximumRepetitions = 50 }),
    ("change of the host", { $0.one.hostChanges = [try HostChange("aslr=0")] }),
    ("orphans", { $0.one.adoptsOrphans = false }),
    (
      "setting",
      {
        $0.one.configuration = [
          ConfigurationEntry(key: "run.interval", value: "5ms", origin: "default")
        ]
      }
    ),
  ]

  @Test func eachPartChangedOnceIsAMiss() throws {
    let cell = Cell()
    #expect(cell.key.hex == Cell().key.hex && cell.key.hex.count == 64)
    var keys: [String: String] = [cell.key.hex: "nothing"]
    var changed: Set<String> = []
    for (name, change) in Self.changes {
      var other = cell
      try change(&other)
      let twin = keys.updateValue(name, forKey: other.key.hex)
      #expect(twin == nil, "\(name) has the key of \(twin ?? "")")
      for (before, after) in zip(cell.key.parts, other.key.parts) where before != after {
        changed.insert(before.name)
      }
    }
    #expect(Set(cell.key.parts.map(\.name)) == changed, "each part is changed by one of them")
  }

  @Test func whatDoesNotMatterIsNoMiss() {
    let cell = Cell()
    var other = cell
    other.one.name = "another run"
    other.one.labels = ["a": "b"]
    other.one.reuse = 5
    other.one.attempts.requestedAt = "phase[1].retries"
    other.one.configuration = [
      ConfigurationEntry(key: "command.arguments", value: "[]", origin: "command line"),
      ConfigurationEntry(key: "plan.definition", value: "{}", origin: "command line"),
    ]
    #expect(other.key == cell.key)
  }

  /// A setting that is added later is not forgotten here.
  @Test func everyFieldOfASpecificationIsPartOfTheKeyOrSaidToBeNone() {
    let one = RunSpecification(name: "t", command: [])
    let fields = Set(Mirror(reflecting: one).children.compactMap(\.label))
    let parts = Set(CellKey.parts(of: one).map(\.name))
    let (elsewhere, indifferent) = (CellKey.elsewhere, CellKey.indifferent)
    #expect(parts.union(elsewhere).union(indifferent) == fields)
    #expect(parts.count + elsewhere.count + indifferent.count == fields.count)
  }

  @Test func noTwoListsOfPartsHaveTheSameBytes() {
    let lists: [[CellKey.Part]] = [
      [], [CellKey.Part("a", [])], [CellKey.Part("a", [""])], [CellKey.Part("a", ["b", "c"])],
      [CellKey.Part("a", ["bc"])], [CellKey.Part("ab", ["c"])],
      [CellKey.Part("a", ["b"]), CellKey.Part("c", [])],
      [CellKey.Part("a", ["b", "c"]), CellKey.Part("", [])],
    ]
    #expect(Set(lists.map { CellKey($0).bytes }).count == lists.count)
    #expect(CellKey([]).bytes.count == 8 + "lbsample cell 1".utf8.count + 8)
  }

  @Test func whatIsNotKnownHasNoKey() throws {
    let folder = try TemporaryFolder()
    let data = folder.file("data")
    try folder.write("data", "abc")
    let cell = Cell()
    let inspection = CellInspection(ContentHashes()) { false }
    func look(
      _ change: (inout Cell) -> Void, known: Bool = true
    ) -> PhaseProvenance {
      var other = cell
      other.one.command = ["/bin/sh"]
      change(&other)
      other.node.specification = other.one
      return inspection.provenance(
        of: other.node, at: other.position, in: known ? other.surroundings : nil)
    }
    let whole = look { $0.one.inputs = [data] }
    #expect(whole.key?.count == 64 && whole.unknown == nil)
    #expect(
      whole.inputs == [
        PhaseProvenance.File(
          path: data,
          sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
      ])
    #expect(whole.executable?.path == "/bin/sh" && whole.executable?.sha256?.count == 64)
    #expect(whole.environment == ["PATH": "***", "LANG": "***"], "masked unless it is said not to")
    let shown = look { $0.one.isMasked = { $0 == "PATH" } }
    #expect(shown.environment == ["PATH": "***", "LANG": "6b23c0d5f35d1b11"])
    #expect(look({ $0.one.inputs = [folder.file("none")] }).key == nil)
    #expect(look({ $0.one.inputs = [folder.path] }).unknown?.contains("not a regular file") == true)
    #expect(look({ $0.one.command = ["/bin/nosuch"] }).unknown?.contains("not there yet") == true)
    #expect(look({ $0.one.workspace = WorkspacePlan("empty") }).key == nil)
    #expect(look({ $0.one.input = .inherit }).key == nil)
    #expect(look({ $0.position.hasServers = true }).key == nil)
    #expect(look({ _ in }, known: false).key == nil)
    #expect(inspection.changes(since: whole) == [])
    try folder.write("data", "abd")
    #expect(inspection.changes(since: whole) == [data])
    #expect(look({ $0.one.inputs = [data] }).key != whole.key)
  }

  @Test func howFilesAreNamedIsNoMiss() throws {
    let folder = try TemporaryFolder()
    let data = try folder.write("data", "abc")
    let other = try folder.write("other", "abc")
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("link"), withDestinationPath: "data")
    let inspection = CellInspection(ContentHashes()) { false }
    func key(_ inputs: [String], input: String = "other", in directory: String = ".") -> String? {
      var cell = Cell()
      cell.one.command = ["/bin/sh"]
      (cell.one.inputs, cell.one.input, cell.one.directory) = (inputs, .file(input), directory)
      cell.one.configuration = [("depends", inputs[0]), ("input", input), ("directory", directory)]
        .map { ConfigurationEntry(key: "workload.\($0)", value: $1, origin: "command line") }
      cell.node.specification = cell.one
      cell.surroundings.directory = folder.path
      return inspection.provenance(of: cell.node, at: cell.position, in: cell.surroundings).key
    }
    let first = try #require(key(["data"]))
    for path in ["./data", "link", data, "\(folder.path)//./data"] {
      #expect(key([path]) == first, "\(path)")
    }
    #expect(key(["data"], input: other, in: folder.path) == first)
    #expect(key(["data", "other"]) == key([other, "data", "./data"]))
    #expect(key(["data", "other"]) != first && key(["other"], input: "data") != first)
    try folder.write("data", "abd")
    #expect(key(["data"]) != first && key(["data"]) == key([data]))
  }

  /// Two files whose names are equal to Unicode, and not to the system.
  @Test func filesOfEqualNamesAreTwo() throws {
    let folder = try TemporaryFolder()
    let names = ["\u{E9}", "e\u{301}"]
    for name in names { try folder.write(name, "abc") }
    func key(_ inputs: [String]) -> String? {
      var cell = Cell()
      (cell.one.command, cell.one.inputs) = (["/bin/sh"], inputs)
      cell.node.specification = cell.one
      cell.surroundings.directory = folder.path
      let inspection = CellInspection(ContentHashes()) { false }
      return inspection.provenance(of: cell.node, at: cell.position, in: cell.surroundings).key
    }
    let both = try #require(key(names))
    #expect(both == key(names.reversed()) && both != key([names[0]]) && both != key([names[1]]))
    #expect(key([names[0]]) != key([names[1]]))
    try folder.write(names[0], "abd")
    #expect(key(names) != both)
  }

  /// A wrapper is the executable of a command; the program that it starts decides as much.
  @Test func programsThatWrappersStartAreFound() throws {
    var one = RunSpecification(
      name: "t", command: ["env", "A=1", "-u", "B", "nice", "-n", "5", "sh", "-c", "sort x"])
    one.environment = ["PATH=/usr/bin:/bin"]
    let found = WrappedCommand.executables(of: one).map { $0.split(separator: "/").last ?? "" }
    #expect(found == ["nice", "sh"])
    one.command = ["sh", "-c", "env sort x"]
    #expect(WrappedCommand.executables(of: one).isEmpty)
    one.command = ["timeout", "5", "/no/such/program"]
    #expect(WrappedCommand.executables(of: one).isEmpty)
  }
}
