import Foundation
import GRDB
import RunStore
import SampleModel
import TestSupport
import Testing

/// What lists note of the runs of a directory.
@Suite struct RunIndexTests {
  private let folder: TemporaryFolder
  private var directory: RunDirectory { RunDirectory(path: folder.path) }
  private var indexFile: String { folder.file(RunIndex.fileName) }

  init() throws { folder = try TemporaryFolder() }

  private static let labels = ["branch": "ma\tin", "a=b": ""]
  private static let command = ["sh", "-c", "a\tb\nc\\d\\t é", ""]

  private static let sources = ["a-20250101-000000-00000001", "b-20250101-000000-00000001"]

  /// A run that was completed; gives its file.
  @discardableResult
  private func run(_ number: Int, _ status: RunStatus = .completed) throws -> String {
    let id = "i-20260101-000000-0000000\(number)"
    let path = directory.file(ofRun: id)
    let writer = try RunWriter(
      path: path,
      identity: RunWriter.Identity(
        runID: id, name: "i", kind: "run", version: "0", interval: 1_000_000,
        startUnixNanoseconds: UInt64(number)), host: [], configuration: [], labels: Self.labels)
    var main = PhaseResult(name: "main", command: Self.command)
    main.provenance = PhaseProvenance()
    main.provenance?.takenFrom = Self.sources[0]
    let phase = try writer.addPhase(main)
    for (name, source) in [("again", Self.sources[0]), ("other", Self.sources[1])] {
      main.name = name
      main.provenance?.takenFrom = source
      _ = try writer.addPhase(main)
    }
    let row = try writer.addRepetition(
      RepetitionResult(repetition: 1, warmUp: false), phase: phase)
    try writer.setRepetitionStatus(row, .completed)
    try writer.setRunStatus(status)
    writer.close()
    return path
  }

  /// A list, at that time or when everything has been as it is for long. Gives what it shows, and
  /// the files that it opened.
  private func list(
    at time: Int64 = .max, saving: Bool = true,
    _ meanwhile: (String) throws(LBError) -> Void = { _ in }
  ) throws -> (shown: [String: RunOverview], opened: Set<String>) {
    let index = RunIndex(of: directory, now: { time })
    var (shown, opened): ([String: RunOverview], Set<String>) = ([:], [])
    let files = try directory.files()
    for file in files {
      shown[file] = try index.overview(file) { path throws(LBError) in
        opened.insert(path)
        let reader = try RunReader(path: path)
        defer { reader.close() }
        let reading = try reader.reading()
        try meanwhile(path)
        return reading
      }
    }
    if saving { index.save(of: files) }
    return (shown, opened)
  }

  private func facts(_ path: String) throws -> stat {
    var facts = stat()
    try #require(unsafe lstat(path, &facts) == 0)
    return facts
  }

