import Foundation
import GRDB
import LinuxSystem
import SampleModel
import TestSupport
import Testing

@testable import RunStore

/// What is done to runs after they are over: retention, import, labels.
@Suite struct KeepingRunsTests {
  private let folder: TemporaryFolder
  private var directory: RunDirectory { RunDirectory(path: folder.file("runs")) }
  private static let id = "a-b-20260101-000000-0000000a"

  init() throws { folder = try TemporaryFolder() }

  /// A run in a folder of its own; gives its file.
  @discardableResult
  private func run(
    _ id: String = KeepingRunsTests.id, _ status: RunStatus = .completed, in place: String = "from"
  ) throws -> String {
    try FileManager.default.createDirectory(
      atPath: folder.file(place), withIntermediateDirectories: true)
    let path = "\(folder.file(place))/\(id).lbsample"
    let writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: id, name: "a-b", kind: "run", version: "0", interval: 1_000_000,
        startUnixNanoseconds: 1_767_225_600_000_000_005),
      host: [(name: "hostname", value: "build1")], configuration: [],
      labels: ["branch": "main", "old": "1"])
    let phase = try writer.addPhase(PhaseResult(name: "main", command: ["work"]))
    for number in 1...2 {
      let row = try writer.addRepetition(
        RepetitionResult(repetition: number, warmUp: false), phase: phase)
      let attemptRow = try writer.addAttempt(number: 1, bracket: UInt32(number), repetition: row)
      var attempt = AttemptResult(attempt: 1)
      attempt.status = .completed
      attempt.wallNanoseconds = UInt64(number) * 1000
      attempt.metrics = ["vm.pgfault": Double(number), "cpu.user[all]": 7]
      try writer.finishAttempt(attemptRow, attempt, output: [])
      try writer.setRepetitionStatus(row, .completed)
    }
    try writer.setRunStatus(status)
    writer.close()
    return path
  }

  // MARK: Retention

  private func candidate(
    _ name: String, _ start: UInt64, _ bytes: UInt64 = 10
  ) -> RunRetention.Candidate {
    RunRetention.Candidate(
      file: "\(name)\(start)", name: name, startUnixNanoseconds: start, bytes: bytes)
  }

  private func removed(
    _ retention: RunRetention, _ candidates: [RunRetention.Candidate], others: UInt64 = 0
  ) -> [String] { retention.removed(candidates, others: others).map(\.file) }

  @Test func eachLimitRemovesTheOldest() {
    let all = [candidate("a", 3), candidate("b", 4), candidate("a", 1), candidate("a", 2)]
    #expect(removed(RunRetention(), all).isEmpty)
    #expect(removed(RunRetention(keep: 1), all) == ["a1", "a2"])
    #expect(removed(RunRetention(before: 3), all) == ["a1", "a2"])
    #expect(removed(RunRetention(bytes: 20), all) == ["a1", "a2"])
    #expect(removed(RunRetention(bytes: 20), all, others: 15) == ["a1", "a2", "a3", "b4"])
    #expect(removed(RunRetention(bytes: 40), all).isEmpty)
    #expect(removed(RunRetention(bytes: 0), all).count == 4)
  }

  @Test func whatIsToBeKeptStaysWhateverElseHolds() {
    let all = [candidate("a", 1), candidate("a", 2), candidate("a", 3), candidate("b", 1)]
    #expect(removed(RunRetention(keep: 1, before: 100), all) == ["a1", "a2"])
    #expect(removed(RunRetention(keep: 2, before: 2, bytes: 0), all) == ["a1"])
    #expect(removed(RunRetention(keep: 1, before: 2), all) == ["a1"])
    #expect(removed(RunRetention(before: 2, bytes: 15), all) == ["a1", "b1", "a2"])
  }

  /// c3 has phases that a1 measured, and b2 those of b1.
  @Test func whatMeasuredPhasesOfARunThatStaysStaysWithIt() {
    let all = [candidate("a", 1), candidate("b", 1), candidate("b", 2), candidate("c", 3)]
    func removed(_ retention: RunRetention) -> [[String]] {
      let sources: [ExactText: Set<ExactText>] = [
        ExactText("c3"): [ExactText("a1"), ExactText("gone")],
        ExactText("b2"): [ExactText("b1")],
      ]
      let (removed, kept) = retention.removed(all, sources: sources)
      return [removed.map(\.file), kept.map(\.file)]
    }
    #expect(removed(RunRetention(before: 3)) == [["b1", "b2"], ["a1"]])
    #expect(removed(RunRetention(before: 2)) == [[], ["a1", "b1"]])
    #expect(removed(RunRetention(bytes: 0)) == [["a1", "b1", "b2", "c3"], []])
    // In place of what stays, what is newer goes.
    #expect(removed(RunRetention(bytes: 30)) == [["b2"], ["a1", "b1"]])
    #expect(removed(RunRetention(keep: 1)) == [[], ["b1"]])
    #expect(removed(RunRetention()) == [[], []])
  }

  @Test func aNameIsTheIdWithoutItsEnd() {
    #expect(RunDirectory.name(ofRun: Self.id) == "a-b")
    #expect(RunDirectory.name(ofRun: "x-20260101-000000-0000000A") == "x-20260101-000000-0000000A")
    #expect(RunDirectory.name(ofRun: "-20260101-000000-0000000a") == "-20260101-000000-0000000a")
    #expect(RunDirectory.name(ofRun: "short") == "short" && RunDirectory.name(ofRun: "") == "")
  }

  // MARK: Import

  @Test func anImportedFileIsACopyUnderItsRunsId() throws {
    let source = try run()
    let renamed = folder.file("other name")
    try FileManager.default.moveItem(atPath: source, toPath: renamed)
    let before = try SmallFile.read(renamed)
    let path = try directory.add(copyOf: renamed)
    #expect(path == directory.file(ofRun: Self.id))
    #expect(try SmallFile.read(renamed) == before, "the original is untouched")
    let reader = try RunReader(path: path)
    let overview = try reader.overview()
    #expect(overview.runID == Self.id && overview.completed == 2 && overview.host == "build1")
    #expect(overview.name == "a-b")
    reader.close()
    let stored = try SmallFile.read(path)
    let error = try #require(throws: LBError.self) { try directory.add(copyOf: renamed) }
    #expect(error.message.contains("stored already"), "\(error)")
    #expect(try SmallFile.read(path) == stored)
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
    #expect(names == ["\(Self.id).lbsample"], "no draft is left: \(names)")
  }

  @Test(arguments: ["text", "gzip", "changed", "cut", "log", "fifo", "folder", "missing"])
  func whatIsNoWholeResultIsNotImported(_ what: String) throws {
    let source = try run()
    var bytes = try SmallFile.read(source)
    switch what {
    case "text": bytes = Array("no database".utf8)
    case "gzip": bytes = [0x1F, 0x8B, 8, 0] + bytes
    case "changed":
      let file = try DatabaseQueue(path: source)
      try file.write { try $0.execute(sql: "UPDATE label SET value = 'x'") }
      try file.close()
      bytes = try SmallFile.read(source)
    case "cut": bytes = Array(bytes.prefix(bytes.count / 2))
    case "log": try Data([1]).write(to: URL(fileURLWithPath: source + "-wal"))
    case "fifo", "folder", "missing":
      try FileManager.default.removeItem(atPath: source)
      if what == "fifo" { #expect(unsafe mkfifo(source, 0o600) == 0) }
      if what == "folder" {
        try FileManager.default.createDirectory(
          atPath: source, withIntermediateDirectories: false)
      }
    default: break
    }
    if !["fifo", "folder", "missing"].contains(what) {
      try Data(bytes).write(to: URL(fileURLWithPath: source))
    }
    let error = try #require(throws: LBError.self) { try directory.add(copyOf: source) }
    #expect(error.message.contains(source), "\(error)")
    #expect(!error.message.contains(".import-"), "\(error)")
    if what == "gzip" { #expect(error.message.contains("runs bundle"), "\(error)") }
    let exists = FileManager.default.fileExists(atPath: directory.path)
    let left = exists ? try FileManager.default.contentsOfDirectory(atPath: directory.path) : []
    #expect(left.isEmpty, "\(left)")
  }

  /// What an import leaves that is killed goes with the next one; an import that runs, and files
  /// of other names, stay.
  @Test func whatAKilledImportLeftIsRemoved() throws {
    let source = try run()
    try directory.create()
    let names = ["1f", "1f-wal", "2f", "x", "1f.lbsample"].map { ".import-\($0)" }
    for name in names { try folder.write("runs/\(name)", "part") }
    let running = try OwnedDescriptor(open: folder.file("runs/.import-2f"), O_RDONLY)
    #expect(flock(running.number, LOCK_EX | LOCK_NB) == 0)
    #expect(try directory.files().map { $0.hasSuffix(".import-1f.lbsample") } == [true])
    _ = try directory.add(copyOf: source)
    let left = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    #expect(
      left == [".import-1f.lbsample", ".import-2f", ".import-x", "\(Self.id).lbsample"].sorted())
  }

  /// An id with another time than its run's would be the newest run, or never be removed.
  @Test func aRunIdHasTheTimeOfItsRun() throws {
    let late = try run("a-b-99990101-000000-0000000a")
    let error = try #require(throws: LBError.self) { try directory.add(copyOf: late) }
    #expect(error.message.contains("the time in its run id"), "\(error)")
  }

  // MARK: Labels

  @Test func labelsOfARunThatIsOverChangeAndTheSealFollows() throws {
    let path = try run()
    let reader = try RunReader(path: path)
    try reader.label(set: ["branch": "next", "new": "x=y"], removed: ["old"])
    #expect(try reader.overview().labels == ["branch": "next", "new": "x=y"])
    reader.close()
    let again = try RunReader(path: path)
    defer { again.close() }
    try again.verifyAll()
    #expect(try again.overview().labels == ["branch": "next", "new": "x=y"])
    #expect(try again.integrity() == "ok")
    // All or nothing: the first change is taken back with the second one.
    let error = #expect(throws: LBError.self) {
      try again.label(set: ["a": "b"], removed: ["new", "none"])
    }
    #expect(error?.message.contains("no label none") == true, "\(String(describing: error))")
    #expect(try again.overview().labels == ["branch": "next", "new": "x=y"])
    try again.verifyAll()
  }

  @Test func labelsOfAFileThatIsNotWholeStay() throws {
    let path = try run()
    let file = try DatabaseQueue(path: path)
    try file.write { try $0.execute(sql: "UPDATE metric SET value = 3") }
    try file.close()
    let before = try SmallFile.read(path)
    let reader = try RunReader(path: path)
    #expect(throws: LBError.self) { try reader.label(set: ["a": "b"], removed: []) }
    reader.close()
    #expect(try SmallFile.read(path) == before)
  }

  @Test func labelsOfARunThatIsNotOverStay() throws {
    let path = try run(Self.id, .running)
    let reader = try RunReader(path: path)
    defer { reader.close() }
    #expect(throws: LBError.self) { try reader.label(set: ["a": "b"], removed: []) }
    #expect(try reader.labels() == ["branch": "main", "old": "1"])
  }

  // MARK: What a history reads

  @Test func onlyWantedMetricsAreRead() throws {
    let reader = try RunReader(path: try run())
    defer { reader.close() }
    let plain = try reader.measured(metrics: nil)
    let attempts = plain.flatMap(\.repetitions).flatMap(\.attempts)
    #expect(plain.map(\.name) == ["main"] && attempts.map(\.wallNanoseconds) == [1000, 2000])
    #expect(attempts.allSatisfy { $0.metrics.isEmpty })
    #expect(!reader.verified.contains("metric") && !reader.verified.contains("ledger"))
    let some = try reader.measured { $0 == "vm.pgfault" }
    let metrics = some.flatMap(\.repetitions).flatMap(\.attempts).map(\.metrics)
    #expect(metrics == [["vm.pgfault": 1], ["vm.pgfault": 2]])
  }
}
