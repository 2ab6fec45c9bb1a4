import Runner
import Testing

@Suite struct BusyPollPolicyTests {
  /// The requests that are polled for, of a program whose request `comes` during the poll or not.
  @Test func pollingStopsWhereItDoesNotPayAndIsTriedAgain() {
    func polled(_ comes: (Int) -> Bool, requests: Int) -> [Int] {
      var policy = BusyPollPolicy()
      return (1...requests).filter { request in
        guard policy.pollTime() > 0 else { return false }
        policy.record(requestCame: comes(request))
        return true
      }
    }
    #expect(polled({ _ in true }, requests: 50).count == 50)
    // After each miss the server sleeps through twice as many requests.
    #expect(polled({ _ in false }, requests: 40) == [1, 4, 9, 18, 35])
    #expect(polled({ _ in false }, requests: 100_000).count < 110)
    // Polling resumes for a program that becomes quick.
    #expect(polled({ $0 > 20 }, requests: 60).suffix(25).elementsEqual(36...60))
  }
}