  /// When anything of a file changed last.
  private func changed(_ path: String) throws -> Int64 {
    let time = try facts(path).st_ctim
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  private func change(_ path: String) throws {
    let file = try DatabaseQueue(path: path)
    try file.write { try $0.execute(sql: "UPDATE run SET kind = 'sample'") }
    try file.close()
    try Seal.renew(inFile: path)
  }

  private func mode(_ path: String) throws -> mode_t { try facts(path).st_mode & 0o7777 }

  @Test func whatIsOverIsOpenedOnce() throws {
    let files = Set([try run(1), try run(2, .interrupted)])
    let first = try list()
    #expect(first.opened == files)
    #expect(first.shown.values.allSatisfy { $0.command == Self.command && $0.completed == 1 })
    #expect(first.shown.values.allSatisfy { $0.labels == Self.labels })
    #expect(first.shown.values.allSatisfy { $0.sources == Self.sources })
    #expect(try mode(indexFile) == 0o600)
    let second = try list()
    #expect(second.opened.isEmpty && second.shown == first.shown)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(Set(names.map { folder.file($0) }) == files.union([indexFile]), "no draft is left")
  }

  /// With the same numbers it is the same file; any other one is read.
  @Test func anEntryIsWhatItsFileWas() throws {
    let path = try run(1)
    _ = try list()
    // The same bytes in a file of another inode.
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try FileManager.default.moveItem(atPath: path, toPath: folder.file("before"))
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect(try list().opened == [path])
    #expect(try list().opened.isEmpty)
    // Other bytes, and the time of their change set to what it was: nobody can set st_ctime.
    let before = try facts(path)
    let time = try changed(path)
    repeat {
      try change(path)
      let times = [before.st_atim, before.st_mtim]
      #expect(unsafe utimensat(AT_FDCWD, path, times, 0) == 0)
    } while try changed(path) == time
    let after = try facts(path)
    #expect(after.st_size == before.st_size && after.st_ino == before.st_ino)
    #expect(after.st_mtim.tv_nsec == before.st_mtim.tv_nsec)
    let seen = try list()
    #expect(seen.opened == [path] && seen.shown[path]?.kind == "sample")
    #expect(try list().opened.isEmpty)
  }

  /// A change within the tick of a file system's clock may leave the times as they were.
  @Test func whatHasJustChangedIsNotNoted() throws {
    let path = try run(1)
    let time = try changed(path)
    for _ in 0..<2 { #expect(try list(at: time + 2_000_000_000).opened == [path]) }
    #expect(!FileManager.default.fileExists(atPath: indexFile))
    #expect(try list(at: time + 2_000_000_001).opened == [path])
    #expect(try list(at: time).opened.isEmpty)
  }

  @Test func whatChangesWhileItIsReadIsNotNoted() throws {
    let path = try run(1)
    let size = try facts(path).st_size
    let seen = try list { file throws(LBError) in _ = unsafe truncate(file, size + 4096) }
    #expect(seen.opened == [path])
    #expect(try list().opened == [path])
    #expect(try list().opened.isEmpty)
  }

  /// What a list reads of the only run, if it takes that for what the file says.
  private func reads(_ path: String, _ overview: RunOverview, isKept: Bool = true) throws -> Bool {
    let index = RunIndex(of: directory, now: { .max })
    var isRead = false
    let shown = try index.overview(path) { _ throws(LBError) in
      isRead = true
      return RunIndex.Reading(overview, isKept: isKept)
    }
    #expect(shown == overview)
    index.save(of: [path])
    return isRead
  }

  /// What is not over, or not all in its file, is read each time.
  @Test(arguments: ["running", "-wal", "-journal", "-tail"])
  func whatMayChangeIsReadEachTime(_ what: String) throws {
    let path = try run(1, what == "running" ? .running : .completed)
    let overview = try #require(try list().shown[path])
    if what != "running" {
      #expect(try !reads(path, overview))
      try Data().write(to: URL(fileURLWithPath: path + what))
    }
    for _ in 0..<2 { #expect(try reads(path, overview)) }
  }

  /// An end that could not be written into the file is not in it.
  @Test func whatTheFileDoesNotSayIsNotNoted() throws {
    let path = try run(1)
    let overview = try #require(try list(saving: false).shown[path])
    for _ in 0..<2 { #expect(try reads(path, overview, isKept: false)) }
    #expect(try reads(path, overview))
    #expect(try !reads(path, overview))
  }

  /// An error is an error each time; what was noted of the file goes.
  @Test func whatCannotBeReadIsNotNoted() throws {
    let path = try run(1)
    _ = try list()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    try bytes.prefix(1000).write(to: URL(fileURLWithPath: path))
    for _ in 0..<2 { #expect(throws: LBError.self) { try list() } }
  }

  @Test(arguments: [
    "bit", "cut", "empty", "more", "version", "others may write", "link", "second name", "folder",
  ])
  func anIndexThatIsNotAsItShouldBeIsMadeAnew(_ damage: String) throws {
    let path = try run(1)
    let first = try list()
    var bytes = try Data(contentsOf: URL(fileURLWithPath: indexFile))
    let (other, url) = (folder.file("other"), URL(fileURLWithPath: indexFile))
    switch damage {
    case "bit": bytes[bytes.count / 2] ^= 1
    case "cut": bytes.removeLast(9)
    case "empty": bytes = Data()
    case "more": bytes.append(contentsOf: Array("x\n".utf8))
    case "version": bytes[15] = UInt8(ascii: "9")
    case "others may write": #expect(unsafe chmod(indexFile, 0o666) == 0)
    case "link":
      try FileManager.default.moveItem(atPath: indexFile, toPath: other)
      try FileManager.default.createSymbolicLink(atPath: indexFile, withDestinationPath: other)
    case "second name": #expect(unsafe link(indexFile, other) == 0)
    default:
      try FileManager.default.removeItem(atPath: indexFile)
      try FileManager.default.createDirectory(atPath: indexFile, withIntermediateDirectories: false)
    }
    if ["bit", "cut", "empty", "more", "version"].contains(damage) { try bytes.write(to: url) }
    let again = try list()
    #expect(again.opened == [path] && again.shown == first.shown)
    // A folder stays in the way: nothing can be noted, and nothing is lost by it.
    #expect(try list().opened == (damage == "folder" ? [path] : []))
    guard damage != "folder" else {
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      #expect(Set(left) == [RunIndex.fileName, String(path.dropFirst(folder.path.count + 1))])
      return
    }
    #expect(try mode(indexFile) == 0o600)
    if damage == "link" {
      #expect(try Data(contentsOf: URL(fileURLWithPath: other)) == bytes, "it is not written to")
    }
  }

  /// Whatever the bytes are, they are an index or none.
  @Test func anyDamageIsNoticed() throws {
    try run(1)
    try run(2)
    let first = try list()
    let whole = try Data(contentsOf: URL(fileURLWithPath: indexFile))
    for place in whole.indices {
      var bytes = whole
      bytes[place] ^= 1 << UInt8(place % 8)
      try bytes.write(to: URL(fileURLWithPath: indexFile))
      let index = RunIndex(of: directory, now: { .max })
      for (path, overview) in first.shown {
        var isRead = false
        _ = try index.overview(path) { _ throws(LBError) in
          isRead = true
          return RunIndex.Reading(overview, isKept: true)
        }
        #expect(isRead, "byte \(place)")
      }
    }
  }

  /// Root sees other users' files, and believes nobody's index of them.
  @Test(.enabled(if: geteuid() == 0, "only root may give files away"))
  func othersFilesAndFoldersAreRead() throws {
    let path = try run(1)
    _ = try list()
    #expect(unsafe chown(indexFile, 1234, 1234) == 0)
    #expect(try list().opened == [path])
    #expect(try list().opened.isEmpty, "an index of one's own is in its place")
    #expect(unsafe chown(path, 1234, 1234) == 0)
    for _ in 0..<2 { #expect(try list().opened == [path]) }
    #expect(unsafe chown(path, 0, 0) == 0 && chown(folder.path, 1234, 1234) == 0)
    try FileManager.default.removeItem(atPath: indexFile)
    for _ in 0..<2 { #expect(try list().opened == [path]) }
    #expect(!FileManager.default.fileExists(atPath: indexFile))
  }

  @Test func aRunThatIsGoneLeavesTheIndex() throws {
    let (one, other) = (try run(1), try run(2))
    _ = try list()
    func names(_ path: String) throws -> Bool {
      let text = try String(contentsOfFile: indexFile, encoding: .utf8)
      return text.contains(RunDirectory.id(ofFile: path))
    }
    #expect(try names(one) && names(other))
    try directory.remove(one)
    RunIndex.remove([one])
    #expect(try !names(one) && names(other))
    #expect(try list().opened.isEmpty, "the other one is still noted")
    try FileManager.default.removeItem(atPath: other)
    _ = try list()
    #expect(try !names(other), "a list forgets what is not there")
  }

  /// Of two at once the index of one stays, as it was written.
  @Test func listsAtOnceDoNoHarm() async throws {
    for number in 1...6 { try run(number) }
    let alone = try list(saving: false).shown
    try await withThrowingTaskGroup(of: [String: RunOverview].self) { group in
      for _ in 0..<8 { group.addTask { try list().shown } }
      for try await shown in group { #expect(shown == alone) }
    }
    let last = try list()
    #expect(last.opened.isEmpty && last.shown == alone)
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(left.count == 7 && left.contains(RunIndex.fileName))
  }
}
