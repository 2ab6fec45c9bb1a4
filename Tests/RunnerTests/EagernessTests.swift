import Runner
import Testing

@Suite struct EagernessTests {
  /// For each request: whether it is looked for, and whether it then comes at once.
  @Test func lookingForRequestsIsGivenUpWhereItDoesNotPayAndTriedAgain() {
    func looks(_ comes: (Int) -> Bool, requests: Int) -> [Int] {
      var eagerness = Eagerness()
      return (1...requests).filter { request in
        guard eagerness.patience() > 0 else { return false }
        eagerness.note(comes(request))
        return true
      }
    }
    #expect(looks({ _ in true }, requests: 50).count == 50)
    // Twice as many are slept through after each miss.
    #expect(looks({ _ in false }, requests: 40) == [1, 4, 9, 18, 35])
    #expect(looks({ _ in false }, requests: 100_000).count < 110)
    // A program that becomes quick is looked for again.
    #expect(looks({ $0 > 20 }, requests: 60).suffix(25).elementsEqual(36...60))
  }
}
