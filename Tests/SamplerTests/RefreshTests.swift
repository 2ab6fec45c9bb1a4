import SampleModel
import Sampler
import TestSupport
import Testing

/// A source that is brought up to date less often than it is read.
@Suite struct RefreshTests {
  /// What the drain says of a counter with these values.
  private func notes(_ values: [UInt64], mayLag: Bool = true) throws -> [String] {
    try VirtualSession.run(seed: 1) { scheduler in
      let sink = CollectingSink()
      let virtual = VirtualSession(scheduler, limit: UInt64(values.count) - 1)
      let collector = ScriptedCollector(
        script: values.map { .value($0) }, instances: [["eth0"]], mayLag: mayLag)
      let session = try virtual.arm([CollectorRequest(collector)], [sink])
      _ = try session.start()
      virtual.waitUntilFinished(session)
      _ = try session.stop(sampling: false)
      session.disarm()
      return sink.events.map(\.message).filter { $0.contains("moved at every") }
    }
  }

  @Test func aCounterThatMovesAtEveryFourthReadingIsNamedOnce() throws {
    let notes = try notes((0..<200).map { $0 / 4 * 1000 })
    #expect(notes.count == 1)
    #expect(notes.first?.contains("eth0 moved at every 4. reading only, each 4 ms") == true)
  }

  /// At each reading; a single packet now and then; bursts at no beat, 2 and 6 readings apart; and
  /// one that is reset at every tenth move, which is no growth.
  private static let lively: [[UInt64]] = [
    (0..<200).map { $0 * 1000 },
    (0..<200).map { $0 / 4 },
    (0..<200).map { ($0 / 8 * 2 + ($0 % 8 < 2 ? 0 : 1)) * 1000 },
    (0..<200).map { $0 % 40 / 4 * 1000 },
  ]

  @Test(arguments: lively) func othersAreNot(_ values: [UInt64]) throws {
    #expect(try notes(values).isEmpty)
  }

  @Test func onlyWhatMayLagIsWatched() throws {
    #expect(try notes((0..<200).map { $0 / 4 * 1000 }, mayLag: false).isEmpty)
  }
}
