import Foundation
import LinuxSystem
import SampleModel
import TOMLKit

/// A TOML file with its text.
///
/// The parser is of C++ and its texts are C strings: it ends a file at the first NUL byte, cuts a
/// string at an escaped one, and ends the process where keys nest too deep or a header has no name.
/// So the text is checked before the parser gets it.
struct TOMLFile {
  /// Bytes that a file may have.
  static let limit = 1 << 20

  let text: String
  let table: TOMLTable

  /// Reads the file at `path`; `title` is what errors call it.
  init(_ path: String, title: String, ofAnyKind: Bool = true) throws(LBError) {
    let file: OwnedDescriptor
    do throws(SystemError) {
      // A pipe, for instance, which the user has named.
      file =
        ofAnyKind
        ? try OwnedDescriptor(open: path, O_RDONLY) : try OwnedDescriptor(text: path)
    } catch {
      throw Self.unreadable(path, title, error)
    }
    try self.init(file, path, title: title)
  }

  /// Reads a file that is open and called `path`.
  init(_ file: borrowing OwnedDescriptor, _ path: String, title: String) throws(LBError) {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try SmallFile.read(file, path, limit: Self.limit)
    } catch {
      throw Self.unreadable(path, title, error)
    }
    do throws(TOMLScan.Failure) {
      var scan = TOMLScan(bytes)
      try scan.run()
    } catch {
      throw LBError(
        .configuration, "\(path):\(error.line): \(error.reason)", context: ErrorContext(path: path))
    }
    text = String(decoding: bytes, as: UTF8.self)
    do {
      table = try TOMLTable(string: text)
    } catch let error as TOMLParseError {
      throw LBError(
        .configuration, "\(path):\(error.source.begin.line): not TOML: \(error.description)",
        context: ErrorContext(path: path))
    } catch {
      throw LBError(
        .configuration, "\(path): not TOML: \(error)", context: ErrorContext(path: path))
    }
  }

  private static func unreadable(_ path: String, _ title: String, _ error: SystemError) -> LBError {
    LBError(
      .configuration, "\(title) \(path) cannot be read: \(error.reason)",
      context: ErrorContext(path: path, errno: error.errno))
  }
}

/// Looks through TOML text for what the parser must not get. What is no TOML is left to the parser,
/// which stops at it: up to there both take the text for the same.
struct TOMLScan {
  /// What the parser must not get, and where it is.
  struct Failure: Error, Equatable {
    let line: Int
    let reason: String
  }

  /// Tables and lists that may be within one another. A name in a header may be both: a list of
  /// tables and one of them.
  static let deepest = 256

  /// A bracket that is open: of a table or of a list, with how deep its contents are.
  private struct Bracket {
    let isTable: Bool
    let depth: Int
  }

  private let bytes: [UInt8]
  private var index = 0
  private var line = 1
  /// Whether what follows is a key, or a header's name.
  private var isKey = true
  private var isHeader = false
  /// Names of the present key so far.
  private var names = 1
  /// How deep the keys of the present section are, and what is being read now.
  private var section = 0
  private var depth = 0
  private var open: [Bracket] = []

