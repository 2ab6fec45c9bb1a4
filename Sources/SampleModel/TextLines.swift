extension StringProtocol {
  /// Its lines, empty ones too, whatever system ended them: to Swift a carriage return with its
  /// line feed is one character, which is no line feed.
  package var lines: [SubSequence] {
    split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
  }
}
