import Foundation
import LinuxSystem
import SampleModel
import TOMLKit

/// A collectors.conf that was read: its values with their lines, and what is wrong with it.
struct ConfigurationFile {
  struct Entry {
    let name: String
    let value: String
    let line: Int
  }

  let path: String
  private(set) var entries: [Entry] = []
  private(set) var problems: [String] = []

  /// The file that applies: `--config`, else ./collectors.conf if nobody but its owner (the
  /// caller or root) can write it, else the user's, else the host's; nil when there is none.
  static func find(explicit: String?, environment: [String: String]) throws(LBError) -> Self? {
    if let explicit { return try Self(path: explicit) }
    if FileManager.default.fileExists(atPath: "collectors.conf") {
      guard let reason = distrust("collectors.conf") else {
        return try Self(path: "collectors.conf")
      }
      Console.say("lbsample: ignoring ./collectors.conf: \(reason)")
    }
    let home = environment["HOME"] ?? NSHomeDirectory()
    let user = environment["XDG_CONFIG_HOME"] ?? home + "/.config"
    for path in ["\(user)/lbsample/collectors.conf", "/etc/lbsample/collectors.conf"]
    where FileManager.default.fileExists(atPath: path) {
      return try Self(path: path)
    }
    return nil
  }

  /// Why a file is not to be trusted, nil where it is.
  private static func distrust(_ path: String) -> String? {
    var facts = stat()
    guard unsafe stat(path, &facts) == 0 else { return "it cannot be examined" }
    guard facts.st_uid == getuid() || facts.st_uid == 0 else { return "not owned by you or root" }
    return facts.st_mode & 0o022 == 0
      ? nil : "writable by group or others; fix: chmod go-w \(path)"
  }

  /// Reads and checks a file against the schema.
  init(path: String) throws(LBError) {
    self.path = path
    let file = try TOMLFile(path, title: "configuration file")
    check(file.table, lines: Self.lines(of: file.text))
  }

  private mutating func check(_ table: TOMLTable, lines: [String: Int]) {
    let sections = Set(SettingsSchema.keys.map { $0.name.split(separator: ".")[0] })
    for section in table.keys.sorted(by: { lines[$0] ?? 0 < lines[$1] ?? 0 }) {
      let line = lines[section] ?? 1
      guard sections.contains(Substring(section)) else {
        let isSection = table[section]?.table != nil
        let homes = SettingsSchema.keys.map(\.name).filter { $0.hasSuffix(".\(section)") }
        let nearest = homes.first ?? Nearest.word(to: section, in: sections.map(String.init))
        problems.append(
          "\(path):\(line): unknown \(isSection ? "section [\(section)]" : "key \(section)")"
            + Nearest.hint(nearest))
        continue
      }
      guard let inner = table[section]?.table else {
        problems.append("\(path):\(line): \(section) is a section: write [\(section)]")
        continue
      }
      for key in inner.keys.sorted(by: {
        lines["\(section).\($0)"] ?? 0 < lines["\(section).\($1)"] ?? 0
      }) {
        check(inner[key], name: "\(section).\(key)", line: lines["\(section).\(key)"] ?? line)
      }
    }
  }

  private mutating func check(_ value: (any TOMLValueConvertible)?, name: String, line: Int) {
    guard let key = SettingsSchema.key(name) else {
      let nearest = Nearest.word(to: name, in: SettingsSchema.keys.map(\.name))
      problems.append("\(path):\(line): unknown key \(name)\(Nearest.hint(nearest))")
      return
    }
    let text: String? =
      switch key.type {
      case .boolean: value?.bool.map { "\($0)" }
      case .integer: value?.int.map { "\($0)" }
      case .optionalInteger: value?.int.map { "\($0)" } ?? value?.string
      case .collectors:
        value?.array.flatMap { array in
          let names = array.compactMap(\.string)
          return names.count == array.count ? names.joined(separator: ",") : nil
        }
      default: value?.string
      }
    guard let text else {
      let form =
        switch key.type {
        case .boolean: "true or false, without quotes"
        case .integer, .optionalInteger: "a whole number, without quotes"
        case .collectors: "an array of strings"
        default: "a string in quotes"
        }
      problems.append("\(path):\(line): \(name) has the wrong type: expected \(form)")
      return
    }
    entries.append(Entry(name: name, value: text, line: line))
  }

  /// Lines on which sections and keys stand: the parser does not keep them.
  private static func lines(of text: String) -> [String: Int] {
    var lines: [String: Int] = [:]
    var section = ""
    for (index, line) in text.lines.enumerated() {
      let content = line.trimmed
      if content.hasPrefix("["), let end = content.firstIndex(of: "]") {
        section = content[content.index(after: content.startIndex)..<end].trimmed
        lines[section] = index + 1
      } else if let equals = content.firstIndex(of: "="), !content.hasPrefix("#") {
        let key = content[..<equals].trimmed
        let name = section.isEmpty ? key : "\(section).\(key)"
        lines[name] = lines[name] ?? index + 1
      }
    }
    return lines
  }
}