  /// A look through a file's bytes.
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Throws the first thing that is found.
  mutating func run() throws(Failure) {
    if let nul = bytes.firstIndex(of: 0) {
      let line = 1 + bytes[..<nul].count { $0 == UInt8(ascii: "\n") }
      throw Failure(line: line, reason: "NUL byte in line \(line): TOML is text, remove it")
    }
    if String(validating: bytes, as: UTF8.self) == nil {
      throw Failure(line: lineThatIsNotUTF8(), reason: "not UTF-8: save the file as UTF-8 text")
    }
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\n"): endLine()
      case UInt8(ascii: "#"): skipToEndOfLine()
      case UInt8(ascii: "\""): try skipString(byte, escapes: true)
      case UInt8(ascii: "'"): try skipString(byte, escapes: false)
      case UInt8(ascii: "."): if isKey { try addName() }
      case UInt8(ascii: "="): beginValue()
      case UInt8(ascii: ","): if open.last?.isTable == true { beginKey() }
      case UInt8(ascii: "["), UInt8(ascii: "{"): try openBracket(isTable: byte == UInt8(ascii: "{"))
      case UInt8(ascii: "]"), UInt8(ascii: "}"): try closeBracket(byte)
      default: break
      }
    }
  }

  private func lineThatIsNotUTF8() -> Int {
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    return 1 + (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0)
  }

  private mutating func beginKey() {
    isKey = true
    names = 1
  }

  private mutating func endLine() {
    line += 1
    // Within brackets a line may end anywhere.
    guard open.isEmpty else { return }
    isHeader = false
    beginKey()
  }

  private mutating func skipToEndOfLine() {
    while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { index += 1 }
  }

  private mutating func addName() throws(Failure) {
    names += 1
    try check(isHeader ? 2 * names : (open.last?.depth ?? section) + names)
  }

  private mutating func beginValue() {
    depth = (open.last?.depth ?? section) + names
    isKey = false
  }

  private mutating func openBracket(isTable: Bool) throws(Failure) {
    if isKey, open.isEmpty {
      // The second bracket of a header's two is nothing new.
      if !isHeader { try checkHeader() }
      isHeader = true
      return
    }
    depth += 1
    try check(depth)
    open.append(Bracket(isTable: isTable, depth: depth))
    if isTable { beginKey() } else { isKey = false }
  }

  /// Whether a name follows a header's first bracket. At a bracket that closes it, one that stands
  /// apart and the end of the file the parser says what is wrong; anything else is an assertion of
  /// it, which ends the process.
  private func checkHeader() throws(Failure) {
    var next = index
    if next < bytes.count, bytes[next] == UInt8(ascii: "[") { next += 1 }
    while next < bytes.count, [UInt8(ascii: " "), UInt8(ascii: "\t")].contains(bytes[next]) {
      next += 1
    }
    guard next < bytes.count else { return }
    switch bytes[next] {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"),
      UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "]"):
      return
    case UInt8(ascii: "[") where bytes[index] != UInt8(ascii: "["): return
    default:
      throw Failure(
        line: line,
        reason: "no name after the bracket: write [name], or [\"name\"] if the name has "
          + "characters other than letters, digits, _ and -")
    }
  }

  /// A bracket that closes one of the other kind is an assertion of the parser: `n = [1,}`.
  private mutating func closeBracket(_ byte: UInt8) throws(Failure) {
    if isHeader {
      section = 2 * names
      isHeader = false
    } else if let closed = open.popLast() {
      guard closed.isTable == (byte == UInt8(ascii: "}")) else {
        throw Failure(
          line: line,
          reason: closed.isTable
            ? "a table in { is closed by ]: write }" : "a list in [ is closed by }: write ]")
      }
      depth = open.last?.depth ?? section
    }
    isKey = false
  }

  private func check(_ depth: Int) throws(Failure) {
    guard depth > Self.deepest else { return }
    throw Failure(
      line: line,
      reason: "tables and lists are more than \(Self.deepest) deep within one another; each name "
        + "of a dotted key counts, each one of a header twice")
  }

  /// Skips to the end of a string whose first quote has been read.
  private mutating func skipString(_ quote: UInt8, escapes: Bool) throws(Failure) {
    let isLong = isQuote(quote, at: index) && isQuote(quote, at: index + 1)
    if isLong { index += 2 }
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\n") {
        // A short string ends at the end of its line: the parser stops here.
        guard isLong else { return }
        line += 1
      }
      index += 1
      if escapes, byte == UInt8(ascii: "\\") {
        try skipEscape()
      } else if byte == quote {
        guard isLong else { return }
        guard isQuote(quote, at: index), isQuote(quote, at: index + 1) else { continue }
        index += 2
        // Two more may stand before the three that end it.
        for _ in 0..<2 where isQuote(quote, at: index) { index += 1 }
        return
      }
    }
  }

  private func isQuote(_ quote: UInt8, at index: Int) -> Bool {
    index < bytes.count && bytes[index] == quote
  }

  private mutating func skipEscape() throws(Failure) {
    guard index < bytes.count else { return }
    let digits =
      switch bytes[index] {
      case UInt8(ascii: "x"): 2
      case UInt8(ascii: "u"): 4
      case UInt8(ascii: "U"): 8
      default: 0
      }
    // A backslash at a line's end is followed by that.
    if bytes[index] == UInt8(ascii: "\n") { line += 1 }
    index += 1
    guard digits > 0, index + digits <= bytes.count,
      bytes[index..<index + digits].allSatisfy({ $0 == UInt8(ascii: "0") })
    else { return }
    throw Failure(
      line: line, reason: "NUL character in a string: neither a command nor a name can have one")
  }
}
