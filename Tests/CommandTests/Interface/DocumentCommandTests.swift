import Foundation
import SampleModel
import TestSupport
import Testing

/// What the documents say of the command, against the command itself.
@Suite struct DocumentCommandTests {
  private static func text(_ path: String) throws -> String {
    try String(contentsOfFile: "\(Command.repository)/\(path)", encoding: .utf8)
  }

  /// Command lines of a document's fences `sh` and `console`, each in one piece; in `console` they
  /// stand behind `$ `, with their output below them.
  private static func commands(_ document: String) throws -> [String] {
    var commands: [String] = []
    var fence = ""
    var rest: String?
    for line in try text(document).split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("```") {
        fence = fence.isEmpty ? String(line.dropFirst(3)) : ""
        rest = nil
        continue
      }
      var command: String
      if let begun = rest {
        command = "\(begun)\n\(line)"
      } else if fence == "console", line.hasPrefix("$ ") {
        command = String(line.dropFirst(2))
      } else if fence == "sh", !line.isEmpty {
        command = String(line)
      } else {
        continue
      }
      // It goes on where the shell would read on.
      let isOpen =
        command.hasSuffix("\\") || command.hasSuffix("|")
        || !command.filter({ $0 == "\"" }).count.isMultiple(of: 2)
      if command.hasSuffix("\\") { command = String(command.dropLast()) }
      rest = isOpen ? command : nil
      if !isOpen { commands.append(command) }
    }
    return commands
  }

  /// A command line's words, and where it is a pipeline, those of each command; comments and what
  /// follows a redirection are left out.
  private static func words(_ line: String) -> [[String]] {
    var all: [[String]] = [[]]
    var word = ""
    var quote: Character?
    var isWord = false
    func end() {
      if isWord { all[all.count - 1].append(word) }
      (word, isWord) = ("", false)
    }
    for letter in line {
      if let open = quote {
        if letter == open { quote = nil } else { word.append(letter) }
        continue
      }
      switch letter {
      case "'", "\"": (quote, isWord) = (letter, true)
      case " ", "\n": end()
      case "|", "&", ">":
        end()
        all.append([])
      case "#" where !isWord: return all
      default:
        word.append(letter)
        isWord = true
      }
    }
    end()
    return all
  }

  /// The options of every subcommand, by its words: `runs show`.
  private static func options() throws -> [String: Set<String>] {
    let outcome = try Command()("--experimental-dump-help")
    let whole = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    let top = try #require((whole as? [String: Any])?["command"] as? [String: Any])
    var found: [String: Set<String>] = [:]
    func read(_ command: [String: Any], _ path: String) {
      let arguments = command["arguments"] as? [[String: Any]] ?? []
      let names = arguments.flatMap { $0["names"] as? [[String: String]] ?? [] }
      found[path] = Set(names.map { ($0["kind"] == "short" ? "-" : "--") + ($0["name"] ?? "") })
      for one in command["subcommands"] as? [[String: Any]] ?? [] {
        guard let name = one["commandName"] as? String else { continue }
        read(one, path.isEmpty ? name : "\(path) \(name)")
      }
    }
    read(top, "")
    return found
  }

  @Test func everyCommandLineOfTheDocumentsHasOptionsThatThereAre() throws {
    let options = try Self.options()
    let documents =
      try FileManager.default.subpathsOfDirectory(atPath: "\(Command.repository)/docs")
      .filter { $0.hasSuffix(".md") }.map { "docs/\($0)" } + ["README.md"]
    var count = 0
    for document in documents.sorted() {
      for line in try Self.commands(document) {
        for words in Self.words(line) {
          guard let start = words.firstIndex(of: "lbsample") else { continue }
          count += 1
          var rest = words[(start + 1)...]
          // As the command does: without a subcommand it samples.
          var path = ""
          while let word = rest.first, let next = Self.subcommand(word, of: path, options) {
            path = next
            rest = rest.dropFirst()
          }
          let known = (options[path.isEmpty ? "sample" : path] ?? []).union(options[""] ?? [])
          for word in rest.prefix(while: { $0 != "--" }) where word.hasPrefix("-") && word != "-" {
            let isLong = word.hasPrefix("--")
            let option = isLong ? String(word.prefix { $0 != "=" }) : String(word.prefix(2))
            #expect(known.contains(option), "\(document): \(line)")
          }
        }
      }
    }
    #expect(count > 60)
  }

  private static func subcommand(
    _ word: String, of path: String, _ options: [String: Set<String>]
  ) -> String? {
    let next = path.isEmpty ? word : "\(path) \(word)"
    return options[next] == nil ? nil : next
  }

  /// What a newcomer types first, in the order in which it stands there, with a hundredth of the
  /// interval.
  @Test(arguments: ["README.md", "docs/tutorial.md"])
  func whatANewcomerTypesWorks(_ document: String) throws {
    var command = try Command()
    let folder = Command.path.split(separator: "/").dropLast().joined(separator: "/")
    command.environment["PATH"] = "/\(folder):/usr/local/bin:/usr/bin:/bin"
    command.environment["LBSAMPLE_SAMPLE_INTERVAL"] = "10ms"
    var count = 0
    for line in try Self.commands(document) where !line.hasPrefix("make") {
      count += 1
      let outcome = try command.shell("set -o pipefail; \(line)")
      #expect(outcome.code == 0, "\(document): \(line): \(outcome.text)")
    }
    #expect(count >= 5)
  }

  @Test func theTableOfExitCodesHasEveryCategory() throws {
    let rows = try Self.text("docs/reference/exit-codes.md").split(separator: "\n")
    for category in ErrorCategory.allCases {
      let row = rows.first {
        $0.hasPrefix("| \(category.exitCode) |") && $0.contains("`\(category.rawValue)`")
      }
      #expect(row != nil, "exit code \(category.exitCode) has no \(category)")
    }
  }

  /// The tables of settings are made by Scripts/reference, from the command's declarations.
  @Test(arguments: ["configuration", "plans"]) func aPageOfSettingsIsCurrent(_ page: String) throws
  {
    let command = try Command()
    let path = "docs/reference/\(page).md"
    let text = try Self.text(path)
    let copy = try command.folder.write("\(page).md", text)
    let made = try command.shell("'\(Command.repository)/Scripts/reference' $0 '\(copy)'")
    if made.code == 127 { try Test.cancel("needs python3") }
    #expect(made.code == 0, "\(made.text)")
    #expect(try String(contentsOfFile: copy, encoding: .utf8) == text, "\(path): make docs")
  }

  @Test func theExampleOfAConfigurationIsCurrent() throws {
    let made = try Command()("config", "keys", "--format", "toml")
    #expect(try made.output == Self.text("collectors.conf"), "collectors.conf: make docs")
    #expect(made.code == 0 && made.output.count > 8000)
  }

  /// The tables are made by Scripts/reference, from these same words.
  @Test func thePageOfCollectorsHasEveryMetric() throws {
    let page = try Self.text("docs/reference/collectors.md")
    let outcome = try Command()("collectors", "--format", "json")
    let collectors = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]])
    #expect(collectors.count >= 36)
    for collector in collectors {
      let description = try #require(collector["description"] as? [String: Any])
      let prefix = try #require(description["prefix"] as? String)
      for metric in try #require(description["metrics"] as? [[String: Any]]) {
        let name = try #require(metric["name"] as? String)
        let extent = try #require(metric["extent"] as? String)
        let column = "`\(prefix).\(name)\(extent == "host" ? "" : "[…]")`"
        let row = "| \(column) | \(metric["kind"] ?? "") | \(metric["unit"] ?? "") |"
        #expect(page.contains(row), "\(row): run Scripts/reference")
      }
    }
  }
}
