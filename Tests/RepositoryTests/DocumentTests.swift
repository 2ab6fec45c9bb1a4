import Foundation
import Testing

/// The documents: README.md, docs and the two beside them.
@Suite struct DocumentTests {
  /// A line of a document.
  private struct Line {
    let document: String
    let number: Int
    let text: String
    /// Whether it stands within a fence: commands, output, files.
    let isCode: Bool

    var place: String { "\(document):\(number)" }
  }

  /// Those for users, the first of which is what a newcomer reads.
  private static func ofUsers() throws -> [String] {
    try ["README.md"] + RepositoryTests.files(below: "docs", suffix: ".md")
  }

  private static func all() throws -> [String] {
    try ofUsers() + ["ARCHITECTURE.md", "CONTRIBUTING.md"]
  }

  private static func lines(_ document: String) throws -> [Line] {
    var isCode = false
    var lines: [Line] = []
    let text = try RepositoryTests.text(document)
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let isFence = line.hasPrefix("```")
      if isFence { isCode.toggle() }
      lines.append(
        Line(
          document: document, number: index + 1, text: String(line), isCode: isCode || isFence))
    }
    return lines
  }

  @Test func theReadmeFitsOnTwoScreens() throws {
    let lines = try Self.lines("README.md")
    // What is behind the last line feed is no line.
    #expect(lines.count - 1 <= 120, "README.md has \(lines.count - 1) lines; docs has the rest")
  }

  @Test func linesOfProseKeepTheirLimit() throws {
    for document in try Self.ofUsers() {
      for line in try Self.lines(document)
      where !line.isCode && !line.text.hasPrefix("|") && line.text.count > 100 {
        Issue.record("\(line.place) is \(line.text.count) characters long")
      }
    }
  }

  // MARK: Links

  /// A link as it is written, without links within code.
  private static func links(_ document: String) throws -> [(target: String, place: String)] {
    try lines(document).filter { !$0.isCode }.flatMap { line in
      line.text.components(separatedBy: "](").dropFirst().map {
        (target: String($0.prefix { $0 != ")" }), place: line.place)
      }
    }
  }

  /// The anchors of a document's headings, as GitHub and others make them.
  private static func anchors(_ document: String) throws -> Set<String> {
    let headings = try lines(document).filter { !$0.isCode && $0.text.hasPrefix("#") }
    return Set(
      headings.map { heading -> String in
        let words = heading.text.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
        let letters = words.compactMap { letter -> Character? in
          if letter == " " { return "-" }
          return letter.isLetter || letter.isNumber || "-_".contains(letter) ? letter : nil
        }
        return String(letters)
      })
  }

  /// A path without `..`, from the folder of a document.
  private static func path(_ target: String, from document: String) -> String {
    var parts = document.split(separator: "/").dropLast().map(String.init)
    for part in target.split(separator: "/") {
      if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
    }
    return parts.joined(separator: "/")
  }

  @Test func everyLinkLeadsToWhatIsThere() throws {
    var count = 0
    for document in try Self.all() {
      for link in try Self.links(document) where !link.target.hasPrefix("http") {
        count += 1
        let parts = link.target.split(separator: "#", omittingEmptySubsequences: false)
        let file = parts[0].isEmpty ? document : Self.path(String(parts[0]), from: document)
        let isThere = FileManager.default.fileExists(atPath: "\(RepositoryTests.root)/\(file)")
        #expect(isThere, "\(link.place) links to \(link.target)")
        guard isThere, parts.count > 1 else { continue }
        #expect(
          try Self.anchors(file).contains(String(parts[1])),
          "\(link.place): \(file) has no heading for #\(parts[1])")
      }
    }
    #expect(count > 60)
  }

  @Test func everyDocumentIsReachedFromTheReadme() throws {
    var reached: Set<String> = []
    var next = ["README.md"]
    while let document = next.popLast() {
      guard reached.insert(document).inserted else { continue }
      for link in try Self.links(document) where !link.target.hasPrefix("http") {
        let file = Self.path(String(link.target.prefix { $0 != "#" }), from: document)
        if file.hasSuffix(".md"), file != document { next.append(file) }
      }
    }
    #expect(try Set(Self.ofUsers()).subtracting(reached) == [])
  }

  // MARK: What they name

  /// Options of other programs that the documents name.
  private static let others: Set<String> = [
    "--cap-add", "--collector.textfile.directory", "--disable-default-traits",
    "--group_reporting", "--json", "--metrics-brief", "--output-format",
  ]

  /// The options of the man pages, which are made from the command's own help.
  private static func manual() throws -> Set<String> {
    let page = try RepositoryTests.manual()
    var options: Set<String> = ["--help", "--version"]
    for line in page.split(separator: "\n") where line.hasPrefix("\\fB-") {
      for part in line.components(separatedBy: "\\fB").dropFirst() {
        options.insert(String(part.prefix { $0 != "\\" && $0 != "," }))
      }
    }
    return options
  }

  /// Pieces of code of a line of prose.
  private static func spans(_ text: String) -> [String] {
    text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { !$0.offset.isMultiple(of: 2) }.map { String($0.element) }
  }

  @Test func everyOptionOfTheDocumentsIsInTheManual() throws {
    let known = try Self.manual()
    #expect(known.count > 150)
    var count = 0
    for document in try Self.ofUsers() {
      for line in try Self.lines(document) where !line.isCode {
        for span in Self.spans(line.text) {
          // What is behind `--` is another program's.
          let own = span.components(separatedBy: " -- ")[0]
          let words = own.split { " ,()'\"".contains($0) }.map(String.init)
          guard words.first == "lbsample" || own.hasPrefix("-") else { continue }
          for word in words where word.hasPrefix("--") && word.count > 2 {
            let option = String(word.prefix { $0 != "=" })
            count += 1
            // `--NAME` stands for any of the collectors'.
            guard !option.contains("NAME"), !Self.others.contains(option) else { continue }
            #expect(known.contains(option), "\(line.place): \(option) is no option")
          }
        }
      }
    }
    #expect(count > 100)
  }

  /// Exit codes as `--help` has them.
  private static func exitCodes() throws -> Set<Int> {
    let source = try RepositoryTests.text("Sources/lbsample/App/Lbsample.swift")
    let help = source.components(separatedBy: "EXIT CODES")[1].components(separatedBy: "\"\"\"")[0]
    var codes: Set<Int> = []
    for line in help.split(separator: "\n") {
      let words = line.split(separator: " ")
      if let code = words.first.flatMap({ Int($0) }) { codes.insert(code) }
      // `stopped by SIGINT, 143 by SIGTERM`
      for word in words.dropFirst() {
        if let code = Int(word), code > 128 { codes.insert(code) }
      }
    }
    return codes
  }

  /// The parser breaks a line of 80 columns anew, in the middle of what was set by hand.
  @Test func theTextOfHelpIsBrokenByHand() throws {
    var count = 0
    for file in try RepositoryTests.files(below: "Sources/lbsample", suffix: ".swift") {
      let parts = try RepositoryTests.text(file).components(separatedBy: "discussion: \"\"\"\n")
      for text in parts.dropFirst().compactMap({ $0.components(separatedBy: "\"\"\"").first }) {
        count += 1
        for line in text.components(separatedBy: "\n") {
          let shown = line.hasPrefix("      ") ? line.dropFirst(6) : line[...]
          #expect(shown.count < 80 && !shown.hasSuffix("\\"), "\(file): \(shown)")
        }
      }
    }
    #expect(count > 5)
  }

  @Test func everyExitCodeOfTheDocumentsIsInTheHelp() throws {
    let known = try Self.exitCodes()
    #expect(known.isSuperset(of: [0, 1, 2, 3, 4, 5, 6, 130, 143]))
    for document in try Self.ofUsers() {
      // Words that a line ends between are taken together.
      let text = try Self.lines(document).map(\.text).joined(separator: " ")
      for part in text.components(separatedBy: "xit code ").dropFirst() {
        guard let code = Int(part.prefix(while: \.isNumber)) else { continue }
        #expect(known.contains(code), "\(document): there is no exit code \(code)")
      }
    }
    let table = try Self.lines("docs/reference/exit-codes.md").compactMap { line -> Int? in
      guard line.text.hasPrefix("| ") else { return nil }
      return Int(line.text.dropFirst(2).prefix { $0 != " " })
    }
    #expect(Set(table) == known && table.count == known.count)
  }

  @Test func everyCollectorHasItsSection() throws {
    let lines = try Self.lines("docs/reference/collectors.md").map(\.text)
    for folder in try FileManager.default.contentsOfDirectory(
      atPath: "\(RepositoryTests.root)/Sources/Collectors")
    where !folder.hasSuffix(".swift") {
      let name = folder.lowercased()
      #expect(lines.contains { $0.hasPrefix("| [`\(name)`](#\(name)) |") }, "no row for \(name)")
      #expect(lines.contains("## \(name)"), "no section for \(name)")
      #expect(lines.contains("<!-- collector \(name) -->"), "no metrics of \(name)")
    }
  }

  /// Keys and defaults as collectors.conf has them, which is held to the command's own.
  @Test func everySettingIsInTheReference() throws {
    let lines = try Self.lines("docs/reference/configuration.md").map(\.text)
    var section = ""
    var count = 0
    for line in try RepositoryTests.text("collectors.conf").split(separator: "\n") {
      if line.hasPrefix("[") { section = line.trimmingCharacters(in: ["[", "]"]) }
      guard !line.hasPrefix("#"), let equals = line.range(of: " = ") else { continue }
      count += 1
      let key = "\(section).\(line[..<equals.lowerBound])"
      if section == "collectors", key.hasSuffix("_interval") {
        #expect(lines.contains { $0.contains("`\(key)`") }, "\(key) is not there")
        continue
      }
      if section == "digest" {
        // A row's parts stand in columns there.
        let parts = line[equals.upperBound...].dropFirst().dropLast().split(
          separator: ";", omittingEmptySubsequences: false
        ).map { $0.trimmingCharacters(in: .whitespaces) }
        let formulas = parts[4...].map { "`\($0)`" }.joined(separator: "; ")
        let unit = parts[2].isEmpty ? "its own" : parts[2]
        let row =
          "| `\(key)` | \(parts[0]) | \(parts[1]) | \(unit) | \(parts[3]) | \(formulas) |"
        let page = try Self.lines("docs/reference/digest.md").map(\.text)
        #expect(page.contains(row), "\(row) is not in docs/reference/digest.md")
        continue
      }
      let value = line[equals.upperBound...].filter { !"[]\"".contains($0) }
      let row = lines.first { $0.hasPrefix("| `\(key)` |") }
      let shown = value.isEmpty ? "| empty |" : "| `\(value)` |"
      #expect(row?.contains(shown) == true, "\(key): \(shown) is not in \(row ?? "any row")")
    }
    #expect(count > 100)
  }

  /// Texts of Swift files that stand right behind one of `calls`, as in `table.text("name")`.
  private static func literals(behind calls: [String], below folder: String) throws -> Set<String> {
    var found: Set<String> = []
    for file in try RepositoryTests.files(below: folder, suffix: ".swift") {
      let text = try RepositoryTests.text(file)
      for call in calls {
        for part in text.components(separatedBy: call).dropFirst() {
          found.insert(String(part.prefix { $0 != "\"" }))
        }
      }
    }
    return found
  }

  @Test func everyKeyOfAPlanIsInTheReference() throws {
    let types = [
      "text", "texts", "integer", "duration", "boolean", "choice", "list", "command", "table",
    ]
    let calls = ["table", "inner"].flatMap { table in types.map { "\(table).\($0)(\"" } }
    let keys = try Self.literals(behind: calls, below: "Sources/Runner/Plan")
      .union(Self.literals(behind: calls, below: "Sources/Runner/Phases"))
      .union(Self.literals(behind: [".plan(\""], below: "Sources/Runner/Settings"))
    #expect(keys.count > 40)
    let page = try RepositoryTests.text("docs/reference/plans.md")
    for key in keys.sorted() { #expect(page.contains("`\(key)`"), "plans.md has no \(key)") }
    for kind in try Self.literals(behind: ["let name = \""], below: "Sources/Runner/Phases")
    where kind.allSatisfy(\.isLetter) {
      #expect(page.contains("### \(kind)\n"), "plans.md has no section \(kind)")
    }
  }

  @Test func everyKindOfEventIsInTheReference() throws {
    let families = [
      "run", "phase", "repetition", "attempt", "background", "workload", "ring", "collector",
      "sampling", "approval",
    ]
    let page = try RepositoryTests.text("docs/reference/events.md")
    var count = 0
    for family in families {
      let start = "\"\(family)."
      let settings = try Self.literals(behind: [start], below: "Sources/Runner/Settings")
      for rest in try Self.literals(behind: [start], below: "Sources/Runner")
      where !rest.isEmpty && rest.allSatisfy({ $0.isLowercase })
        && !settings.contains(rest)
        && !["workload.metrics", "workload.depends"].contains("\(family).\(rest)")
      {
        count += 1
        #expect(page.contains("`\(family).\(rest)`"), "events.md has no \(family).\(rest)")
      }
    }
    #expect(count > 15)
  }

  @Test func theViewsOfAResultFileAreThoseOfTheReference() throws {
    let schema = try RepositoryTests.text("Sources/RunStore/Format/Schema.swift")
    let lines = try Self.lines("docs/reference/result-file.md").map(\.text)
    for part in schema.components(separatedBy: "CREATE TABLE ").dropFirst() {
      let name = part.prefix { $0.isLetter || $0 == "_" }
      guard !name.isEmpty else { continue }
      #expect(
        lines.contains { $0.hasPrefix("| `") && $0.contains("`\(name)`") },
        "result-file.md has no table \(name)")
    }
    for part in schema.components(separatedBy: "CREATE VIEW ").dropFirst() {
      let name = part.prefix { $0 != " " }
      let words = part.components(separatedBy: ";")[0].split { !($0.isLetter || $0 == "_") }
      let row = lines.first { $0.hasPrefix("| `\(name)` |") }
      let columns = row.map { Self.spans($0).dropFirst() } ?? []
      #expect(columns.count > 5, "result-file.md has no view \(name)")
      for column in columns {
        #expect(words.contains { $0 == column }, "the view \(name) has no \(column)")
      }
    }
  }

  @Test func theGlossaryGivesEachWordOneMeaningInOrder() throws {
    var seen: Set<String> = []
    var last = ""
    for line in try Self.lines("docs/reference/glossary.md") where line.text.hasPrefix("| ") {
      let cell = line.text.dropFirst(2).components(separatedBy: " |")[0]
      // The head of a table.
      guard cell != "word" else {
        last = ""
        continue
      }
      #expect(last < cell.lowercased(), "\(line.place): \(cell) stands before \(last)")
      last = cell.lowercased()
      for word in cell.components(separatedBy: ", ") {
        let isNew = seen.insert(word).inserted
        #expect(isNew, "\(line.place): \(word) stands there twice")
      }
    }
    #expect(seen.count > 90)
  }
}
