import Testing

extension Tag {
  /// It waits for real time to pass: each test that has it says why.
  @Tag static var wallClock: Self
}
