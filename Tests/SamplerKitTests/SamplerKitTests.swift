import Collectors
import Foundation
import SampleModel
import Sampler
import SamplerKit
import Testing

@Suite(.serialized) struct HostSamplerTests {
  @Test func bracketsMeasureThisHost() throws {
    let sampler = try HostSampler(.cpu, .net, interval: .milliseconds(1))
    for _ in 0..<3 {
      let measurement = try sampler.measure {}.measurement
      #expect(measurement.ledger.isExact && measurement.duration > .zero)
      #expect(measurement[.cpu.ctxt] != nil && measurement.values[.cpu.ctxt] != nil)
      #expect(measurement.unit(of: .net.rxBytes["lo"]) == "bytes")
      #expect(measurement["cpu.nonsense"] == nil && measurement.unit(of: "cpu.nonsense") == nil)
    }
  }

  @Test func aBracketEndsOnceWhateverBecomesOfIt() throws {
    let sampler = try HostSampler(.entropy)
    let bracket = try sampler.begin()
    #expect(throws: MeasurementError<Never>.self, "another one is open") {
      try sampler.measure {}
    }
    #expect(try bracket.end().ledger.isExact)
    _ = try sampler.begin()
    #expect(try sampler.measure { 1 }.value == 1, "one that was dropped is over")
    let last = try sampler.begin()
    sampler.disarm()
    sampler.disarm()
    do throws(LBSampleError) {
      _ = try last.end()
      Issue.record("a sampler that is disarmed measured")
    } catch {
      #expect(error.category == .configuration && error.message.contains("disarmed"))
    }
    #expect(throws: LBSampleError.self) { _ = try sampler.begin() }
  }

  @Test func whatCannotBeArmedIsAClearError() {
    func refusal(_ change: (inout Sampling) -> Void) -> LBSampleError? {
      var sampling = Sampling(.entropy)
      change(&sampling)
      do throws(LBSampleError) { _ = try HostSampler(sampling) } catch { return error }
      return nil
    }
    #expect(refusal { $0.collectors = ["cpus"] }?.message.contains("did you mean cpu?") == true)
    let wrong: [(words: String, change: (inout Sampling) -> Void)] = [
      ("interval", { $0.interval = .zero }),
      // Far below zero: beyond what 64 bits of nanoseconds hold.
      ("interval", { $0.interval = .seconds(-99_999_999_999_999) }),
      ("intervals[entropy]", { $0.intervals[.entropy] = .nanoseconds(1) }),
      ("net", { $0.intervals[.net] = .seconds(1) }),
      ("net", { $0.optional = [.net] }),
      ("placement", { $0.placement = .cpus([]) }),
      ("placement: CPU 99999", { $0.placement = .cpus([99_999]) }),
      ("priority 100", { $0.priority = .fifo(100) }),
      ("budget", { $0.budget = 2 }),
      ("top 257", { $0.top = 257 }),
      ("packetFilter", { $0.packetFilter = "tcp" }),
      ("events: no-such-event", { $0.events = ["no-such-event"] }),
    ]
    for (words, change) in wrong {
      let error = refusal(change)
      #expect(error?.category == .configuration, "\(words)")
      #expect(error?.message.contains(words) == true, "\(error?.message ?? "nothing")")
    }
  }

  /// Each way in which a program may look at an error.
  @Test func errorsAreCaughtByTheirCategory() {
    do throws(LBSampleError) {
      _ = try HostSampler("no-such")
      Issue.record("it is armed")
    } catch .collectorUnavailable {
      Issue.record("another category")
    } catch .configuration {
    } catch {
      Issue.record("\(error)")
    }
    do {
      _ = try HostSampler("no-such")
      throw CancellationError()
    } catch let error as LBSampleError where error.category == .configuration {
    } catch {
      Issue.record("\(error)")
    }
  }
}

/// What is bracketed.
@Suite(.serialized) struct MeasurementTests {
  private struct Refusal: Error, Equatable {}
  /// Nothing that may cross threads.
  private final class Counter {
    var count = 0
  }

  @Test func aBodysErrorKeepsItsTypeAndLeavesNoBracketOpen() throws {
    let sampler = try HostSampler(.entropy)
    do throws(MeasurementError<Refusal>) {
      _ = try sampler.measure { () throws(Refusal) in throw Refusal() }
      Issue.record("it did not throw")
    } catch {
      guard case .body(Refusal()) = error else { throw error }
      #expect(error.underlying is Refusal)
    }
    #expect(try sampler.measure { 1 }.value == 1)
    sampler.disarm()
    let failed = #expect(throws: MeasurementError<Never>.self) { try sampler.measure { 1 } }
    guard case .sampling(let reason)? = failed else { return }
    #expect(reason.category == .configuration && failed?.description == "\(reason)")
  }

