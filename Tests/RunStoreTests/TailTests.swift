import Foundation
import GRDB
import LinuxSystem
import RunStore
import SampleModel
import TestSupport
import Testing

/// A run that is written by hand: a stream of wide frames with records, committed when told.
final class Script {
  private static let records = RecordSchema(
    collector: "made", stream: 0, name: "rows",
    fields: [
      MetricDescription("key", .count, .gauge, meaning: "a key"),
      MetricDescription("value", .count, .gauge, meaning: "a value"),
    ], rowsPerTick: 10)

  let writer: RunWriter
  let sink: StoreSink
  /// What has been committed.
  private(set) var committed = 0
  private let delivered = CollectingSink()
  /// What has been delivered.
  var count: Int { delivered.frames.count }
  private let time: Clockwork
  private var epoch: UInt32 = 0
  private var width = 0

  private final class Clockwork { var now: UInt64 = 1_000_000_000_000 }

  init(_ path: String, id: String = "tail-20260101-000000-00000001") throws {
    writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: id, name: "tail", kind: "sample", version: "0",
        interval: 1_000_000, startUnixNanoseconds: 5),
      host: [], configuration: [], labels: [:])
    let time = Clockwork()
    self.time = time
    sink = StoreSink(writer, now: { time.now })
    try sink.begin(
      StreamMeta(
        interval: 1_000_000,
        streams: [
          StreamMeta.Stream(
            collector: "made", stream: 0, thread: 0, cpu: 0, cadence: 1, required: false)
        ], unavailable: [], records: [Self.records],
        anchor: ClockAnchor(monotonic: time.now, realtime: 7, boottime: time.now), notes: []))
  }

  /// The stream has `columns` columns from now on.
  func layout(columns: Int) throws {
    epoch += 1
    width = columns
    let metric = MetricDescription("value", .count, .counter, meaning: "a number")
    try sink.layout(
      Layout(
        collector: "made", stream: 0, epoch: epoch,
        columns: (0..<columns).map {
          Column(collector: "made", metric: metric, instance: "\($0)")
        }))
  }

  /// Delivers `count` frames, each with a batch of records behind it; every fifth has no values.
  func frames(_ count: Int, bracket: UInt32 = 1) throws {
    for _ in 0..<count {
      time.now += 1_000_000
      let number = UInt64(self.count)
      let isGap = number % 5 == 4
      var header = FrameHeader(
        outcome: isGap ? .denied : .complete, stream: 0, epoch: epoch, bracket: bracket,
        deadlineIndex: number, deadline: time.now, start: time.now + 5, end: time.now + 10)
      let values = isGap ? [] : (0..<width).map { number &* 977 &+ UInt64($0) << 20 }
      try sink.frame(header, values.span)
      try delivered.frame(header, values.span)
      header.kind = .records
      header.outcome = .complete
      header.start = time.now + 11
      header.end = time.now + 12
      try sink.records(header, [number, 1, number, 2].span)
    }
  }

  /// A commit a second after the last one.
  func commit(end: Bool = false) throws {
    time.now += 1_000_000_000
    try sink.commit(watermark: end ? .max : time.now)
    committed = count
  }

  /// Time without anything to sample.
  func pass(seconds: UInt64) { time.now += seconds * 1_000_000_000 }

  /// Whether a reader of `path` sees exactly the first `count` frames with their records.
  func isSeen(in path: String, count: Int) throws -> Bool {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    let seen = CollectingSink()
    try RunReplay(reader).play(into: seen)
    let records: [UInt64] = (0..<UInt64(count)).flatMap { [$0, 1, $0, 2] }
    return try Array(delivered.frames[..<count]) == seen.frames
      && seen.recordBatches.flatMap(\.values) == records && reader.frameCount() == count
  }
}

/// Has the writer of a run seem gone, as one of another boot is.
func leaveToEarlierBoot(_ path: String) throws {
  try DatabaseQueue(path: path).write {
    try $0.execute(sql: "UPDATE run SET boot_id = 'earlier'")
  }
  try Seal.renew(inFile: path)
}

