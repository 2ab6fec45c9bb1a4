import Runner
import Testing

/// What separates words and names does so also with a combining mark behind it.
@Suite struct SplittingTests {
  private func bytes(_ texts: [String]?) -> [[UInt8]]? { texts.map { $0.map { Array($0.utf8) } } }

  @Test func wordsArePartedByScalars() {
    #expect(bytes(CommandWords.split("a \u{301}b")) == bytes(["a", "\u{301}b"]))
    #expect(bytes(CommandWords.split("'a'\u{301} b")) == bytes(["a\u{301}", "b"]))
    #expect(CommandWords.split("'a\u{301}") == nil)
  }

  @Test func parametersAreFilledInFrontOfAMark() {
    let filled = ParameterMatrix.fill("x{n}\u{301}", ["n": "1"])
    #expect(Array(filled.utf8) == Array("x1\u{301}".utf8))
  }
}
