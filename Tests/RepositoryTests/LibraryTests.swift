import Foundation
import Testing

/// The documents of the libraries: their code is compiled, their topics are complete.
@Suite struct LibraryTests {
  private static let documents = [
    "docs/how-to/swift-library.md", "Sources/SamplerKit/SamplerKit.docc/MeasuringAPart.md",
    "Sources/RunnerKit/RunnerKit.docc/WritingASuite.md",
  ]

  /// The parts of the examples between `// snippet: NAME` and `// snippet: end`, without their
  /// indentation.
  private static func snippets() throws -> [String] {
    var found: [String] = []
    for file in try RepositoryTests.files(below: "Examples/suite/Sources", suffix: ".swift") {
      var open: [Substring]?
      for line in try RepositoryTests.text(file).split(
        separator: "\n", omittingEmptySubsequences: false)
      {
        guard let mark = line.range(of: "// snippet: ") else {
          open?.append(line)
          continue
        }
        if let lines = open {
          let indent = lines.filter { !$0.isEmpty }.map { $0.prefix { $0 == " " }.count }.min() ?? 0
          found.append(lines.map { $0.dropFirst(indent) }.joined(separator: "\n"))
        }
        open = line[mark.upperBound...] == "end" ? nil : []
      }
    }
    return found
  }

  private static func code(_ document: String) throws -> [String] {
    try RepositoryTests.text(document).components(separatedBy: "```swift\n").dropFirst().map {
      $0.components(separatedBy: "\n```")[0]
    }
  }

  /// Code that nothing compiles is soon wrong.
  @Test func theCodeOfTheDocumentsIsThatOfTheExamples() throws {
    let snippets = try Self.snippets()
    #expect(snippets.count > 8)
    var shown: Set<String> = []
    for document in Self.documents {
      let code = try Self.code(document)
      #expect(code.count > 3, "\(document)")
      for one in code {
        #expect(snippets.contains(one), "\(document): no example has this code:\n\(one)")
        shown.insert(one)
      }
    }
    #expect(shown == Set(snippets), "each part that is marked is shown")
  }

  /// The public types of a module: lines of its list that stand below no other type.
  private static func types(_ module: String) throws -> Set<String> {
    let lines = try RepositoryTests.text("docs/reference/api/\(module).txt").split(separator: "\n")
    let kinds = [
      "struct ", "enum ", "protocol ", "final class ", "class ", "func ", "var ", "let ",
    ]
    return Set(
      lines.dropFirst().compactMap { line in
        // `@resultBuilder enum PlanBuilder`.
        let line = line.hasPrefix("@") ? line.drop { $0 != " " }.dropFirst() : line
        guard let kind = kinds.first(where: line.hasPrefix) else { return nil }
        return String(line.dropFirst(kind.count).prefix { $0.isLetter || $0.isNumber })
      })
  }

  @Test(arguments: ["SampleModel", "SamplerKit", "Runner", "RunnerKit"])
  func everyPublicTypeStandsUnderATopic(_ module: String) throws {
    let types = try Self.types(module)
    #expect(types.count > 6)
    let page = try RepositoryTests.text("Sources/\(module)/\(module).docc/\(module).md")
    let topics = page.components(separatedBy: "\n- ``").dropFirst().map {
      String($0.prefix { $0 != "`" })
    }
    #expect(Set(topics) == types && topics.count == types.count)
  }
}
