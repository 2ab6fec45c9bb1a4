import Foundation
import Glibc
import LinuxSystem
package import SampleModel

/// A directory of runs as tables: `run=ID` has the files of one, `runs.parquet` a row for each.
package struct Dataset {
  private static let prefix = "run="
  private static let rowFile = "run.json"
  private static let catalogue = "runs.parquet"
  /// Bytes of a run's row: half of what is read of one.
  private static let longestRow = 8 << 20

  private let path: String
  /// The lock that writers of one data set take turns with.
  private let lock: DescriptorList

  /// The data set at `path`, which is made if it is not there; waits for other writers.
  package init(_ path: String) throws(LBError) {
    self.path = path
    lock = DescriptorList()
    if let user = Trust.otherLink(at: path) {
      throw LBError(
        .resultPersistence,
        "\(path): a link of user \(user), which root does not follow; name the directory",
        context: ErrorContext(path: path, errno: EACCES))
    }
    do throws(SystemError) {
      try Directories.make(path)
      let file = try OwnedDescriptor(
        open: "\(path)/.lock", O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o644)
      if let user = Trust.stranger(owning: file.number, in: path) { throw Self.kept(path, user) }
      guard flock(lock.add(file), LOCK_EX) == 0 else {
        throw SystemError("flock", errno: errno, path: path)
      }
    } catch {
      throw LBError(
        .resultPersistence, "\(path): cannot be written: \(error.reason)",
        context: ErrorContext(path: path, errno: error.errno))
    }
    LeftDrafts.remove(in: path) { name in
      let number = name.unicodeScalars.lastIndex(of: "-")
      let isOurs = name.begins(".\(Self.prefix)") || name.begins(".\(Self.catalogue)-")
      return isOurs ? number.map { String(name[...$0]) } : nil
    }
  }

  private static func kept(_ path: String, _ user: UInt32) -> SystemError {
    SystemError(
      "open", errno: EACCES, path: path,
      reason: "its file .lock belongs to user \(user), who could hold it for ever: remove it")
  }

  /// Adds a run, whose files `body` writes into a draft. The run is there as a whole, by one
  /// rename, or not at all.
  func add<T>(
    _ row: RunRow, _ body: (DraftFolder) throws(LBError) -> T
  ) throws(LBError) -> T {
    let target = "\(path)/\(Self.prefix)\(row.run)"
    let encoded = try Self.encoded(row)
    guard unsafe access(target.osCString, F_OK) != 0 else {
      throw LBError(
        .configuration,
        "\(path) has the run \(row.run) already: to add it anew, remove \(target) first",
        context: ErrorContext(path: target))
    }
    let folder = try DraftFolder(target)
    let written = try body(folder)
    let file = try folder.file(Self.rowFile)
    try file.write(encoded)
    try file.finish()
    try folder.finish()
    return written
  }

  /// A run's row as it stands beside its tables. One that could not be read again would keep the
  /// catalogue from being written.
  private static func encoded(_ row: RunRow) throws(LBError) -> [UInt8] {
    let bytes: [UInt8]
    do { bytes = Array(try JSONEncoder().encode(row)) } catch {
      throw LBError(.internal, "a run's row cannot be encoded: \(error)")
    }
    guard bytes.count <= longestRow else {
      throw LBError(
        .resultPersistence,
        "the run's labels, facts and configuration have \(bytes.count) bytes, and in a data set a "
          + "run has at most \(longestRow)")
    }
    return bytes
  }

  /// Writes the catalogue anew, from the rows of all runs that are there, and replaces the old one.
  package func writeCatalogue(by creator: String) throws(LBError) -> Int {
    var rows: [RunRow] = []
    for name in try names() {
      let file = "\(path)/\(name)/\(Self.rowFile)"
      do {
        let bytes = try SmallFile.read(file)
        rows.append(try JSONDecoder().decode(RunRow.self, from: Data(bytes)))
      } catch {
        throw LBError(
          .resultPersistence,
          "\(file): not the row of a run; remove \(path)/\(name), and add that run anew",
          context: ErrorContext(path: file), causes: ["\(error)"])
      }
    }
    rows.sort { ($0.start, $0.run) < ($1.start, $1.run) }
    let path = "\(path)/\(Self.catalogue)"
    let file = TableFile(
      draft: { () throws(LBError) in try DraftFile(path, mayReplace: true) }, creator: creator,
      facts: [], layout: ParquetLayout())
    let table = try CellTable(file, RunRow.columns)
    for row in rows { try table.append(row.cells) }
    try table.finish()
    return rows.count
  }

  private func names() throws(LBError) -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path)
        .filter { $0.hasPrefix(Self.prefix) }
    } catch {
      throw LBError(
        .resultPersistence, "\(path): cannot be listed", context: ErrorContext(path: path),
        causes: [error.localizedDescription])
    }
  }
}