/// Copies a run with all that belongs to it, as a kill would leave it.
private func copied(_ path: String, to folder: TemporaryFolder, _ name: String) throws -> String {
  let target = folder.file(name)
  for suffix in ["", "-wal", "-tail"]
  where FileManager.default.fileExists(atPath: path + suffix) {
    try FileManager.default.copyItem(atPath: path + suffix, toPath: target + suffix)
  }
  return target
}

@Suite struct TailTests {
  @Test func everyCommitIsSeenOnceWhereverItStands() throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 300)
    // Small seconds, which go into the tail until it is full; large ones, which do not; another
    // layout in the middle of one; an event alone; a bracket's end and another bracket.
    for step in 0..<24 {
      switch step {
      case 3, 4, 17: try script.frames(250)
      case 9:
        try script.frames(3)
        try script.layout(columns: 200)
        try script.frames(3)
      case 12:
        try script.sink.event(SampleEvent(.note, time: 1_000_000_000_100, message: "so it was"))
      case 15: try script.frames(4, bracket: 1)
      case 16...: try script.frames(40, bracket: 2)
      default: try script.frames(40)
      }
      try script.commit(end: step == 15)
      #expect(
        try script.isSeen(in: script.writer.path, count: script.committed), "after step \(step)")
    }
    #expect(directoryEntries(folder.path).contains("r.lbsample-tail"))
    try script.commit(end: true)
    script.writer.close()
    #expect(directoryEntries(folder.path) == ["r.lbsample"], "one plain file when closed")
    #expect(try script.isSeen(in: script.writer.path, count: script.count))
  }

  /// Another program may hold the file locked for a while: its samples wait, and are whole then.
  @Test func aLockOfAnotherProgramIsWaitedFor() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let script = try Script(path)
    try script.layout(columns: 3)
    try script.frames(5)
    try script.commit()
    var settings = Configuration()
    settings.allowsUnsafeTransactions = true
    let other = try DatabaseQueue(path: path, configuration: settings)
    func execute(_ sql: String) throws {
      try other.writeWithoutTransaction { db in try db.execute(sql: sql) }
    }
    try execute("BEGIN EXCLUSIVE")
    for columns in [4, 5] {
      try script.layout(columns: columns)
      try script.frames(5)
      try script.commit()
    }
    try execute("COMMIT")
    try script.frames(5)
    try script.commit()
    #expect(try script.isSeen(in: path, count: 20))
    // A minute is too long.
    try execute("BEGIN EXCLUSIVE")
    try script.layout(columns: 6)
    try script.frames(5)
    try script.commit()
    script.pass(seconds: 60)
    let error = #expect(throws: LBError.self) { try script.commit() }
    #expect(error?.message.contains("locked for a minute") == true, "\(String(describing: error))")
    try execute("COMMIT")
    #expect(try script.isSeen(in: path, count: 20), "what was kept before is")
    script.writer.close()
  }

  /// A stop waits for the disk too: what was recorded is in the one file that is left.
  @Test(arguments: [RunStatus.completed, .failed, .interrupted])
  func aRunThatEndsOrIsStoppedIsOneFileWithEverything(_ status: RunStatus) throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    let script = try Script(path)
    try script.layout(columns: 3)
    try script.frames(40)
    try script.commit(end: true)
    // The tail holds what no row does.
    try script.frames(20, bracket: 2)
    try script.commit()
    var result = RunResult(
      runID: script.writer.runID, name: "tail", kind: "sample", startUnixNanoseconds: 5)
    result.status = status
    #expect(try script.writer.finish(result) == nil)
    #expect(directoryEntries(folder.path) == ["r.lbsample"])
    #expect(try script.isSeen(in: path, count: 60))
    let reader = try RunReader(path: path)
    defer { reader.close() }
    #expect(try reader.result().status == status && reader.damageOfTail() == nil)
  }

  @Test func whatAKilledWriterCommittedIsKept() throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 100)
    for _ in 0..<3 {
      try script.frames(20)
      try script.commit()
    }
    try script.frames(7)
    let path = try copied(script.writer.path, to: folder, "killed.lbsample")
    try leaveToEarlierBoot(path)
    let reader = try RunReader(path: path)
    #expect(try reader.finishIfAbandoned())
    #expect(try reader.integrity() == "ok")
    reader.close()
    #expect(!directoryEntries(folder.path).contains("killed.lbsample-tail"))
    #expect(try script.isSeen(in: path, count: 60))
    script.writer.close()
  }

  /// A process in another container has no number here, so that it seems dead; its lock tells.
  @Test func aRunWhoseTailIsHeldIsLeftAlone() throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 100)
    try script.frames(20)
    try script.commit()
    try DatabaseQueue(path: script.writer.path).write {
      try $0.execute(sql: "UPDATE run SET pid = 1, pid_start = 0")
    }
    try Seal.renew(inFile: script.writer.path)
    let reader = try RunReader(path: script.writer.path)
    #expect(try !reader.finishIfAbandoned())
    reader.close()
    #expect(throws: LBError.self) { _ = try RunWriter(resuming: script.writer.path) }
    try script.frames(20)
    try script.commit()
    #expect(try script.isSeen(in: script.writer.path, count: 40))
    script.writer.close()
    #expect(try script.isSeen(in: script.writer.path, count: 40), "what no commit put into rows")
    #expect(!directoryEntries(folder.path).contains("r.lbsample-tail"))
  }

  @Test func theTailOfAnotherRunIsNotRead() throws {
    let folder = try TemporaryFolder()
    let first = try Script(folder.file("first.lbsample"))
    try first.layout(columns: 100)
    try first.frames(20)
    try first.commit()
    let path = folder.file("second.lbsample")
    try FileManager.default.copyItem(
      atPath: first.writer.path + "-tail", toPath: path + "-tail")
    let second = try Script(path, id: "other-20260101-000000-00000002")
    #expect(try second.isSeen(in: path, count: 0), "the old one is gone")
    try FileManager.default.removeItem(atPath: path + "-tail")
    try FileManager.default.copyItem(
      atPath: first.writer.path + "-tail", toPath: path + "-tail")
    try second.layout(columns: 100)
    try second.frames(3)
    try second.sink.event(SampleEvent(.note, time: 1_000_000_000_100, message: "so it was"))
    #expect(try second.isSeen(in: path, count: 0), "another run's word stands in it")
    first.writer.close()
    second.writer.close()
  }

  @Test func aTornBatchEndsTheTail() throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 100)
    var ends: [Int] = []
    for _ in 0..<3 {
      try script.frames(20)
      try script.commit()
      ends.append(try SmallFile.read(script.writer.path + "-tail").count)
    }
    let cut = try copied(script.writer.path, to: folder, "cut.lbsample")
    try #require(unsafe truncate(cut + "-tail", ends[2] - endBytes - 8) == 0)
    #expect(try script.isSeen(in: cut, count: 40))
    let damaged = try copied(script.writer.path, to: folder, "damaged.lbsample")
    var bytes = try SmallFile.read(damaged + "-tail")
    bytes[ends[1] + 100] ^= 1
    try Data(bytes).write(to: URL(fileURLWithPath: damaged + "-tail"))
    #expect(try script.isSeen(in: damaged, count: 40))
    let alien = try copied(script.writer.path, to: folder, "alien.lbsample")
    try Data(repeating: 0x5A, count: 4096).write(to: URL(fileURLWithPath: alien + "-tail"))
    #expect(try script.isSeen(in: alien, count: 0))
    script.writer.close()
  }

  /// The empty batch behind the last one.
  private let endBytes = 48

  /// What cannot be read of a killed writer's tail is said and kept; what stands behind it is read.
  @Test(arguments: ["first", "middle", "last", "front", "generation", "saved", "end", "cut", "log"])
  func whatCannotBeReadIsSaidAndKept(_ damage: String) throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 100)
    var ends: [Int] = [0]
    for _ in 0..<3 {
      try script.frames(20)
      try script.commit()
      ends.append(try SmallFile.read(script.writer.path + "-tail").count)
    }
    let path = try copied(script.writer.path, to: folder, "killed.lbsample")
    script.writer.close()
    var bytes = try SmallFile.read(path + "-tail")
    switch damage {
    case "first": bytes[100] ^= 1
    case "middle": bytes[ends[1] + 100] ^= 16
    case "last": bytes[ends[3] - endBytes - 1] ^= 128
    case "front": bytes[ends[1] - endBytes] ^= 1
    // It would seem to be of a newer generation, and the others to be left from earlier ones.
    case "generation": bytes[ends[1] - endBytes + 17] ^= 1
    // Rows would seem to be missing in front of it.
    case "saved": bytes[ends[3] - endBytes + 47] ^= 1
    case "end": bytes[ends[3] - endBytes + 1] ^= 128
    case "cut": bytes.removeLast(bytes.count - ends[2] + endBytes)
    default: #expect(unsafe unlink(path + "-wal") == 0)
    }
    try Data(bytes).write(to: URL(fileURLWithPath: path + "-tail"))
    try leaveToEarlierBoot(path)
    var reader = try RunReader(path: path)
    #expect(try reader.finishIfAbandoned())
    #expect(reader.damage?.contains("of the last samples cannot be read") == true)
    #expect(reader.damage?.contains("kept in \(path)-tail.damaged") == true)
    reader.close()
    let names = directoryEntries(folder.path)
    #expect(
      names.contains("killed.lbsample-tail.damaged") && !names.contains("killed.lbsample-tail"))
    #expect(try SmallFile.read(path + "-tail.damaged") == bytes)
    reader = try RunReader(path: path)
    defer { reader.close() }
    let frames = ["log": 0, "end": 60, "saved": 60][damage] ?? 40
    #expect(try reader.damageOfTail() == nil && reader.frameCount() == frames)
    let warnings = try reader.result().warnings
    #expect(warnings.count == 1 && warnings[0].contains("of the last samples cannot be read"))
    #expect(!warnings[0].contains("before the last ones"), "\(warnings)")
  }

  /// What was kept of an earlier kill is not replaced, and nothing that is said to be kept goes.
  @Test func aDamagedTailStaysBesideAnEarlierOne() throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 100)
    try script.frames(20)
    try script.commit()
    let path = try copied(script.writer.path, to: folder, "killed.lbsample")
    script.writer.close()
    var bytes = try SmallFile.read(path + "-tail")
    bytes[100] ^= 1
    try Data(bytes).write(to: URL(fileURLWithPath: path + "-tail"))
    try Data([1, 2]).write(to: URL(fileURLWithPath: path + "-tail.damaged"))
    try leaveToEarlierBoot(path)
    var reader = try RunReader(path: path)
    #expect(try reader.finishIfAbandoned())
    #expect(reader.damage?.hasSuffix("kept in \(path)-tail") == true, "\(reader.damage ?? "")")
    reader.close()
    reader = try RunReader(path: path)
    #expect(try reader.damageOfTail() == nil, "it is said once")
    reader.close()
    #expect(try SmallFile.read(path + "-tail") == bytes)
    #expect(try SmallFile.read(path + "-tail.damaged") == [1, 2])
  }

  /// After a power failure the log may end in front of rows that the tail continues. Rows of an
  /// earlier session, whose clock may have been ahead, are none of those.
  @Test(arguments: [false, true])
  func samplesThatAreMissingInFrontOfTheTailAreSaid(_ isResumed: Bool) throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 100)
    try script.frames(20)
    try script.commit()
    // With the layout and no sample in a row.
    let path = try copied(script.writer.path, to: folder, "lost.lbsample")
    try script.commit(end: true)
    try script.frames(30, bracket: 2)
    try script.commit()
    let whole = try copied(script.writer.path, to: folder, "whole.lbsample")
    try FileManager.default.removeItem(atPath: path + "-tail")
    try FileManager.default.copyItem(atPath: whole + "-tail", toPath: path + "-tail")
    script.writer.close()
    if isResumed {
      try DatabaseQueue(path: path).write {
        try $0.execute(
          sql: """
            INSERT INTO session VALUES (2, 'earlier');
            INSERT INTO chunk (kind, stream, epoch, bracket, rows, first_ns, last_ns, checksum,
                data, session)
              VALUES (1, 0, 1, 9, 0, 1, 9000000000000000, 0, x'', 1);
            """)
      }
    }
    for (file, count) in [(path, 30), (whole, 50)] {
      try leaveToEarlierBoot(file)
      var reader = try RunReader(path: file)
      #expect(try reader.finishIfAbandoned())
      let isSaid = reader.damage?.contains("before the last ones cannot be read") ?? false
      #expect(isSaid == (file == path))
      reader.close()
      reader = try RunReader(path: file)
      defer { reader.close() }
      #expect(try reader.frameCount() == count)
      #expect(try reader.result().warnings.count == (file == path ? 1 : 0), "it is still said")
      #expect(try reader.damageOfTail() == nil)
    }
    #expect(!directoryEntries(folder.path).contains { $0.contains("-tail") })
  }

  /// The removal of a tail whose rows have been flushed may be lost, and half of it with that.
  @Test func whatIsLeftOfTheTailOfAnEndedRunIsNoLoss() throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 100)
    try script.frames(20)
    try script.commit()
    var bytes = try SmallFile.read(script.writer.path + "-tail")
    bytes[bytes.count / 2] ^= 1
    try script.commit(end: true)
    var result = RunResult(
      runID: script.writer.runID, name: "tail", kind: "sample", startUnixNanoseconds: 5)
    result.status = .completed
    try script.writer.finish(result)
    let path = script.writer.path
    #expect(directoryEntries(folder.path) == ["r.lbsample"])
    try Data(bytes).write(to: URL(fileURLWithPath: path + "-tail"))
    let reader = try RunReader(path: path)
    #expect(try reader.damageOfTail() == nil)
    reader.close()
    #expect(directoryEntries(folder.path) == ["r.lbsample"])
    #expect(try script.isSeen(in: path, count: 20))
  }

  /// Earlier versions wrote five words in front of a batch, and a sum of its messages alone.
  @Test func theTailOfAnEarlierVersionIsRead() throws {
    let folder = try TemporaryFolder()
    let script = try Script(folder.file("r.lbsample"))
    try script.layout(columns: 100)
    for _ in 0..<2 {
      try script.frames(20)
      try script.commit()
    }
    let path = try copied(script.writer.path, to: folder, "old.lbsample")
    script.writer.close()
    let bytes = try SmallFile.read(path + "-tail")
    var words = [UInt64](repeating: 0, count: bytes.count / 8)
    for (place, byte) in bytes.enumerated() {
      words[place / 8] |= UInt64(byte) << UInt64(place % 8 * 8)
    }
    var old: [UInt64] = []
    var place = 0
    while place < words.count {
      let body = words[place + 6..<place + 6 + Int(words[place + 3])]
      defer { place = body.endIndex }
      // There was none at the end.
      guard !body.isEmpty else { continue }
      var sum: UInt64 = 0x9E37_79B9_7F4A_7C15
      for word in body {
        sum = (sum ^ word) &* 0xFF51_AFD7_ED55_8CCD
        sum ^= sum >> 32
      }
      let magic: UInt64 = 0x3154_424C
      old.append(contentsOf: [magic] + words[place + 1...place + 3])
      old.append(sum)
      old.append(contentsOf: body)
    }
    var data = Data()
    for word in old {
      for byte in 0..<8 { data.append(UInt8(truncatingIfNeeded: word >> UInt64(byte * 8))) }
    }
    try data.write(to: URL(fileURLWithPath: path + "-tail"))
    #expect(try script.isSeen(in: path, count: 40))
    #expect(try RunReader(path: path).damageOfTail() == nil)
  }

  @Test func withoutATailTheRowsAreWritten() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("r.lbsample")
    // It cannot be made a file.
    try FileManager.default.createDirectory(
      atPath: path + "-tail", withIntermediateDirectories: false)
    let script = try Script(path)
    try script.layout(columns: 100)
    for step in 0..<3 {
      try script.frames(20)
      try script.commit()
      let alone = try copied(path, to: folder, "without\(step).lbsample")
      try FileManager.default.removeItem(atPath: alone + "-tail")
      #expect(try script.isSeen(in: alone, count: script.committed))
    }
    script.writer.close()
  }
}