  @Test func anAsynchronousBodyRunsWhereItsCallerDoes() async throws {
    let sampler = try HostSampler(.cpu, interval: .milliseconds(1))
    let counter = Counter()
    let (same, measurement) = try await sampler.measure {
      await Task.yield()
      counter.count += 1
      return counter
    }
    #expect(same === counter && counter.count == 1)
    #expect(measurement.ledger.isExact && measurement[.cpu.ctxt] != nil)
    do throws(MeasurementError<Refusal>) {
      _ = try await sampler.measure { () async throws(Refusal) in throw Refusal() }
    } catch {
      guard case .body = error else { throw error }
    }
    #expect(try sampler.measure { 2 }.value == 2, "it left no bracket open")
  }

  @Test func aCancelledBodyEndsItsBracket() async throws {
    let sampler = try HostSampler(.entropy)
    let task = Task {
      try await sampler.measure { try await Task.sleep(for: .seconds(3600)) }.measurement
    }
    task.cancel()
    let error = await #expect(throws: MeasurementError<any Error>.self) { try await task.value }
    guard case .body(let reason)? = error else { return }
    #expect(reason is CancellationError)
    #expect(try sampler.measure { 1 }.value == 1)
  }
}

/// Keys and names over the strings that results have.
@Suite struct KeyTests {
  @Test func keysAreTheStringsOfResults() {
    #expect(MetricKey.cpu.user.rawValue == "cpu.user")
    #expect(MetricKey.cpu.user.all == "cpu.user[all]" && MetricKey.cpu.user[3] == "cpu.user[3]")
    #expect(MetricKey.net.rxBytes["eth0"] == MetricKey(.net, "rx_bytes", instance: "eth0"))
    let key: MetricKey = "net.rx_bytes[a]b]"
    #expect(key.metric == "net.rx_bytes" && key.instance == "a]b")
    #expect(MetricKey.wallTime.instance == nil && MetricKey.wallTime.metric == "wall_time")
    #expect("\(MetricKey.tree.taskClock)" == "tree.task_clock")
    #expect(["b", "a"].map { MetricKey($0) }.sorted() == ["a", "b"])
  }

  /// Every collector has its name, and the families of keys are those of their collectors.
  @Test func namesAndKeysAreThoseOfTheCollectors() throws {
    let collectors = CollectorRegistry.host().collectors.map(\.description)
    let folder = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    func text(_ file: String) throws -> String {
      try String(
        contentsOfFile: "\(folder)/Sources/SampleModel/Interface/\(file).swift", encoding: .utf8)
    }
    let names = try text("CollectorName").matches(of: /static let (\w+): CollectorName = "(\w+)"/)
    #expect(names.map { String($0.2) } == collectors.map(\.name))
    #expect(names.allSatisfy { $0.1 == $0.2 })
    let keys = try (text("MetricKeys") + text("MetricKeys+Workload"))
      .matches(of: /MetricKey\("(\w+)", "(\w+)"\)/)
    for family in ["cpu", "memory", "disk", "net", "load", "tree"] {
      let metrics = collectors.first { $0.name == family }?.metrics.map(\.name)
      #expect(keys.filter { $0.1 == family }.map { String($0.2) } == metrics, "\(family)")
    }
  }

  @Test func timesAreExact() {
    let instant = MonotonicInstant(nanoseconds: 5)
    #expect(instant.advanced(by: .nanoseconds(3)) == MonotonicInstant(nanoseconds: 8))
    #expect(instant.advanced(by: .nanoseconds(-9)).nanoseconds == 0, "before the clock began")
    #expect(
      MonotonicInstant(nanoseconds: .max).advanced(by: .seconds(1)).nanoseconds == .max)
    #expect(instant.duration(to: MonotonicInstant(nanoseconds: 2)) == .nanoseconds(-3))
    let longest = MonotonicInstant(nanoseconds: 0).duration(
      to: MonotonicInstant(nanoseconds: .max))
    #expect(longest == .seconds(18_446_744_073) + .nanoseconds(709_551_615))
    #expect(Duration(unsigned: 1_500_000_000) == .milliseconds(1500))
    #expect(Duration.seconds(Int64.max).wholeNanoseconds == .max)
    #expect(Duration.seconds(Int64.min).wholeNanoseconds == .min)
    #expect(UnixTime(nanoseconds: 1_500_000_000).seconds == 1.5)
  }
}
