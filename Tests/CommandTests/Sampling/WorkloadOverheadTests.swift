import Foundation
import Runner
import TestSupport
import Testing

@Suite struct WorkloadOverheadTests {
  @Test func everyPlaceIsEverybodysEquallyOften() {
    for places in 2...5 {
      var seen: [[Int]: Int] = [:]
      for round in 0..<2 * places {
        let order = WorkloadOverhead.order(ofRound: round, count: places)
        #expect(order.sorted() == Array(0..<places))
        for (place, who) in order.enumerated() { seen[[place, who], default: 0] += 1 }
      }
      #expect(seen.count == places * places && seen.values.allSatisfy { $0 == 2 })
    }
  }

  @Test func eachConditionIsHeldAgainstNoSampling() throws {
    let command = try Command()
    let outcome = try command(
      "overhead", "--workload", "--set", "cpu", "--set", "cpu,net", "--interval", "5ms,20ms", "-r",
      "6", "--config", "/dev/null", "--format", "ndjson", "--", "sleep", "0.05")
    let rows = try outcome.objects()
    #expect(
      rows.compactMap { $0["collectors"] as? String } == ["cpu", "cpu", "cpu,net", "cpu,net"])
    #expect(
      rows.compactMap { $0["intervalNanoseconds"] as? Int } == [
        5_000_000, 20_000_000, 5_000_000, 20_000_000,
      ])
    for row in rows {
      func number(_ name: String) -> Double { row[name] as? Double ?? .nan }
      #expect(number("rounds") == 6 && number("wallWithout") >= 50e6 && number("wallWith") >= 50e6)
      #expect(number("wallLow") <= number("wallSlowdown"))
      #expect(number("wallSlowdown") <= number("wallHigh") && number("wallDetectable") >= 0)
      #expect(number("ownShare") > 0, "it was sampled")
    }
  }

  @Test func whatCannotBeMeasuredIsNamed() throws {
    let command = try Command()
    for (arguments, code, words) in [
      (["--workload", "--cpu", "--", "false"], 4, "exit code 1"),
      (["--workload"], 2, "--workload needs a command"),
      (["--workload", "--", "no-such-command"], 2, "no-such-command"),
      (["--workload", "--set", "cpu,nett", "--", "true"], 2, "net"),
      (["--workload", "--set", "cpu", "--net", "--", "true"], 2, "cannot be combined"),
      (["--workload", "-r", "2", "--", "true"], 2, "at least 6"),
      (["--workload", "-i", "x", "--", "true"], 2, "--interval x"),
      (["--workload", "--time", "1s", "--", "true"], 2, "--time"),
      (["--interval", "1s"], 2, "--workload"),
    ] as [([String], Int32, String)] {
      let outcome = try command.start(["overhead"] + arguments).finish()
      #expect(outcome.code == code, "\(arguments): \(outcome.error)")
      #expect(outcome.error.contains(words), "\(arguments): \(outcome.error)")
    }
  }

  @Test(arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
  func aStopEndsTheWorkloadToo(_ signal: Int32, _ code: Int32) throws {
    let command = try Command()
    let file = command.folder.file("pid")
    let running = try command.start([
      "overhead", "--workload", "--cpu", "--", "sh", "-c", "echo $$ > \(file); exec sleep 100",
    ])
    #expect(running.wait { FileManager.default.contents(atPath: file)?.isEmpty == false })
    kill(running.process.processIdentifier, signal)
    #expect(try running.finish().code == code)
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let pid = try #require(Int32(text.filter(\.isNumber)))
    #expect(kill(pid, 0) != 0, "the workload is gone")
  }
}
