import Foundation
import GRDB
import RunStore
import SampleModel
import TestSupport
import Testing

/// What files of earlier versions are to this one, and what reading one reads.
@Suite struct SchemaTests {
  private func writer(_ path: String) throws -> RunWriter {
    try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "test-20260101-000000-00000002", name: "test", kind: "run", version: "0",
        interval: 1_000_000, startUnixNanoseconds: 5),
      host: [], configuration: [], labels: [:])
  }

  private func entry(_ kind: String) -> JournalEntry {
    JournalEntry(
      unixNanoseconds: 7, level: "info", kind: kind, message: "m", run: "", phase: "main")
  }

  /// An interrupted run as version 4 wrote it.
  private func old(_ path: String) throws {
    let made = try writer(path)
    try made.journal(entry("run.start"))
    var phase = PhaseResult(name: "main", command: ["x"])
    phase.status = .interrupted
    try attempt(1, [97, 98, 99], try made.addPhase(phase), made)
    try made.setRunStatus(.interrupted)
    made.close()
    let file = try DatabaseQueue(path: path)
    try file.write { db in
      try db.execute(
        sql: """
          DROP INDEX repetition_by_phase; DROP INDEX attempt_by_repetition;
          DROP INDEX attempt_by_bracket; DROP TABLE seal;
          ALTER TABLE attempt DROP COLUMN output_checksum;
          ALTER TABLE attempt ADD COLUMN output BLOB;
          UPDATE attempt SET output = (SELECT data FROM output WHERE attempt_id = attempt.id);
          DROP TABLE output; ALTER TABLE journal DROP COLUMN status;
          ALTER TABLE journal DROP COLUMN error;
          PRAGMA user_version = 4;
          """)
    }
    try file.close()
  }

  /// One attempt of a phase, with what its workload wrote.
  private func attempt(
    _ number: Int, _ output: [UInt8], _ phase: Int64, _ writer: RunWriter
  ) throws {
    let row = try writer.addRepetition(
      RepetitionResult(repetition: number, warmUp: false), phase: phase)
    let attempt = try writer.addAttempt(number: 1, bracket: UInt32(number), repetition: row)
    var result = AttemptResult(attempt: 1)
    result.outputBytes = UInt64(output.count)
    try writer.finishAttempt(attempt, result, output: output)
  }

  private func structure(_ path: String) throws -> (version: Int, parts: [String]) {
    let file = try DatabaseQueue(path: path)
    defer { try? file.close() }
    return try file.read { db in
      let columns = try String.fetchAll(
        db,
        sql: """
          SELECT m.name || '.' || c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
          ORDER BY m.name, c.cid
          """)
      let rest = try String.fetchAll(db, sql: "SELECT name FROM sqlite_master ORDER BY name")
      return (try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0, columns + rest)
    }
  }

  @Test func aFileOfVersion4IsReadAsItIsAndMigratedToBeGoneOnWith() throws {
    let folder = try TemporaryFolder()
    let (path, new) = (folder.file("old.lbsample"), folder.file("new.lbsample"))
    try old(path)
    var reader = try RunReader(path: path)
    #expect(try reader.journal(run: "r").map(\.kind) == ["run.start"])
    try reader.add(entry("host.restored"))
    #expect(try reader.journal(run: "r").map(\.kind) == ["run.start", "host.restored"])
    #expect(try reader.result().status == .interrupted)
    let kept = try reader.result().phases[0].repetitions[0].attempts[0].outputBytesKept
    #expect(try kept == 3 && reader.output(bracket: 1) == [97, 98, 99])
    reader.close()
    #expect(try structure(path).version == 4, "what is only read stays as it is")

    let resumed = try RunWriter(resuming: path)
    var failed = entry("repetition.end")
    failed.status = .failed
    failed.error = LBError(.workload, "it failed", context: ErrorContext(errno: 5))
    try resumed.journal(failed)
    try resumed.setRunStatus(.interrupted)
    resumed.close()
    reader = try RunReader(path: path)
    let journal = try reader.journal(run: "r")
    #expect(try reader.output(bracket: 1) == [97, 98, 99])
    #expect(try reader.result().phases[0].repetitions[0].attempts[0].outputBytesKept == 3)
    reader.close()
    #expect(journal.map(\.status) == [nil, nil, .failed])
    #expect(journal[2].error == failed.error && journal[0].error == nil)

    let fresh = try writer(new)
    try fresh.setRunStatus(.interrupted)
    fresh.close()
    let (one, other) = (try structure(path), try structure(new))
    #expect(one.version == 6 && one.version == other.version)
    #expect(one.parts == other.parts, "an old file becomes what a new one is")
  }

  /// What is written where nobody finds it is an error at once; what took its name stays.
  @Test func aFileThatIsRemovedOrReplacedIsAnError() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.lbsample")
    for replacement in [nil, "another's"] {
      let made = try writer(path)
      try FileManager.default.removeItem(atPath: path)
      if let replacement { try folder.write("a.lbsample", replacement) }
      let failure = #expect(throws: LBError.self) { try made.setRunStatus(.interrupted) }
      #expect(failure?.category == .resultPersistence)
      #expect(failure?.message.contains("moved, removed or replaced") == true)
      made.discard()
      #expect(FileManager.default.contents(atPath: path) == replacement.map { Data($0.utf8) })
      for suffix in ["", "-wal", "-shm", "-tail"] {
        try? FileManager.default.removeItem(atPath: path + suffix)
      }
    }
  }

  /// Of two that want one name at the same moment one gets it, and its file stays whole.
  @Test func ofSeveralWritersOneGetsTheName() async throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.lbsample")
    let outcomes = await withTaskGroup(of: Result<RunWriter, any Error>.self) { group in
      for _ in 0..<8 { group.addTask { Result { try writer(path) } } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let made = outcomes.compactMap { try? $0.get() }
    #expect(made.count == 1)
    try made.first?.setRunStatus(.interrupted)
    made.first?.close()
    let reader = try RunReader(path: path)
    #expect(try reader.result().status == .interrupted)
    reader.close()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.lbsample"])
  }

  @Test func versionsThatAreNotKnownAreRefused() throws {
    let folder = try TemporaryFolder()
    for version in [3, 7] {
      let path = folder.file("v\(version).lbsample")
      let made = try writer(path)
      try made.setRunStatus(.interrupted)
      made.close()
      let file = try DatabaseQueue(path: path)
      try file.write { try $0.execute(sql: "PRAGMA user_version = \(version)") }
      try file.close()
      let error = #expect(throws: LBError.self) { try RunReader(path: path) }
      #expect(
        error?.message.contains("reads versions 4 to 6") == true, "\(String(describing: error))")
    }
  }

  /// A damaged version would have what came with later ones left out.
  @Test func aVersionThatDoesNotFitTheTablesIsRefused() throws {
    let folder = try TemporaryFolder()
    for version in [4, 5] {
      let path = folder.file("v\(version).lbsample")
      let made = try writer(path)
      try made.setRunStatus(.interrupted)
      made.close()
      let file = try DatabaseQueue(path: path)
      try file.write { try $0.execute(sql: "PRAGMA user_version = \(version)") }
      try file.close()
      let error = #expect(throws: LBError.self) { try RunReader(path: path) }
      #expect(error?.category == .resultPersistence)
      #expect(error?.message.contains("says schema version \(version), and has") == true)
    }
  }

  /// Bytes that this thread has read by system calls. proc(5), /proc/[pid]/io.
  private func bytesRead() throws -> Int {
    let text = try String(contentsOfFile: "/proc/thread-self/io", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("rchar: ") })
    return try #require(Int(line.dropFirst(7)))
  }

  @Test func outputsAreReadWhenTheyAreAskedFor() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("outputs.lbsample")
    let made = try writer(path)
    let phase = try made.addPhase(PhaseResult(name: "main", command: ["x"]))
    let size = 1 << 20
    for number in 1...16 {
      try attempt(number, [UInt8](repeating: UInt8(number), count: size), phase, made)
    }
    try made.setRunStatus(.interrupted)
    made.close()
    let reader = try RunReader(path: path)
    defer { reader.close() }
    var before = try bytesRead()
    let result = try reader.result()
    let whole = try bytesRead() - before
    let attempts = result.phases[0].repetitions.flatMap(\.attempts)
    #expect(attempts.map(\.outputBytesKept) == Array(repeating: UInt64(size), count: 16))
    #expect(whole < size / 2, "\(whole) bytes for a result of 16 MiB")
    before = try bytesRead()
    #expect(try reader.output(bracket: 9) == [UInt8](repeating: 9, count: size))
    let one = try bytesRead() - before
    #expect(one >= size && one < size + size / 2, "\(one) bytes for one output")
  }
}
