import Runner
import SampleModel
import Testing

@Suite struct FailurePolicyTests {
  /// A failure as a table has it.
  struct Case: Sendable {
    let category: ErrorCategory
    var hasBegun = true
    var isMeasured = true
    var sampling = SamplingOutlook.whole
    let action: RecoveryAction

    func failure(mayAsk: Bool = false) -> FailurePolicy.Failure {
      var failure = FailurePolicy.Failure(LBError(category, "it failed"))
      (failure.hasBegun, failure.isMeasured) = (hasBegun, isMeasured)
      (failure.mayAsk, failure.sampling) = (mayAsk, sampling)
      return failure
    }
  }

  @Test(arguments: [
    Case(category: .metricCollection, hasBegun: false, action: .retry),
    Case(category: .metricCollection, action: .abort),
    Case(category: .metricCollection, sampling: .without("net"), action: .disable("net")),
    Case(
      category: .metricCollection, hasBegun: false, sampling: .without("net"),
      action: .disable("net")),
    Case(category: .metricCollection, sampling: .dispensable, action: .degrade),
    Case(category: .metricCollection, hasBegun: false, sampling: .lost, action: .abort),
    // What the sampling has to do with nothing decides nothing.
    Case(category: .resultPersistence, sampling: .dispensable, action: .abort),
    Case(category: .collectorUnavailable, hasBegun: false, action: .retry),
    Case(category: .collectorUnavailable, action: .abort),
    Case(category: .workload, action: .skipPhase),
    Case(category: .workload, isMeasured: false, action: .abort),
    Case(category: .outputParse, action: .skipPhase),
    Case(category: .remoteExecution, action: .skipPhase),
    Case(category: .configuration, action: .skipPhase),
    Case(category: .configuration, isMeasured: false, action: .abort),
    Case(category: .gate, action: .abort), Case(category: .quota, action: .abort),
    Case(category: .stopRequested, action: .abort),
    Case(category: .resultPersistence, action: .abort),
    Case(category: .internal, action: .abort),
  ]) func eachFailureHasItsAction(_ one: Case) {
    var policy = FailurePolicy()
    #expect(policy.action(after: one.failure(), phase: "p") == one.action)
  }

  @Test func aPersonIsAskedWhereTheRunWouldEndAndNowhereElse() {
    func action(
      _ category: ErrorCategory, isMeasured: Bool, _ sampling: SamplingOutlook = .whole
    ) -> RecoveryAction {
      var policy = FailurePolicy()
      let one = Case(
        category: category, isMeasured: isMeasured, sampling: sampling, action: .ask)
      return policy.action(after: one.failure(mayAsk: true), phase: "p")
    }
    for category in [ErrorCategory.workload, .outputParse, .remoteExecution, .configuration] {
      #expect(action(category, isMeasured: false) == .ask)
      #expect(action(category, isMeasured: true) == .skipPhase)
    }
    #expect(action(.metricCollection, isMeasured: true) == .ask)
    #expect(action(.metricCollection, isMeasured: true, .lost) == .ask)
    #expect(action(.metricCollection, isMeasured: true, .dispensable) == .degrade)
    #expect(action(.collectorUnavailable, isMeasured: false) == .ask)
    for category in [ErrorCategory.gate, .quota, .stopRequested, .resultPersistence, .internal] {
      #expect(action(category, isMeasured: false) == .abort)
    }
  }

  @Test func recoveriesAreBoundedByPhase() {
    let failure = FailurePolicy.Failure(LBError(.workload, "it failed"))
    var policy = FailurePolicy()
    func actions(_ phase: String, _ count: Int) -> [RecoveryAction] {
      (0..<count).map { _ in policy.action(after: failure, phase: phase) }
    }
    #expect(actions("a", 3) == [.skipPhase, .skipPhase, .abort])
    // Of a matrix any number may be impossible: nothing leans on them.
    let others = (0..<100).flatMap { actions("b\($0)", 2) }
    #expect(others.allSatisfy { $0 == .skipPhase })
    var begun = FailurePolicy.Failure(LBError(.metricCollection, "it failed"))
    begun.hasBegun = false
    for number in 0..<100 {
      let again = (0..<3).map { _ in policy.action(after: begun, phase: "c\(number)") }
      #expect(again == [.retry, .retry, .abort])
    }
    // A collector is given up once, which bounds that.
    var gone = FailurePolicy.Failure(LBError(.metricCollection, "it failed"))
    gone.sampling = .without("net")
    #expect(policy.action(after: gone, phase: "a") == .disable("net"))
  }

  @Test func aCollectorIsGivenUpAtItsFifthFailureRunning() {
    func ledger(_ gaps: UInt64) -> Ledger {
      var line = CollectorLedger(collector: "net")
      line.acquisitions = 3
      line.gaps = ["malformed": gaps]
      var thread = ThreadLedger(thread: 0, cpu: nil)
      thread.collectors = [line]
      return Ledger(threads: [thread])
    }
    var watch = CollectorWatch()
    let failed = (0..<7).map { _ in watch.observe(ledger(3)) }
    #expect(failed.map(\.count) == [0, 0, 0, 0, 1, 0, 0] && failed[4] == ["net"])
    var lucky = CollectorWatch()
    let gone = (0..<12).flatMap { lucky.observe(ledger($0 % 5 == 4 ? 2 : 3)) }
    #expect(gone.isEmpty, "a value in between begins the count anew")
  }
}
