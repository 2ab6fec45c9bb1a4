import Foundation
import GRDB
import RunStore
import SampleModel
import TestSupport
import Testing

/// How a result file comes to be, and what reading one reads.
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

  @Test func whatAnEventIsAboutIsKept() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.lbsample")
    let made = try writer(path)
    try made.journal(entry("run.start"))
    var failed = entry("repetition.end")
    failed.status = .failed
    failed.error = LBError(.workload, "it failed", context: ErrorContext(errno: 5))
    try made.journal(failed)
    try made.setRunStatus(.interrupted)
    made.close()
    let reader = try RunReader(path: path)
    try reader.add(entry("host.restored"))
    let journal = try reader.journal(run: "r")
    reader.close()
    #expect(journal.map(\.kind) == ["run.start", "repetition.end", "host.restored"])
    #expect(journal.map(\.status) == [nil, .failed, nil])
    #expect(journal[1].error == failed.error && journal[0].error == nil)
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

  private func version(_ path: String) throws -> Int {
    let file = try DatabaseQueue(path: path)
    defer { try? file.close() }
    return try file.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
  }

  @Test func versionsThatAreNotKnownAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.lbsample")
    let made = try writer(path)
    try made.setRunStatus(.interrupted)
    made.close()
    let newest = try version(path)
    for version in [0, newest + 1] {
      let file = try DatabaseQueue(path: path)
      try file.write { try $0.execute(sql: "PRAGMA user_version = \(version)") }
      try file.close()
      let error = #expect(throws: LBError.self) { try RunReader(path: path) }
      #expect(
        error?.message.contains("reads versions 1 to \(newest)") == true,
        "\(String(describing: error))")
    }
  }

  /// A damaged version would have what came with later ones left out.
  @Test func aVersionThatDoesNotFitTheTablesIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a.lbsample")
    let made = try writer(path)
    try made.setRunStatus(.interrupted)
    made.close()
    let newest = try version(path)
    for version in 1..<newest {
      let file = try DatabaseQueue(path: path)
      try file.write { try $0.execute(sql: "PRAGMA user_version = \(version)") }
      try file.close()
      let error = #expect(throws: LBError.self) { try RunReader(path: path) }
      #expect(error?.category == .resultPersistence)
      #expect(error?.message.contains("says schema version \(version) but has") == true)
    }
  }

  /// Bytes that this thread has read by system calls. proc(5), /proc/[pid]/io.
  private func bytesRead() throws -> Int {
    let text = try String(contentsOfFile: "/proc/thread-self/io", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("rchar: ") })
    return try #require(Int(line.dropFirst(7)))
  }

  /// To be held against the seal each row of a chunk is read, and none of its data.
  @Test func chunksAreCountedWithoutTheirData() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("chunks.lbsample")
    let made = try writer(path)
    try made.setRunStatus(.interrupted)
    made.close()
    let size = 1 << 16
    let file = try DatabaseQueue(path: path)
    try file.write { db in
      for number in 1...64 {
        try db.execute(
          sql: """
            INSERT INTO chunk VALUES (?, 1, 0, 1, ?, 1, 5, ?, ?, 0, zeroblob(\(size)))
            """, arguments: [number, number, number * 1000, number * 1000 + 500])
      }
    }
    try file.close()
    try Seal.renew(inFile: path)
    let reader = try RunReader(path: path)
    defer { reader.close() }
    let before = try bytesRead()
    #expect(try reader.frameCount() == 320)
    let read = try bytesRead() - before
    #expect(read < 64 * size / 4, "\(read) bytes to count the rows of 4 MiB")
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
