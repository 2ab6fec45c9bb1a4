import Foundation
import Testing

/// Rules of this repository that matter enough to fail a build.
@Suite struct RepositoryTests {
  static let root =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  static func text(_ path: String) throws -> String {
    try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
  }

  static func files(below folder: String, suffix: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)")
      .filter { $0.hasSuffix(suffix) }.sorted().map { "\(folder)/\($0)" }
  }

  /// The import table of ARCHITECTURE.md: module → what it may import.
  private static func importTable() throws -> [String: Set<String>] {
    var table: [String: Set<String>] = [:]
    let lines = try text("ARCHITECTURE.md").split(separator: "\n")
    let rows = lines.drop { !$0.hasSuffix("| may import |") }.prefix { $0.hasPrefix("|") }
    for line in rows where line.hasPrefix("| `") {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      guard cells.count == 3 else { continue }
      let module = cells[0].replacingOccurrences(of: "`", with: "")
      let imports = cells[2].replacingOccurrences(of: "`", with: "").split(separator: ",")
        .map { $0.trimmingCharacters(in: .whitespaces) }.filter { $0 != "–" }
      table[module] = Set(imports)
    }
    return table
  }

  private static func imports(_ source: String) -> Set<String> {
    var found = Set<String>()
    for line in source.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard let place = words.firstIndex(of: "import"), place + 1 < words.count,
        words[..<place].allSatisfy({
          ["public", "package", "internal", "@_exported"].contains($0)
        })
      else { continue }
      found.insert(words[place + 1])
    }
    return found
  }

  @Test func everyModuleImportsOnlyWhatTheTableAllows() throws {
    let table = try Self.importTable()
    let system: Set<String> = ["Glibc", "Synchronization"]
    let modules = try FileManager.default.contentsOfDirectory(atPath: "\(Self.root)/Sources")
    for module in modules.sorted() {
      guard let allowed = table[module] else {
        Issue.record("ARCHITECTURE.md does not name \(module)")
        continue
      }
      for file in try Self.files(below: "Sources/\(module)", suffix: ".swift") {
        let found = Self.imports(try Self.text(file)).subtracting(system)
        #expect(found.subtracting(allowed) == [], "\(file) may not import that")
      }
    }
    #expect(Set(modules) == Set(table.keys), "the table names what there is")
  }

  @Test func theSamplingCoreKnowsNoFoundation() throws {
    let core = [
      "SampleModel", "KernelText", "SampleRing", "LinuxSystem", "PerfEvents", "Sampler",
      "Collectors",
      "RunAnalysis", "Output", "Report", "Runner",
    ]
    for module in core {
      for file in try Self.files(below: "Sources/\(module)", suffix: ".swift") {
        let found = Self.imports(try Self.text(file))
        #expect(!found.contains { $0.hasPrefix("Foundation") }, "\(file)")
        #expect(!found.contains("Dispatch"), "\(file)")
      }
    }
  }

  /// A global or static that is computed at first use takes a lock: not where sampling threads go.
  @Test func theSamplingPathHasNoLazyGlobals() throws {
    let hot = [
      "Sources/Sampler/Sampling/SamplingThread.swift", "Sources/SampleRing/RingProducer.swift",
      "Sources/Sampler/Sampling/SamplingThread+Acquisition.swift",
      "Sources/Sampler/Sampling/RawBody.swift", "Sources/Sampler/Session/Budget.swift",
      "Sources/Collectors/Tree/ArmedTree.swift", "Sources/Collectors/ProcessTable.swift",
      "Sources/Collectors/Tree/ArmedTree+Processes.swift",
      "Sources/Collectors/ProcessReader.swift",
      "Sources/Collectors/ArmedTexts.swift",
      "Sources/KernelText/TextTemplate.swift", "Sources/KernelText/TextScanner.swift",
      "Sources/KernelText/TemplateCache.swift",
    ]
    for file in hot {
      for line in try Self.text(file).split(separator: "\n") where line.contains("static let") {
        let value = line.split(separator: "=").last?.trimmingCharacters(in: .whitespaces) ?? ""
        let digits = value.replacingOccurrences(of: "_", with: "")
        let isLiteral = Int(digits) != nil || value.hasPrefix("UInt8(ascii:")
        #expect(isLiteral, "\(file): \(line)")
      }
    }
  }

  @Test func filesAndLinesKeepTheirLimits() throws {
    for file in try Self.files(below: "Sources", suffix: ".swift")
      + Self.files(below: "Tests", suffix: ".swift")
    {
      let lines = try Self.text(file).split(separator: "\n", omittingEmptySubsequences: false)
      if file.hasPrefix("Sources") { #expect(lines.count <= 400, "\(file): \(lines.count) lines") }
      for (index, line) in lines.enumerated() where line.count > 100 {
        Issue.record("\(file):\(index + 1) is \(line.count) characters long")
      }
    }
  }

  @Test func theFilesOfTheArchitectureAreThere() throws {
    let words = try Self.text("ARCHITECTURE.md").split(separator: "`")
    let paths = words.filter { $0.contains("/") && $0.hasSuffix(".swift") }
    #expect(paths.count > 5)
    for path in paths {
      let file = "\(Self.root)/Sources/\(path)"
      #expect(FileManager.default.fileExists(atPath: file), "there is no \(path)")
    }
  }

  /// A folder that a newcomer takes in at a glance.
  @Test func noFolderHasMoreFilesThanOneSees() throws {
    let files = try ["Sources", "Tests"].flatMap { try Self.files(below: $0, suffix: ".swift") }
    let folders = Dictionary(grouping: files) { $0.split(separator: "/").dropLast() }
    #expect(folders.count > 60)
    for (folder, files) in folders {
      #expect(files.count <= 16, "\(folder.joined(separator: "/")) has \(files.count) files")
    }
  }

  @Test func everySharedDeclarationIsDocumented() throws {
    let keywords = ["func ", "init(", "init?(", "struct ", "class ", "enum ", "protocol "]
    for file in try Self.files(below: "Sources", suffix: ".swift") {
      let lines = try Self.text(file).split(
        separator: "\n", omittingEmptySubsequences: false
      ).map { $0.trimmingCharacters(in: .whitespaces) }
      for (index, line) in lines.enumerated() {
        guard line.hasPrefix("public ") || line.hasPrefix("package ") || line.hasPrefix("open "),
          keywords.contains(where: line.contains), !line.contains(" override "),
          !line.contains("import ")
        else { continue }
        var above = index - 1
        while above >= 0, lines[above].hasPrefix("@") { above -= 1 }
        #expect(above >= 0 && lines[above].hasPrefix("///"), "\(file):\(index + 1): \(line)")
      }
    }
  }

  @Test func noMarkerAndNoSwallowedErrorStandsInTheSources() throws {
    // Written in pieces, so that this file does not find itself.
    let words = [
      "TO" + "DO", "FIX" + "ME", "X" + "XX", "fatal" + "Error(", "try" + "!", "try" + "?",
    ]
    for file in try Self.files(below: "Sources", suffix: ".swift") {
      let text = try Self.text(file)
      for word in words { #expect(!text.contains(word), "\(file) has \(word)") }
    }
  }

  @Test func theControllerNamesNoCollectorAndNoClockWait() throws {
    let text = try Self.text("Sources/Runner/Run/RunController.swift")
    for word in [
      "collectors.start", "collectors.stop", "collectors.arm", "Poll.", "Clock.", "sleep(",
      "Futex",
    ] {
      #expect(!text.contains(word), "RunController.swift has \(word)")
    }
  }

  /// The man pages of the command, as plain text.
  static func manual() throws -> String {
    try ["lbsample.1", "lbsample-run.1"].map { try text("Documentation/\($0)") }
      .joined(separator: "\n").replacingOccurrences(of: "\\-", with: "-")
  }

  /// Options as the command itself tells them, against the man pages.
  @Test func theManPagesKnowEveryOption() throws {
    let page = try Self.manual()
    let sources = try Self.files(below: "Sources/lbsample", suffix: ".swift")
    var count = 0
    for file in sources {
      for part in try Self.text(file).components(separatedBy: ".customLong(\"").dropFirst() {
        let option = "--" + part.prefix { $0 != "\"" }
        count += 1
        #expect(page.contains(option), "no man page has \(option) of \(file)")
      }
    }
    #expect(count > 50)
  }

  /// What SECURITY.md promises is held by the test that it names: a function, or KIND:CASE of
  /// `make attack`.
  @Test func everyPromiseNamesATestThatIsThere() throws {
    let sources = try Self.files(below: "Tests", suffix: ".swift").map(Self.text)
      .joined(separator: "\n")
    var count = 0
    for row in try Self.text("SECURITY.md").split(separator: "\n") where row.hasPrefix("| ") {
      let cells = row.split(separator: "|")
      guard cells.count == 2, cells[1].contains("`") else { continue }
      for (index, name) in cells[1].split(separator: "`", omittingEmptySubsequences: false)
        .enumerated() where index % 2 == 1
      {
        count += 1
        let parts = name.split(separator: ":").map(String.init)
        guard parts.count == 2 else {
          #expect(sources.contains("func \(name)("), "no test is called \(name)")
          continue
        }
        let cases = try Self.text("Tests/Attack/cases/\(parts[0]).bash")
        #expect(
          cases.contains("case_\(parts[1])()") || sources.contains("\"\(parts[1])\","),
          "no case is called \(name)")
      }
    }
    #expect(count > 25)
  }
}
