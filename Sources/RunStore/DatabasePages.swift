import Glibc

/// Tables of an SQLite file that nobody writes, read from its pages.
///
/// A list of thousands of runs reads two or three rows of each file, and opening a database costs
/// SQLite a hundred times what that does: it makes a connection and parses every table first. Only
/// what is exactly as https://www.sqlite.org/fileformat2.html says is read; of anything else there
/// is nil or false, and whoever asks opens the file with SQLite, which says what is wrong.
final class DatabasePages {
  /// One row: the values of its columns as they are in the file.
  struct Record {
    fileprivate let bytes: [UInt8]
    /// The serial type of each column, and where its value stands.
    fileprivate let columns: [(type: UInt64, place: Int)]
  }

  /// One table: the page of its root, and the statement that made it.
  struct Table: Equatable {
    let root: Int
    let statement: String
  }

  /// The tables of a file, by name, and the text of what else it has: views and triggers.
  struct Schema {
    var tables: [String: Table] = [:]
    var programs: [String] = []
  }

  /// More levels than any tree of ours has.
  private static let deepest = 12
  /// Bytes of the file's header.
  private static let headerBytes = 100

  private let descriptor: Int32
  private let pageSize: Int
  private let usable: Int
  private let pageCount: Int
  /// PRAGMA application_id.
  let applicationID: Int
  /// PRAGMA user_version.
  let version: Int

  /// The file at `path`; nil where it is none that can be read here.
  static func open(_ path: String) -> DatabasePages? {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    var facts = stat()
    guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG,
      let header = Self.header(descriptor, Int(facts.st_size))
    else {
      close(descriptor)
      return nil
    }
    return DatabasePages(descriptor, header)
  }

  /// The header of a file of that many bytes, if it is one of a database.
  private static func header(_ descriptor: Int32, _ size: Int) -> [UInt8]? {
    let header = read(descriptor, at: 0, headerBytes)
    guard header.count == headerBytes, header.starts(with: Array("SQLite format 3\0".utf8)) else {
      return nil
    }
    let pageSize = pageSize(header)
    let pageCount = number(header, 28, 4)
    guard pageSize >= 512, pageSize & (pageSize - 1) == 0, pageSize - Int(header[20]) >= 480,
      // Text is UTF-8, and the number of pages is of the last change.
      number(header, 56, 4) == 1, number(header, 24, 4) == number(header, 92, 4),
      pageCount > 0, pageCount * pageSize == size
    else { return nil }
    return header
  }

  private static func pageSize(_ header: [UInt8]) -> Int {
    let stored = number(header, 16, 2)
    return stored == 1 ? 1 << 16 : stored
  }

  private init(_ descriptor: Int32, _ header: [UInt8]) {
    self.descriptor = descriptor
    pageSize = Self.pageSize(header)
    usable = pageSize - Int(header[20])
    pageCount = Self.number(header, 28, 4)
    applicationID = Self.number(header, 68, 4)
    version = Self.number(header, 60, 4)
  }

  deinit { close(descriptor) }

