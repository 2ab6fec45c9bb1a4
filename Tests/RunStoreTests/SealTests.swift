import Foundation
import GRDB
import LinuxSystem
import Output
import RunStore
import SampleModel
import TestSupport
import Testing

/// A result file shows what was written, or says that it does not.
@Suite struct SealTests {
  /// Everything that commands make of a file, as text; nil where a part cannot be read and that is
  /// said. Reading ends a run whose writer is gone.
  private func everything(_ path: String) throws -> String? {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    _ = try reader.finishIfAbandoned()
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let result = try reader.result()
    var text = String(decoding: try encoder.encode(result), as: UTF8.self)
    text += String(decoding: try encoder.encode(try reader.journal(run: "r")), as: UTF8.self)
    let (frames, planned) = (try reader.frameCount(), try reader.planned())
    text += "\(frames) \(planned?.repetitions ?? -1)"
    for attempt in result.phases.flatMap(\.repetitions).flatMap(\.attempts) {
      guard let bracket = attempt.bracket else { continue }
      let output = try reader.output(bracket: bracket)
      text += "\(output)"
    }
    let sink = CollectingSink()
    try RunReplay(reader).play(into: sink)
    text += String(decoding: try encoder.encode(sink.layouts), as: UTF8.self)
    text += "\(sink.meta.map { "\($0)" } ?? "") \(sink.events)"
    for frame in sink.frames + sink.recordBatches { text += "\(frame)" }
    let writer: TextWriter = { bytes throws(LBError) in
      text += String(decoding: bytes, as: UTF8.self)
    }
    try RunReplay(reader).play(
      into: CSVSink(reader: StreamReader(raw: false), writer: writer, notice: { _ in }))
    return try reader.damageOfTail() == nil ? text : nil
  }

  private static let suffixes = ["", "-wal", "-tail", "-shm"]

  private func files(_ path: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for suffix in Self.suffixes where FileManager.default.fileExists(atPath: path + suffix) {
      files[suffix] = try SmallFile.read(path + suffix)
    }
    return files
  }

  private func put(_ files: [String: [UInt8]], _ path: String) throws {
    for suffix in Self.suffixes + ["-wal.damaged", "-tail.damaged"] {
      _ = unsafe unlink(path + suffix)
    }
    for (suffix, bytes) in files {
      try Data(bytes).write(to: URL(fileURLWithPath: path + suffix))
    }
  }

  /// The files of a finished run, or of a recording whose writer was killed: samples in rows, in
  /// the log and in the tail, of a log that began anew and a tail of its second generation.
  private func recorded(killed: Bool, _ folder: TemporaryFolder) throws -> [String: [UInt8]] {
    let path = folder.file("original.lbsample")
    guard killed else {
      try DamagedFileTests().record(path)
      return try files(path)
    }
    let script = try Script(path)
    try script.layout(columns: 12)
    try script.frames(20)
    try script.commit()
    try leaveToEarlierBoot(path)
    try note(script, 1)
    try script.frames(10)
    try script.commit(end: true)
    try script.writer.checkpoint()
    for number in 2..<5 as Range<UInt64> {
      try note(script, number)
      try script.frames(10, bracket: 2)
      try script.commit()
    }
    try script.frames(5, bracket: 2)
    try script.commit()
    let left = try files(path)
    script.writer.close()
    return left
  }

  private func note(_ script: Script, _ number: UInt64) throws {
    try script.sink.event(
      SampleEvent(.note, time: 1_000_000_000_000 + number, message: "it is \(number)"))
  }

  // MARK: Seals

