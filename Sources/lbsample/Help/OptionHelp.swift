import ArgumentParser
import Foundation

/// An option, flag or argument as the parser describes it.
struct OptionHelp: Decodable {
  struct Name: Decodable {
    let kind: String
    let name: String

    var text: String { (kind == "short" ? "-" : "--") + name }
  }

  private let kind: String
  private let names: [Name]?
  private let valueName: String?
  private let defaultValue: String?
  private let abstract: String?
  private let shouldDisplay: Bool?

  /// Its names, the short one first: `-r, --repetitions`.
  private var shownNames: [String] {
    (names ?? []).map(\.text).sorted { $0.utf8.count < $1.utf8.count }
  }

  /// Whether it has this name, without dashes.
  func isCalled(_ name: String) -> Bool { names?.contains { $0.name == name } ?? false }

  /// The names and the placeholder of the value: `-r, --repetitions <n>`.
  var label: String {
    let value = kind == "option" ? valueName.map { " <\($0)>" } ?? "" : ""
    return shownNames.joined(separator: ", ") + value
  }

  /// The meaning of the option, with its default.
  var text: String {
    (abstract ?? "") + (defaultValue.map { " (default: \($0))" } ?? "")
  }

  private struct Dump: Decodable {
    struct Command: Decodable { let arguments: [OptionHelp]? }
    let command: Command
  }

  /// The options of a command or of a group of options, without those of every command. A help
  /// without options follows from a description that cannot be read, which a test would tell.
  static func all(of type: any ParsableArguments.Type) -> [OptionHelp] {
    let dump: Dump
    do {
      dump = try JSONDecoder().decode(Dump.self, from: Data(type._dumpHelp().utf8))
    } catch {
      return []
    }
    return (dump.command.arguments ?? []).filter {
      $0.kind != "positional" && $0.shouldDisplay != false
        && !["help", "version"].contains(where: $0.isCalled)
    }
  }
}

/// Help as lines: labels on the left, their texts beside or below them, as the parser writes them.
struct HelpText {
  private(set) var text = ""
  private let width: Int
  private static let column = 26

  init(width: Int) { self.width = max(width, Self.column + 20) }

  mutating func heading(_ title: String) {
    text += (text.isEmpty ? "" : "\n") + "\(title):\n"
  }

  mutating func paragraph(_ paragraph: String) {
    text += (text.isEmpty ? "" : "\n") + wrapped(paragraph, indent: 0).joined(separator: "\n")
    text += "\n"
  }

  /// Lines as they are.
  mutating func lines(_ lines: String) { text += (text.isEmpty ? "" : "\n") + lines + "\n" }

  mutating func row(_ label: String, _ meaning: String) {
    let lines = wrapped(meaning, indent: Self.column)
    let label = "  \(label)"
    if label.count < Self.column, let first = lines.first {
      text += label + first.dropFirst(label.count) + "\n"
      text += lines.dropFirst().map { $0 + "\n" }.joined()
    } else {
      text += label + "\n" + lines.map { $0 + "\n" }.joined()
    }
  }

  mutating func rows(_ options: [OptionHelp]) {
    for option in options { row(option.label, option.text) }
  }

  private func wrapped(_ text: String, indent: Int) -> [String] {
    var lines: [String] = []
    var line = String(repeating: " ", count: indent)
    var isEmpty = true
    for word in text.split(separator: " ") {
      if !isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = String(repeating: " ", count: indent)
        isEmpty = true
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return isEmpty ? lines : lines + [line]
  }
}
