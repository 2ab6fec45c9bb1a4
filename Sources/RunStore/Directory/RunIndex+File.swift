import Glibc
import SampleModel

/// The file of an index: its first line has the version of the format and the CRC-32C of the rest,
/// which is a line for each run, in order of the names, of fields separated by tabs. In a field,
/// `\t`, `\n` and `\\` mean a tab, a line feed and a backslash.
extension RunIndex {
  /// The name of the file.
  package static let fileName = ".index"
  /// How the names of drafts begin.
  static let draftStart = ".index.new-"

  /// The most bytes of an index.
  private static let limit = 64 << 20
  /// The most bytes of a line: a run with a longer command has no entry.
  private static let lineLimit = 64 << 10
  private static let title = "lbsample index 4 "
  /// Digits of the checksum, and the end of the line.
  private static let titleBytes = title.utf8.count + 9
  /// Fields before the labels (two each), the runs that phases were taken from, and the words of
  /// the command.
  private static let fixedFields = 16

  /// A directory, if it is the caller's own.
  private struct OwnFolder: ~Copyable {
    let descriptor: Int32

    init?(_ path: String) {
      descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      var facts = stat()
      guard descriptor >= 0 else { return nil }
      guard unsafe fstat(descriptor, &facts) == 0, facts.st_uid == geteuid() else {
        Glibc.close(descriptor)
        return nil
      }
    }

    deinit { Glibc.close(descriptor) }
  }

  /// The entries of a directory's index; empty without a trusted index.
  static func stored(in folder: String) -> [[UInt8]: Entry] {
    guard let bytes = read(in: folder) else { return [:] }
    return parsed(bytes) ?? [:]
  }