  /// A value that another program changed, a row that it removed: whichever table it is in.
  @Test func aChangeThatWasNotSealedIsNoticed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let original = try recorded(killed: false, folder)
    try put(original, path)
    #expect(try everything(path) != nil)
    let file = try DatabaseQueue(path: path)
    let columns = try file.read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c
            WHERE m.type = 'table' AND m.name NOT IN ('seal', 'configuration')
          """
      ).map { (table: $0["t"] as String, column: $0["c"] as String) }
    }
    try file.close()
    var settings = GRDB.Configuration()
    settings.foreignKeysEnabled = false
    for (table, column) in columns where !(table == "chunk" && column == "data") {
      for statement in [
        "UPDATE \(table) SET \(column) = 77 WHERE \(column) IS NOT 77",
        "DELETE FROM \(table) WHERE \(column) IS (SELECT max(\(column)) FROM \(table))",
      ] {
        try put(original, path)
        let changed = try DatabaseQueue(path: path, configuration: settings)
        let count = try changed.write { db -> Int in
          do { try db.execute(sql: statement) } catch is DatabaseError { return 0 }
          return db.changesCount
        }
        try changed.close()
        guard count > 0 else { continue }
        let error = #expect(throws: LBError.self, "\(statement)") { try everything(path) }
        let isOfOutput = (table, column) == ("output", "data")
        let words = isOfOutput ? "checksum" : "table \(table) does not match its checksum"
        #expect(error?.message.contains(words) == true, "\(statement): \(error as Any)")
        #expect(error?.message.hasPrefix(path) == true && error?.category == .resultPersistence)
      }
    }
  }

  @Test func aSealThatWasChangedIsNoticed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let original = try recorded(killed: false, folder)
    for statement in [
      "UPDATE seal SET checksum = checksum + 1 WHERE name = 'phase'",
      "UPDATE seal SET rows = rows + 1 WHERE name = 'phase'",
      "DELETE FROM seal WHERE name = 'phase'", "DELETE FROM seal",
      "CREATE INDEX another ON phase (name)",
    ] {
      try put(original, path)
      let changed = try DatabaseQueue(path: path)
      try changed.write { try $0.execute(sql: statement) }
      try changed.close()
      let error = #expect(throws: LBError.self, "\(statement)") { try everything(path) }
      #expect(error?.message.contains("corrupt: ") == true && error?.category.exitCode == 5)
    }
  }

  /// The list of runs needs few tables, and does not look at the others.
  @Test func anOutlineNeedsFewTables() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    try put(try recorded(killed: false, folder), path)
    let changed = try DatabaseQueue(path: path)
    try changed.write { try $0.execute(sql: "UPDATE metric SET value = value + 1") }
    try changed.close()
    let reader = try RunReader(path: path)
    defer { reader.close() }
    let outline = try reader.overview()
    #expect(outline.status == .failed && outline.command == ["true"] && outline.commands == 1)
    #expect(try reader.result([]).phases[0].repetitions.map(\.repetition) == [1])
    #expect(throws: LBError.self) { try reader.result() }
  }

  /// What a reader adds to a file that has a seal is sealed.
  @Test func anEntryThatIsAddedLaterIsSealed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    try put(try recorded(killed: false, folder), path)
    for count in 1...2 {
      let reader = try RunReader(path: path)
      try reader.add(
        JournalEntry(
          unixNanoseconds: 7, level: "info", kind: "host.restored", message: "m", run: "r"))
      reader.close()
      let again = try RunReader(path: path)
      #expect(try again.journal(run: "r").count { $0.kind == "host.restored" } == count)
      again.close()
    }
  }

  /// The same output twice, a phase whose summaries are written twice: what goes is taken off.
  @Test func whatIsReplacedIsTakenOffTheSeal() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: "r", name: "r", kind: "run", version: "0", interval: 1_000_000,
        startUnixNanoseconds: 5), host: [], configuration: [], labels: ["a": "b"])
    try writer.setLabels(["a": "c"])
    var phase = PhaseResult(name: "main", command: ["true"])
    phase.status = .interrupted
    phase.metrics = [
      MetricSummary(
        metric: "wall", unit: "ns", count: 1, median: 1, minimum: 1, maximum: -0.0,
        medianAbsoluteDeviation: 0.5, medianLow: nil, medianHigh: nil)
    ]
    let row = try writer.addPhase(phase)
    let repetition = try writer.addRepetition(
      RepetitionResult(repetition: 1, warmUp: false), phase: row)
    let attempt = try writer.addAttempt(number: 1, bracket: 1, repetition: repetition)
    var result = AttemptResult(attempt: 1)
    result.ledger = Ledger(threads: [ThreadLedger(thread: 0, cpu: nil)])
    result.overhead = Overhead()
    for value in [1, 2.5] {
      result.metrics = ["whole": value.rounded(), "part": value, "none": -0.0]
      try writer.finishAttempt(attempt, result, output: Array("it was \(value)".utf8))
      try writer.updatePhase(row, phase)
      let reader = try RunReader(path: path)
      #expect(try reader.result().phases[0].repetitions[0].attempts[0].metrics == result.metrics)
      #expect(try reader.output(bracket: 1) == Array("it was \(value)".utf8))
      reader.close()
    }
    try writer.setRunStatus(.interrupted)
    writer.close()
    let resumed = try RunWriter(resuming: path)
    try resumed.setRepetitionStatus(repetition, .completed)
    try resumed.setRunStatus(.interrupted)
    resumed.close()
    let reader = try RunReader(path: path)
    defer { reader.close() }
    #expect(try reader.result().labels == ["a": "c"])
  }

  // MARK: The log

  /// SQLite passes over what follows a damaged frame without a word.
  @Test(arguments: ["data", "salt", "last", "header", "cut", "middle", "none"], [true, false])
  func whatIsLostOfALogIsSaidAndKept(_ damage: String, _ hasIndex: Bool) throws {
    // A whole transaction that is missing at the end is known by the index only.
    guard hasIndex || damage != "cut" else { return }
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    var left = try recorded(killed: true, folder)
    var log = try #require(left["-wal"])
    let frame = 24 + 4096
    try #require(log.count > 32 + 4 * frame)
    // Behind a checkpoint the log begins anew: frames of now have the salts of its header.
    let salts = Array(log[16..<24])
    let frames = (0..<(log.count - 32) / frame).prefix { number in
      Array(log[32 + number * frame + 8..<32 + number * frame + 16]) == salts
    }.count
    try #require(frames > 3)
    let last = 32 + (frames - 1) * frame
    switch damage {
    case "data": log[32 + frame + 2000] ^= 4
    case "salt": log[last + 9] ^= 1
    case "last": log[last + 24] ^= 1
    case "header": log[20] ^= 1
    case "cut": log.removeLast(log.count - last)
    case "middle": log.removeLast(log.count - last - frame / 2)
    default: break
    }
    left["-wal"] = log
    if !hasIndex { left["-shm"] = nil }
    try put(left, path)
    let text = try everything(path)
    let aside = path + "-wal.damaged"
    #expect((text == nil) == (damage != "none"))
    #expect(FileManager.default.fileExists(atPath: aside) == (damage != "none"))
    guard damage != "none" else { return }
    #expect(try SmallFile.read(aside) == log)
    try put(left, path)
    let reader = try RunReader(path: path)
    let said = reader.damage ?? ""
    reader.close()
    #expect(said.contains("of the file's log (-wal) cannot be read"), "\(said)")
    #expect(said.contains("kept in \(aside)"), "\(said)")
    _ = unsafe unlink(path + "-tail")
    #expect(try everything(path) != nil, "it is said once, and the rest is whole")
  }

  // MARK: Random damage

  /// One damage at a random place of one of the files, and what it was in words.
  private func damage(
    _ files: inout [String: [UInt8]], _ random: inout SeededGenerator
  ) -> String {
    let names = files.keys.filter { $0 != "-shm" && !(files[$0] ?? []).isEmpty }.sorted()
    let name = random.pick(names)
    var bytes = files[name] ?? []
    let place = random.below(bytes.count)
    let end = min(bytes.count, place + 1 + random.below(random.chance(0.5) ? 16 : 4096))
    let words: String
    switch random.below(8) {
    case 0, 1:
      bytes[place] ^= 1 << UInt8(random.below(8))
      words = "bit at \(place)"
    case 2:
      bytes[place] = UInt8(truncatingIfNeeded: random.next())
      words = "byte at \(place)"
    case 3, 4:
      let filling: UInt8 = random.chance(0.5) ? 0 : 0xFF
      for index in place..<end { bytes[index] = filling }
      words = "\(filling) at \(place)..<\(end)"
    case 5:
      for index in place..<end { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
      words = "random bytes at \(place)..<\(end)"
    case 6:
      bytes.removeLast(bytes.count - place)
      words = "cut at \(place)"
    default:
      // Pages, as SQLite has them, or lines of a processor's cache.
      let size = bytes.count < 2 * 4096 ? 64 : 4096
      let count = bytes.count / size + 1
      let (one, other) = (random.below(count), random.below(count))
      for index in 0..<size where max(one, other) * size + index < bytes.count {
        bytes.swapAt(one * size + index, other * size + index)
      }
      words = "\(size) bytes at \(one * size) and \(other * size)"
    }
    files[name] = bytes
    return "\(name.isEmpty ? "file" : name): \(words)"
  }

  /// LBSAMPLE_DAMAGES: how many files of each kind are damaged.
  private static var damages: Int {
    ProcessInfo.processInfo.environment["LBSAMPLE_DAMAGES"].flatMap { Int($0) } ?? 150
  }

  @Test(arguments: [false, true]) func noDamageShowsAnotherNumber(_ killed: Bool) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let original = try recorded(killed: killed, folder)
    try put(original, path)
    let whole = try #require(try everything(path), "undamaged")
    var random = SeededGenerator(killed ? 2 : 1)
    var noticed = 0
    for number in 0..<Self.damages {
      var files = original
      let words = damage(&files, &random)
      try put(files, path)
      do {
        guard let text = try everything(path) else {
          noticed += 1
          continue
        }
        if text != whole { Issue.record("\(number): \(words): other numbers") }
      } catch is LBError {
        noticed += 1
      }
    }
    #expect(noticed > Self.damages / 10, "most of a file is data")
  }
}