  private static func read(_ descriptor: Int32, at place: Int, _ count: Int) -> [UInt8] {
    // Safe: at most as many bytes are read as there is room for, and so many are told.
    unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let read = unsafe pread(descriptor, buffer.baseAddress, count, off_t(place))
      initialized = max(0, read)
    }
  }

  /// A big-endian number of up to four bytes.
  private static func number(_ bytes: [UInt8], _ place: Int, _ count: Int) -> Int {
    bytes[place..<place + count].reduce(0) { $0 << 8 | Int($1) }
  }

  private func page(_ number: Int) -> [UInt8]? {
    guard number >= 1, number <= pageCount else { return nil }
    let bytes = Self.read(descriptor, at: (number - 1) * pageSize, pageSize)
    return bytes.count == pageSize ? bytes : nil
  }

  /// The variable-length number at `place`, which is moved behind it.
  fileprivate static func varint(_ bytes: [UInt8], _ place: inout Int) -> UInt64? {
    var value: UInt64 = 0
    for index in 0..<9 {
      guard place < bytes.count else { return nil }
      let byte = bytes[place]
      place += 1
      if index == 8 { return value << 8 | UInt64(byte) }
      value = value << 7 | UInt64(byte & 0x7F)
      if byte < 0x80 { return value }
    }
    return nil
  }

  /// Calls `body` with each record of the table whose root is that page, in order of their rowids;
  /// false where the tree is not as it should be.
  func forEachRecord(root: Int, _ body: (Record) -> Void) -> Bool {
    var left = pageCount
    return walk(root, depth: 0, &left, body)
  }

  /// `left` is how many pages may still be read: none is in a tree twice.
  private func walk(
    _ number: Int, depth: Int, _ left: inout Int, _ body: (Record) -> Void
  ) -> Bool {
    guard depth < Self.deepest, left > 0, let page = self.page(number) else { return false }
    left -= 1
    let start = number == 1 ? Self.headerBytes : 0
    let isLeaf = page[start] == 13
    guard isLeaf || page[start] == 5 else { return false }
    let cells = start + (isLeaf ? 8 : 12)
    let count = Self.number(page, start + 3, 2)
    guard cells + 2 * count <= page.count else { return false }
    for cell in 0..<count {
      var place = Self.number(page, cells + 2 * cell, 2)
      if isLeaf {
        guard let length = Self.varint(page, &place), Self.varint(page, &place) != nil,
          length <= UInt64(pageCount * pageSize),
          let payload = self.payload(page, place, Int(length), &left), let record = Record(payload)
        else { return false }
        body(record)
      } else {
        guard place + 4 <= page.count,
          walk(Self.number(page, place, 4), depth: depth + 1, &left, body)
        else { return false }
      }
    }
    return isLeaf || walk(Self.number(page, start + 8, 4), depth: depth + 1, &left, body)
  }

  /// A cell's content, of which what does not fit into its page is in others.
  private func payload(
    _ page: [UInt8], _ place: Int, _ length: Int, _ left: inout Int
  ) -> [UInt8]? {
    var local = length
    if length > usable - 35 {
      let least = (usable - 12) * 32 / 255 - 23
      local = least + (length - least) % (usable - 4)
      if local > usable - 35 { local = least }
    }
    guard place + local <= page.count else { return nil }
    var bytes = Array(page[place..<place + local])
    guard local < length else { return bytes }
    guard place + local + 4 <= page.count else { return nil }
    var next = Self.number(page, place + local, 4)
    while bytes.count < length {
      guard left > 0, let page = self.page(next) else { return nil }
      left -= 1
      next = Self.number(page, 0, 4)
      bytes += page[4..<4 + min(usable - 4, length - bytes.count)]
    }
    return bytes
  }

  /// The bytes of the schema's pages: files that were made alike have the same.
  func schemaBytes() -> [UInt8]? {
    var (bytes, left): ([UInt8], Int) = ([], pageCount)
    return gather(1, depth: 0, &left, &bytes) ? bytes : nil
  }

  private func gather(
    _ number: Int, depth: Int, _ left: inout Int, _ bytes: inout [UInt8]
  ) -> Bool {
    guard depth < Self.deepest, left > 0, let page = self.page(number) else { return false }
    left -= 1
    let start = number == 1 ? Self.headerBytes : 0
    bytes += page[start...]
    guard page[start] == 5 else { return page[start] == 13 }
    let count = Self.number(page, start + 3, 2)
    guard start + 12 + 2 * count <= page.count else { return false }
    for cell in 0..<count {
      let place = Self.number(page, start + 12 + 2 * cell, 2)
      guard place + 4 <= page.count,
        gather(Self.number(page, place, 4), depth: depth + 1, &left, &bytes)
      else { return false }
    }
    return gather(Self.number(page, start + 8, 4), depth: depth + 1, &left, &bytes)
  }

  /// The file's schema; nil where it cannot be read.
  func schema() -> Schema? {
    var schema = Schema()
    var isGood = true
    let isWhole = forEachRecord(root: 1) { record in
      guard let type = record.text(0), let name = record.text(1) else {
        isGood = false
        return
      }
      if type == "index" { return }
      let statement = record.text(4) ?? "?"
      guard type == "table", !statement.hasPrefix("CREATE VIRTUAL") else {
        schema.programs.append(statement)
        return
      }
      let root = Int(truncatingIfNeeded: record.integer(3) ?? 0)
      schema.tables[name] = Table(root: root, statement: statement)
    }
    return isWhole && isGood ? schema : nil
  }

}

extension DatabasePages.Table {
  /// Where the columns stand that the statement declares, by name.
  var columns: [String: Int] {
    var columns: [String: Int] = [:]
    var depth = 0
    var word: [UInt8] = []
    // A column's name is the first word behind the opening bracket, or behind a comma within it.
    var isName = false
    for byte in statement.utf8 {
      switch byte {
      case UInt8(ascii: "("):
        depth += 1
        isName = depth == 1
      case UInt8(ascii: ")"): depth -= 1
      case UInt8(ascii: ",") where depth == 1: isName = true
      case UInt8(ascii: " "), UInt8(ascii: "\n"):
        guard isName, !word.isEmpty else { continue }
        columns[String(decoding: word, as: UTF8.self)] = columns.count
        word = []
        isName = false
      default: if isName { word.append(byte) }
      }
    }
    return columns
  }
}

extension DatabasePages.Record {
  /// The record in these bytes, nil where they are none.
  fileprivate init?(_ bytes: [UInt8]) {
    var place = 0
    guard let header = DatabasePages.varint(bytes, &place), header <= UInt64(bytes.count)
    else { return nil }
    var columns: [(type: UInt64, place: Int)] = []
    var value = Int(header)
    while place < Int(header) {
      guard let type = DatabasePages.varint(bytes, &place), let length = Self.length(type),
        length <= bytes.count - value
      else { return nil }
      columns.append((type, value))
      value += length
    }
    self.init(bytes: bytes, columns: columns)
  }

  /// Bytes of a value of a serial type; nil for types that there are not.
  private static func length(_ type: UInt64) -> Int? {
    switch type {
    case 0, 8, 9: 0
    case 1...4: Int(type)
    case 5: 6
    case 6, 7: 8
    case 12...: Int(clamping: (type - 12) / 2)
    default: nil
    }
  }

  /// Whether the column is empty, or the row older than it.
  func isNull(_ column: Int) -> Bool {
    column >= columns.count || columns[column].type == 0
  }

  /// The whole number in a column, nil where that is none.
  func integer(_ column: Int) -> Int64? {
    guard column < columns.count else { return nil }
    let (type, place) = columns[column]
    switch type {
    case 8: return 0
    case 9: return 1
    case 1...6:
      let length = Self.length(type) ?? 0
      let start: Int64 = bytes[place] >= 0x80 ? -1 : 0
      return bytes[place..<place + length].reduce(start) { $0 << 8 | Int64($1) }
    default: return nil
    }
  }

  /// The text in a column, nil where that is none.
  func text(_ column: Int) -> String? {
    guard column < columns.count else { return nil }
    let (type, place) = columns[column]
    guard type >= 13, type % 2 == 1 else { return nil }
    return String(decoding: bytes[place..<place + (Self.length(type) ?? 0)], as: UTF8.self)
  }
}