  private static func read(in folder: String) -> [UInt8]? {
    guard let folder = OwnFolder(folder) else { return nil }
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
    let descriptor = unsafe openat(folder.descriptor, fileName, flags)
    guard descriptor >= 0 else { return nil }
    defer { Glibc.close(descriptor) }
    var facts = stat()
    // No other user may have written it or linked it.
    guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG,
      facts.st_uid == geteuid(), facts.st_mode & 0o022 == 0, facts.st_nlink == 1,
      facts.st_size > 0, facts.st_size <= limit
    else { return nil }
    let size = Int(facts.st_size)
    // Safe: the buffer's size bounds the read, and the count is that of the bytes read.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
      var count = 0
      while count < size {
        let read = unsafe pread(
          descriptor, buffer.baseAddress?.advanced(by: count), size - count, off_t(count))
        guard read > 0 else { break }
        count += read
      }
      initialized = count
    }
    return bytes.count == size ? bytes : nil
  }

  /// Replaces the index by one of these entries, if the directory is the caller's own and there is
  /// room for it.
  static func write(_ entries: [[UInt8]: Entry], in folder: String) {
    guard let folder = OwnFolder(folder) else { return }
    let bytes = file(entries)
    let draft = draftStart + String(UInt64.random(in: 0...UInt64.max), radix: 16)
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    let descriptor = unsafe openat(folder.descriptor, draft, flags, 0o600)
    guard descriptor >= 0 else { return }
    defer { Glibc.close(descriptor) }
    // A link of that name is itself replaced.
    guard AbandonedDrafts.lock(descriptor), write(bytes, descriptor),
      unsafe renameat(folder.descriptor, draft, folder.descriptor, fileName) == 0
    else {
      _ = unsafe unlinkat(folder.descriptor, draft, 0)
      return
    }
  }

  private static func write(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let (from, count) = (offset, bytes.count - offset)
      // Safe: the array's own length bounds the call.
      let written = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress?.advanced(by: from), count)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return false }
      offset += written
    }
    return true
  }

  // MARK: Format

  private static let tab = UInt8(ascii: "\t")
  private static let lineEnd = UInt8(ascii: "\n")
  private static let backslash = UInt8(ascii: "\\")

  private static func front(_ checksum: UInt32) -> [UInt8] {
    let digits = String(checksum, radix: 16)
    let zeros = String(repeating: "0", count: 8 - digits.count)
    return Array("\(title)\(zeros)\(digits)\n".utf8)
  }

  /// An index's bytes.
  private static func file(_ entries: [[UInt8]: Entry]) -> [UInt8] {
    var body: [UInt8] = []
    for (name, entry) in entries.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let line = line(name, entry)
      guard line.count <= lineLimit else { continue }
      guard titleBytes + body.count + line.count <= limit else { break }
      body += line
    }
    return front(Checksum.crc32c(body)) + body
  }

  private static func line(_ name: [UInt8], _ entry: Entry) -> [UInt8] {
    let (file, run) = (entry.file, entry.overview)
    var line: [UInt8] = []
    append(name, to: &line)
    let duration = run.durationNanoseconds.map { "\($0)" } ?? ""
    var fields: [String] = [
      "\(file.device)", "\(file.inode)", "\(file.size)", "\(file.modified)", "\(file.changed)",
      run.runID, run.kind, run.status.rawValue, "\(run.startUnixNanoseconds)", duration,
      "\(run.completed)", "\(run.commands)", run.host ?? "", "\(run.labels.count)",
      "\(run.sources.count)",
    ]
    for (key, value) in run.labels.sorted(by: { $0.key < $1.key }) { fields += [key, value] }
    fields += run.sources + run.command
    for field in fields {
      line.append(tab)
      append(field.utf8, to: &line)
    }
    line.append(lineEnd)
    return line
  }

  private static func append(_ field: some Sequence<UInt8>, to line: inout [UInt8]) {
    for byte in field {
      switch byte {
      case tab: line += [backslash, UInt8(ascii: "t")]
      case lineEnd: line += [backslash, UInt8(ascii: "n")]
      case backslash: line += [backslash, backslash]
      default: line.append(byte)
      }
    }
  }

  /// Parses an index; nil unless it is exactly in the written form.
  private static func parsed(_ bytes: [UInt8]) -> [[UInt8]: Entry]? {
    guard bytes.count >= titleBytes else { return nil }
    let body = Array(bytes[titleBytes...])
    guard Array(bytes[..<titleBytes]) == front(Checksum.crc32c(body)) else { return nil }
    guard body.last.map({ $0 == lineEnd }) ?? true else { return nil }
    var found: [[UInt8]: Entry] = [:]
    for line in body.split(separator: lineEnd) {
      guard let (name, entry) = parsed(line) else { return nil }
      found[name] = entry
    }
    return found
  }

  private static func parsed(_ line: ArraySlice<UInt8>) -> (name: [UInt8], entry: Entry)? {
    var fields: [[UInt8]] = []
    for part in line.split(separator: tab, omittingEmptySubsequences: false) {
      guard let field = plain(part) else { return nil }
      fields.append(field)
    }
    guard fields.count >= fixedFields else { return nil }
    let words = fields.map { String(decoding: $0, as: UTF8.self) }
    guard let device = UInt64(words[1]), let inode = UInt64(words[2]), let size = Int64(words[3]),
      let modified = Int64(words[4]), let changed = Int64(words[5]), RunOverview.isID(words[6]),
      let status = RunStatus(rawValue: words[8]), let start = UInt64(words[9]),
      let completed = Int(words[11]), let commands = Int(words[12]),
      let labelCount = Int(words[14]), let sourceCount = Int(words[15]),
      (0...(words.count - fixedFields) / 2).contains(labelCount),
      (0...words.count - fixedFields - 2 * labelCount).contains(sourceCount)
    else { return nil }
    var duration: UInt64?
    if !words[10].isEmpty {
      duration = UInt64(words[10])
      guard duration != nil else { return nil }
    }
    let sourceIndex = fixedFields + 2 * labelCount
    let commandIndex = sourceIndex + sourceCount
    var labels: [String: String] = [:]
    for index in stride(from: fixedFields, to: sourceIndex, by: 2) {
      labels[words[index]] = words[index + 1]
    }
    let overview = RunOverview(
      runID: words[6], kind: words[7], status: status, startUnixNanoseconds: start,
      durationNanoseconds: duration, completed: completed,
      command: Array(words[commandIndex...]), commands: commands,
      host: words[13].isEmpty ? nil : words[13], labels: labels,
      sources: Array(words[sourceIndex..<commandIndex]))
    guard overview.isOver else { return nil }
    let file = FileState(
      device: device, inode: inode, size: size, modified: modified, changed: changed)
    return (fields[0], Entry(file: file, overview: overview))
  }

  /// A field with its escapes decoded.
  private static func plain(_ field: ArraySlice<UInt8>) -> [UInt8]? {
    guard field.contains(backslash) else { return Array(field) }
    var plain: [UInt8] = []
    var isEscaped = false
    for byte in field {
      guard isEscaped || byte == backslash else {
        plain.append(byte)
        continue
      }
      defer { isEscaped.toggle() }
      guard isEscaped else { continue }
      switch byte {
      case UInt8(ascii: "t"): plain.append(tab)
      case UInt8(ascii: "n"): plain.append(lineEnd)
      case backslash: plain.append(backslash)
      default: return nil
      }
    }
    return isEscaped ? nil : plain
  }
}
