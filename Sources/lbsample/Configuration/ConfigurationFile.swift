import Foundation
import LinuxSystem
import RunStore
import Runner
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
  /// The first `PlanProblems.most`.
  private(set) var problems: [String] = []
  /// Problems beyond those.
  private(set) var untold = 0

  /// The file that applies: `--config`, else ./collectors.conf, else the user's, else the host's;
  /// nil when there is none. A file that was found, not named, is used only if no one but its owner
  /// (the caller or root) can change it.
  static func find(explicit: String?, environment: [String: String]) throws(LBError) -> Self? {
    if let explicit { return try Self(TOMLFile(explicit, title: title), explicit) }
    let given = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    let user = given ?? RunDirectory.home(environment) + "/.config"
    // Another user who may write here may have put a link here. At home one keeps links to such
    // files.
    if let here = try found("collectors.conf", O_NOFOLLOW) { return here }
    for path in ["\(user)/lbsample/collectors.conf", "/etc/lbsample/collectors.conf"] {
      if let file = try found(path, 0) { return file }
    }
    return nil
  }

  private static let title = "configuration file"

  /// The file at `path`, opened once and checked by its descriptor; nil where there is none, or
  /// where it is ignored, which is reported.
  private static func found(_ path: String, _ flags: Int32) throws(LBError) -> Self? {
    let folder = Directories.folder(of: path)
    let file: OwnedDescriptor
    do throws(SystemError) {
      file = try OwnedDescriptor(open: path, O_RDONLY | O_NONBLOCK | flags)
    } catch {
      if ![ENOENT, ENOTDIR].contains(error.errno) {
        ignore(path, error.errno == ELOOP ? "a symbolic link" : error.reason)
      }
      return nil
    }
    if let reason = Trust.problem(of: file) {
      let fix = reason.hasPrefix("writable") ? "; fix: chmod go-w \(path)" : ""
      ignore(path, reason + fix)
      return nil
    }
    if let reason = Trust.problem(ofDirectory: folder) {
      ignore(path, "its directory can be changed by others: \(reason)")
      return nil
    }
    return try Self(TOMLFile(file, path, title: title), path)
  }

  private static func ignore(_ path: String, _ reason: String) {
    Console.say("lbsample: ignoring \(path.begins("/") ? "" : "./")\(path): \(reason)")
  }

  /// Checks a file, which is called `path`, against the schema.
  private init(_ file: TOMLFile, _ path: String) {
    self.path = path
    check(file.table, lines: Self.lines(of: file.text))
  }

  /// Reads and checks a file against the schema.
  init(path: String) throws(LBError) { try self.init(TOMLFile(path, title: Self.title), path) }

  private mutating func check(_ table: TOMLTable, lines: [String: Int]) {
    let sections = Set(SettingsSchema.keys.map { $0.name.split(separator: ".")[0] })
    for section in table.keys.sorted(by: { lines[$0] ?? 0 < lines[$1] ?? 0 }) {
      let line = lines[section] ?? 1
      guard sections.contains(Substring(section)) else {
        guard problems.count < PlanProblems.most else {
          untold += 1
          continue
        }
        let isSection = table[section]?.table != nil
        let homes = SettingsSchema.keys.map(\.name).filter { $0.hasSuffix(".\(section)") }
        let nearest = homes.first ?? Nearest.word(to: section, in: sections.map(String.init))
        problems.append(
          "\(path):\(line): unknown \(isSection ? "section [\(section)]" : "key \(section)")"
            + Nearest.hint(nearest))
        continue
      }
      guard let inner = table[section]?.table else {
        guard problems.count < PlanProblems.most else {
          untold += 1
          continue
        }
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
      guard problems.count < PlanProblems.most else {
        untold += 1
        return
      }
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
      guard problems.count < PlanProblems.most else {
        untold += 1
        return
      }
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
    entries.append(Entry(name: name, value: OSText.string(text.utf8), line: line))
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
