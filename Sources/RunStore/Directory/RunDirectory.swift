import Foundation
package import SampleModel

/// The directory of result files, and the resolution of RUN arguments.
package struct RunDirectory: Sendable {
  package static let fileExtension = "lbsample"
  package let path: String
  /// Whether it is in a home directory that HOME does not name.
  private var isOfUnsetHome = false

  /// The directory at `path`.
  package init(path: String) { self.path = path }

  /// `$XDG_DATA_HOME/lbsample/runs`, or below the home directory.
  package static func standard(environment: [String: String]) -> RunDirectory {
    let data: String
    var isOfUnsetHome = false
    if let given = environment["XDG_DATA_HOME"], given.begins("/") {
      data = given
    } else {
      data = home(environment) + "/.local/share"
      isOfUnsetHome = !isSet(environment["HOME"])
    }
    var directory = RunDirectory(path: data + "/lbsample/runs")
    directory.isOfUnsetHome = isOfUnsetHome
    return directory
  }

  /// An empty variable counts as unset, and so does a relative path, which would depend on the
  /// working directory.
  private static func isSet(_ home: String?) -> Bool { home?.hasPrefix("/") == true }

  /// The home directory from HOME, or else from passwd(5).
  package static func home(_ environment: [String: String]) -> String {
    if let home = environment["HOME"], isSet(home) { return home }
    // Safe: the entry is copied before another call.
    let record = unsafe getpwuid(getuid())
    guard let home = unsafe record?.pointee.pw_dir else { return "/" }
    return unsafe String(cString: home)
  }

  /// Makes the directory if it does not exist.
  package func create() throws(LBError) {
    try StorePath.check(path)
    let failure = Self.make(path)
    guard failure != 0 else { return }
    let home =
      isOfUnsetHome
      ? " (HOME is empty or relative, so the home directory of passwd(5) is used)" : ""
    throw LBError(
      .resultPersistence,
      "\(path): cannot be made a directory for results\(home); choose another with --runs-dir",
      context: ErrorContext(path: path, errno: failure), causes: [StoreFailure.reason(failure)])
  }

  /// Makes a directory and its missing parents; returns 0 or the errno.
  private static func make(_ path: String) -> Int32 {
    let reason = makeLast(path)
    guard reason == ENOENT, let slash = path.unicodeScalars.dropLast().lastIndex(of: "/"),
      slash != path.startIndex
    else { return reason }
    let failure = make(String(path[..<slash]))
    return failure == 0 ? makeLast(path) : failure
  }

  /// Makes a directory in an existing one. It may exist already, or be made meanwhile.
  private static func makeLast(_ path: String) -> Int32 {
    if isDirectory(path) { return 0 }
    guard unsafe mkdir(path, 0o777) != 0 else {
      flush(folderOf: path)
      return 0
    }
    let reason = errno
    return isDirectory(path) ? 0 : reason
  }

  /// Flushes the directory entry of a new directory: otherwise a power failure may lose it with all
  /// flushed files in it. Not supported by some file systems, which do not need it.
  static func flush(folderOf path: String) {
    let slash = path.unicodeScalars.dropLast().lastIndex(of: "/")
    let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let number = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard number >= 0 else { return }
    fsync(number)
    close(number)
  }

  private static func isDirectory(_ path: String) -> Bool {
    var facts = stat()
    return unsafe stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
  }

  /// Why `path` cannot be opened, nil if it can: Foundation hides some errnos.
  private static func reasonNotToOpen(_ path: String) -> String? {
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    if number >= 0 {
      close(number)
      return nil
    }
    let reason = errno
    let advice = reason == EMFILE ? "; raise the limit of open files (ulimit -n)" : ""
    return StoreFailure.reason(reason) + advice
  }

  private static func reason(_ error: any Error) -> String {
    let foundation = error as NSError
    let inner = foundation.userInfo[NSUnderlyingErrorKey] as? NSError
    return inner?.localizedDescription ?? foundation.localizedDescription
  }

  /// `<name>-YYYYMMDD-HHMMSS-<8 hex>`, UTC.
  package static func newRunID(
    name: String, unixNanoseconds: UInt64, random: UInt32
  ) -> String {
    let seconds = Int64(unixNanoseconds / 1_000_000_000)
    let civil = CivilTime(unixSeconds: seconds)
    let hex = String(random, radix: 16)
    return "\(name)-\(civil.compactDate)-\(civil.compactTime)-"
      + String(repeating: "0", count: 8 - hex.count) + hex
  }

  /// The file of a new run.
  package func file(ofRun runID: String) -> String {
    "\(path)/\(runID).\(Self.fileExtension)"
  }

  /// The name in a run's id, without `-YYYYMMDD-HHMMSS-<8 hex>`; an id of another form is the name.
  package static func name(ofRun runID: String) -> String {
    let end = Array(runID.utf8.suffix(25))
    let isForm = end.enumerated().allSatisfy { index, byte in
      switch index {
      case 0, 9, 16: byte == UInt8(ascii: "-")
      case 17...: (48...57).contains(byte) || (97...102).contains(byte)
      default: (48...57).contains(byte)
      }
    }
    guard isForm, runID.utf8.count > 25 else { return runID }
    return String(decoding: runID.utf8.dropLast(25), as: UTF8.self)
  }

  /// The files, newest first by the time in their ids. A missing directory means no runs; an
  /// unreadable one is an error.
  package func files() throws(LBError) -> [String] {
    try StorePath.check(path)
    guard FileManager.default.fileExists(atPath: path) else {
      if unsafe access(path, F_OK) != 0, errno == EACCES { throw unreadable("Permission denied") }
      return []
    }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw unreadable(Self.reasonNotToOpen(path) ?? Self.reason(error))
    }
    // Ids have whole seconds; within one, the order is that of the files' last change.
    return names.filter { $0.hasSuffix(".\(Self.fileExtension)") }
      .map { name in
        let change = Self.change(path + "/" + name)
        return (stamp: Self.stamp(name, change), change: change, name: name)
      }
      .sorted { ($0.stamp, $0.change, $0.name) > ($1.stamp, $1.change, $1.name) }
      .map { path + "/" + $0.name }
  }

  private func unreadable(_ reason: String) -> LBError {
    LBError(
      .configuration, "the runs in \(path) cannot be listed: \(reason)",
      context: ErrorContext(path: path))
  }

  private static func change(_ path: String) -> UInt64 {
    var facts = stat()
    guard unsafe stat(path, &facts) == 0 else { return 0 }
    return UInt64(facts.st_mtim.tv_sec) * 1_000_000_000 + UInt64(facts.st_mtim.tv_nsec)
  }

  /// When a run began, by its id; for a file of another name, its last change.
  private static func stamp(_ name: String, _ change: UInt64) -> String {
    // The id ends in -YYYYMMDD-HHMMSS-xxxxxxxx.lbsample.
    let stamp = String(name.dropLast(fileExtension.count + 1).suffix(24).prefix(15))
    let isTime = stamp.utf8.enumerated().allSatisfy { index, byte in
      index == 8 ? byte == UInt8(ascii: "-") : (48...57).contains(byte)
    }
    if isTime, stamp.utf8.count == 15 { return stamp }
    let civil = CivilTime(unixSeconds: Int64(change / 1_000_000_000))
    return "\(civil.compactDate)-\(civil.compactTime)"
  }

  /// The file that RUN means: a path, `last`, an id, a file here, or a unique prefix of an id.
  package func resolve(_ run: String) throws(LBError) -> String {
    try StorePath.check(run)
    if run.has("/") || run.hasSuffix(".\(Self.fileExtension)"),
      FileManager.default.fileExists(atPath: run)
    {
      return run
    }
    if run.has("/") {
      try StorePath.check(existing: run)
      return run
    }
    let files = try files()
    if run == "last" {
      // In a directory of several users, only one's own files.
      if let newest = files.first(where: Self.isOwn) { return newest }
      throw LBError(
        .configuration, "there is no run in \(path) yet: lbsample run -- COMMAND makes one",
        context: ErrorContext(path: path))
    }
    let matches = files.filter { Self.id(ofFile: $0).begins(run) }
    let wanted = ExactText(run)
    if let exact = matches.first(where: { ExactText(Self.id(ofFile: $0)) == wanted }) {
      return exact
    }
    if FileManager.default.fileExists(atPath: run) { return run }
    if matches.count == 1 { return matches[0] }
    let problem =
      matches.isEmpty
      ? "\(run): no run in \(path) has an id that begins so; 'lbsample runs list' shows the runs"
      : "\(run) is the beginning of \(matches.count) runs: "
        + matches.prefix(5).map(Self.id(ofFile:)).joined(separator: ", ")
        + (matches.count > 5 ? ", …" : "") + "; type more of the id, or the whole id"
    throw LBError(.configuration, problem, context: ErrorContext(path: path))
  }

  /// Whether a file is the caller's.
  static func isOwn(_ path: String) -> Bool {
    var facts = stat()
    return unsafe stat(path, &facts) == 0 && facts.st_uid == geteuid()
  }

  /// Whether a file is a regular file of the caller that no other user may write to.
  static func isOwnAlone(_ path: String) -> Bool {
    var facts = stat()
    return unsafe lstat(path, &facts) == 0 && facts.st_uid == geteuid()
      && facts.st_mode & S_IFMT == S_IFREG && facts.st_mode & 0o022 == 0
  }

  /// The run id in a file's name.
  package static func id(ofFile path: String) -> String {
    let name = path.parts("/").last.map(String.init) ?? path
    return name.hasSuffix(".\(fileExtension)")
      ? String(name.dropLast(fileExtension.count + 1)) : name
  }

  /// The name of the approval socket beside a run's file called `name`. A socket's address has at
  /// most 107 bytes, with the folder's descriptor before the name.
  package static func approvalName(ofFile name: String) -> String {
    let plain = "\(name).approval"
    guard plain.utf8.count > 80 else { return plain }
    let sum = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return "lbsample-\(String(sum, radix: 16)).approval"
  }

  /// Removes a run's file and the files that belong to it. Refuses one that is being written.
  package func remove(_ file: String) throws(LBError) {
    let reader = try RunReader(path: file, mayLackTables: true)
    let isRecorded = try reader.isBeingRecorded()
    reader.close()
    if isRecorded {
      throw LBError(
        .configuration, "\(file) is being recorded: stop that run first",
        context: ErrorContext(path: file))
    }
    do {
      try FileManager.default.removeItem(atPath: file)
      let slash =
        file.unicodeScalars.lastIndex(of: "/").map { file.unicodeScalars.index(after: $0) }
        ?? file.startIndex
      let own =
        ["-wal", "-shm", "-tail", "-wal.damaged", "-tail.damaged"].map { file + $0 }
        + [String(file[..<slash]) + Self.approvalName(ofFile: String(file[slash...]))]
      // Kept working directories of attempts.
      let base =
        file.hasSuffix(".\(Self.fileExtension)")
        ? String(file.dropLast(Self.fileExtension.count + 1)) : file
      for path in own + ["\(base).files"] where FileManager.default.fileExists(atPath: path) {
        try FileManager.default.removeItem(atPath: path)
      }
    } catch {
      throw LBError(
        .resultPersistence, "\(file): cannot be removed", context: ErrorContext(path: file),
        causes: [Self.reason(error)])
    }
  }
}
