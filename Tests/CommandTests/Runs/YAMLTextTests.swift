import Foundation
import TestSupport
import Testing
import Yams

@testable import lbsample

/// YAML against the library that reads it.
@Suite struct YAMLTextTests {
  @Test func aDocumentIsInBlockStyle() {
    let json = #"{"a":1e-7,"b":["x",[2,{"c":[]}],{}],"d":"yes","e e":null,"f":"a: b\n"}"#
    #expect(
      YAMLText.text(of: json) == """
        a: 1.0e-7
        b:
          - x
          - - 2
            - c: []
          - {}
        d: "yes"
        e e: null
        f: "a: b\\n"

        """)
  }

  private static let words = [
    "true", "No", "null", "~", ".inf", "1e5", "0x1F", "12:30", "2026-11-28", "<<", "=", "- a",
    "a: b", "a #b", "", " a", "a ", "cpu.user[0]", "/x", "\u{7F}\u{85}\u{9F}",
    "\u{2028}\u{FEFF}\u{FFFF}\u{200B}\u{202E}\u{E0041}",
    "\0\r\t\n\u{1B}", "é😀\u{308}", #"\"'"#, String(repeating: "k", count: 5000),
  ]

  private static func value(_ chance: inout SeededGenerator, _ depth: Int) -> Any {
    switch depth > 4 ? 0 : chance.below(4) {
    case 0, 1: return chance.pick(words)
    case 2: return (0..<chance.below(4)).map { _ in value(&chance, depth + 1) }
    default:
      return Dictionary(
        (0..<chance.below(4)).map { _ in (chance.pick(words), value(&chance, depth + 1)) },
        uniquingKeysWith: { first, _ in first })
    }
  }

  /// Keys, texts and their order are those of the JSON.
  @Test func anyDocumentIsReadAsItsJSON() throws {
    var chance = SeededGenerator(5)
    for _ in 0..<300 {
      let document = ["v": Self.value(&chance, 0)]
      let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
      let json = try JSONSerialization.data(withJSONObject: document, options: options)
      let yaml = YAMLText.text(of: String(decoding: json, as: UTF8.self))
      let read = try #require(try Yams.load(yaml: yaml))
      let again = try JSONSerialization.data(withJSONObject: read, options: options)
      #expect(again == json, "\(yaml)")
    }
  }
}
