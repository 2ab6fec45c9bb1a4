import Foundation
import Testing

/// What `--help` and `lbsample help` print.
@Suite struct HelpTests {
  private func page(_ words: String...) throws -> [String] {
    let command = try Command()
    let outcome = try command.start(["help"] + words).finish()
    #expect(outcome.code == 0 && outcome.error.isEmpty, "\(words): \(outcome.error)")
    return outcome.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// The option's long name in each line of a list, without dashes.
  private func options(_ lines: [String]) -> Set<String> {
    var names: Set<String> = []
    for line in lines where line.hasPrefix("  -") {
      for word in line.split(separator: " ").prefix(2) where word.hasPrefix("--") {
        names.insert(String(word.dropFirst(2)))
      }
    }
    return names
  }

  @Test(arguments: [("run", 20), ("sample", 20), ("arm", 10)])
  func aCommandsHelpFitsAPerson(_ name: String, _ count: Int) throws {
    let help = try page(name)
    #expect(help.count <= 90 && help.allSatisfy { $0.count <= 80 }, "\(help.count) lines")
    #expect(options(help).count == count, "\(options(help))")
    let asked = try Command()(name, "--help")
    #expect(asked.code == 0 && asked.output == help.joined(separator: "\n"))
    let whole = try page(name, "--all")
    #expect(options(whole).isSuperset(of: options(help)) && whole.count > 120)
  }

  @Test func theOverviewSaysHowToBegin() throws {
    let help = try page()
    let text = help.joined(separator: "\n")
    #expect(help.count <= 90 && help.allSatisfy { $0.count <= 80 }, "\(help.count) lines")
    for word in ["EXAMPLES", "COMMANDS", "--cpu", "TOPICS", "packets", "EXIT CODES"] {
      #expect(text.contains(word), "no \(word)")
    }
    #expect(try Command()("--help").output == text && Command()("-h").output == text)
  }

  @Test func everyOptionIsInATopic() throws {
    let listed = options(try page("topics"))
    for name in ["run", "sample"] {
      let all = options(try page(name, "--all")).subtracting(["help", "version"])
      #expect(all.count > 60 && all.subtracting(listed) == [], "\(all.subtracting(listed))")
    }
  }

  @Test func aTopicHasItsOptionsAndKeys() throws {
    let packets = try page("packets").joined(separator: "\n")
    for word in ["--packets-filter <bpf>", "gates.packet_drops", "(default: 1%)", "More: docs/"] {
      #expect(packets.contains(word), "no \(word)")
    }
    #expect(!packets.contains("--perf "))
    let gates = try page("gates").joined(separator: "\n")
    #expect(gates.contains("gates.foreign_cpu") && gates.contains("--idempotent"))
    let perf = try page("collectors")
    #expect(perf.contains { $0.hasPrefix("USAGE: lbsample collectors") })
    #expect(options(perf).contains("interval-of") && !options(perf).contains("perf-rotate"))
  }

  @Test func everyPageThatATopicNamesIsThere() throws {
    let root = Command.repository
    let pages = try page("topics").compactMap { line in
      line.hasPrefix("More: ") ? String(line.dropFirst(6)) : nil
    }
    #expect(pages.count > 15)
    for page in pages {
      #expect(FileManager.default.fileExists(atPath: "\(root)/\(page)"), "\(page)")
    }
  }

  @Test func aMisspelledTopicHasItsNearest() throws {
    let outcome = try Command()("help", "pakets")
    #expect(outcome.code == 2 && outcome.error.contains("did you mean packets?"))
  }
}
