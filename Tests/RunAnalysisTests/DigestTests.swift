import SampleModel
import Testing

@testable import RunAnalysis

@Suite struct DigestTests {
  private static let millisecond: UInt64 = 1_000_000

  /// Seven repetitions of 10, 20, … 70 ms, of which half is user and a quarter system time; before
  /// them a warm-up and a failed one, which do not count.
  private func phase(_ metrics: (Double) -> [String: Double] = { _ in [:] }) -> PhaseResult {
    var phase = PhaseResult(name: "main", command: ["x"])
    for number in -1..<7 {
      var repetition = RepetitionResult(repetition: max(1, number + 1), warmUp: number < 0)
      repetition.status = .completed
      var attempt = AttemptResult(attempt: 1)
      attempt.status = .completed
      let wall = UInt64(number < 0 ? 999 : 10 * (number + 1)) * Self.millisecond
      attempt.wallNanoseconds = wall
      attempt.bracketNanoseconds = 2 * wall
      attempt.userNanoseconds = wall / 2
      attempt.systemNanoseconds = wall / 4
      attempt.metrics = metrics(Double(number + 1))
      repetition.attempts = [attempt]
      if number == 3 {
        var failed = attempt
        failed.status = .failed
        failed.wallNanoseconds = 5_000_000_000
        repetition.attempts.insert(failed, at: 0)
      }
      phase.repetitions.append(repetition)
    }
    return phase
  }

  private func entry(
    _ key: String, _ phase: PhaseResult, _ definition: DigestDefinition = .standard
  ) throws -> Digest.Entry {
    try #require(Digest(phase, definition).entries.first { $0.row.key == key }, "\(key)")
  }

  @Test func everyBuiltInRowIsOne() {
    #expect(DigestDefinition.standard.rows.count == DigestDefinition.standardTexts.count)
    #expect(Set(DigestDefinition.standard.rows.map(\.key)).count == 28)
  }

  /// Median 40 ms; deviations 30, 20, 10, 0, 10, 20, 30; of seven values only the whole range
  /// encloses the median with 95 %: it does not with a chance of 2/128.
  @Test func aRowIsItsMedianItsIntervalAndItsSpread() throws {
    let digest = Digest(phase(), .standard)
    #expect(digest.attempts == 7)
    let wall = try entry("wall_time", phase())
    #expect(wall.count == 7 && wall.median == 40e6 && wall.spread == 20e6 && wall.unit == "ns")
    #expect(wall.interval == Statistics.Interval(low: 10e6, high: 70e6))
    let share = try entry("cpu_share", phase())
    #expect(share.median == 0.75 && share.spread == 0 && share.unit == "1")
    #expect(try entry("cpu_time", phase()).median == 30e6)
  }

  /// An interval that holds for several looks is another one than that of as many values.
  @Test func theIntervalIsOfTheSameRankAsThatOfTheSummary() throws {
    var phase = phase()
    func summary(_ low: Double?, _ high: Double?) -> MetricSummary {
      MetricSummary(
        metric: RunSummary.wallTime, unit: "ns", count: 7, median: 40e6, minimum: 10e6,
        maximum: 70e6, medianAbsoluteDeviation: 20e6, medianLow: low, medianHigh: high)
    }
    phase.metrics = [summary(20e6, 60e6)]
    #expect(
      try entry("user_time", phase).interval == Statistics.Interval(low: 10e6, high: 30e6))
    phase.metrics = [summary(nil, nil)]
    #expect(try entry("user_time", phase).interval == nil)
  }

  @Test func aPatternIsTheSumOfWhatMatches() throws {
    let phase = phase { number in
      ["net.rx_bytes[eth0]": 1000 * number, "net.rx_bytes[eth1]": 500, "net.rx_bytes[lo]": 7]
    }
    let received = try entry("received", phase)
    #expect(received.median == 4500 && received.formula.hasSuffix("net.rx_bytes[lo]"))
    let without = self.phase { ["net.rx_bytes[eth0]": $0] }
    #expect(try entry("received", without).formula == "net.rx_bytes[*]")
    #expect(try entry("received", without).median == 4)
  }

  /// A row for each metric of the workload, whatever the metric was within a repetition.
  @Test func ownMetricsStandFirstEachInARow() throws {
    var phase = phase {
      ["workload.b": $0, "workload.a": 5, "workload.a.max": 9, "workload.x y": 1]
    }
    phase.metrics = [
      MetricSummary(
        metric: "workload.a", unit: "ops", count: 7, median: 5, minimum: 5, maximum: 5,
        medianAbsoluteDeviation: 0, medianLow: 5, medianHigh: 5)
    ]
    let own = Digest(phase, .standard).entries.filter { $0.row.key == "workload" }
    #expect(own.map(\.row.name) == ["workload.a", "workload.b"])
    #expect(own[0].unit == "ops" && own[0].median == 5 && own[1].median == 4)
    #expect(Digest(phase, .standard).entries.first?.row.group == "workload")
  }

  @Test func whatIsAbsentIsNoZeroAndSaysWhy() throws {
    let phase = phase { _ in ["tree.majflt": 0, "tree.rss": 4096] }
    let wait = try entry("run_queue", phase)
    #expect(wait.median == nil && wait.interval == nil && wait.count == 0 && !wait.isZero)
    #expect(wait.reason == "not measured: scheduler.run_delay[*]")
    let faults = try entry("major_faults", phase)
    #expect(faults.isZero && faults.median == 0 && faults.reason == nil)
    // A level that stood still is its own maximum.
    let peak = try entry("peak_memory", phase)
    #expect(peak.median == 4096 && peak.formula == "tree.rss.max")
    let none = PhaseResult(name: "main", command: [])
    #expect(try entry("wall_time", none).reason == "no completed repetition")
    let zero = try DigestRow(key: "z", "a; b; 1; none; wall_time / tree.majflt")
    let divided = try entry("z", phase, DigestDefinition([zero]))
    #expect(divided.median == nil && divided.reason?.contains("divides by zero") == true)
  }

  @Test func groupsStandTogether() throws {
    let rows = try [("a", "g"), ("b", "h"), ("c", "g")].map { key, group in
      try DigestRow(key: key, "\(group); \(key); ns; none; wall_time")
    }
    #expect(Digest(phase(), DigestDefinition(rows)).entries.map(\.row.key) == ["a", "c", "b"])
  }

  @Test func rowsAreBounded() {
    var metrics: [String: Double] = [:]
    for number in 0..<300 { metrics["workload.m\(number)"] = 1 }
    let digest = Digest(phase { _ in metrics }, .standard)
    #expect(digest.entries.count == DigestDefinition.mostRows)
    // 300 of the workload and 27 others.
    #expect(digest.leftOut == 127)
  }

  @Test func directionsAreThoseOfTheRows() {
    let standard = DigestDefinition.standard
    for metric in [
      "wall_time", "cpu_time", "user_time", "pressure.io.full.total", "scheduler.run_delay[3]",
      "peak_resident",
    ] {
      #expect(standard.direction(of: metric) == .lower, "\(metric)")
    }
    #expect(standard.direction(of: "memory.MemAvailable") == .higher)
    for metric in ["workload.rate", "net.rx_bytes[eth0]", "cpu.ctxt", "nothing.known"] {
      #expect(standard.direction(of: metric) == nil, "\(metric)")
    }
  }

  @Test(arguments: [
    ("time; wall; ns; lower", "4 of 5 parts"), ("", "1 of 5 parts"),
    ("; wall; ns; lower; wall_time", "no group or no name"),
    ("t; w; kg; lower; wall_time", "unit 'kg': expected one of ns, bytes,"),
    ("t; w; ns; less; wall_time", "better is 'less': expected one of lower, higher, none"),
    ("t; w; ns; lower; wall_time /", "formula 'wall_time /': a number or a name is missing"),
    ("t; w; ns; lower; wall_time; ", "formula '': a number or a name is missing"),
    ("t; *; ns; lower; a + b", "a row that is called * is one row for each metric"),
    ("t; w; ns; lower" + String(repeating: "; a", count: 9), "9 formulas; expected at most 8"),
    ("t; w; ns; lower; " + String(repeating: "a", count: 2000), "longer than 2000 bytes"),
    ("t; w; ns; lower; a/b", "a/b is no metric: names are COLLECTOR.FIELD, workload.NAME, "),
    ("t; w; ns; lower; cpu_time / wall_time", "cpu_time is no metric"),
    ("t; w; ns; lower; wall_time/2", "the / in it needs a blank before and behind it"),
    ("t; w; ns; lower; 2*wall_time", "the * in it needs a blank"),
    ("t; w; ns; lower; net.rx_bytes[lo] / ( net.rx-net.tx )", "the - in it needs a blank"),
    ("t; w; ns; lower; workload.a+workload.b", "the + in it needs a blank"),
  ]) func whatIsWrongWithARowIsSaid(_ text: String, _ words: String) {
    #expect {
      _ = try DigestRow(key: "x", text)
    } throws: { ($0 as? DigestRowError)?.reason.contains(words) == true }
  }
}

/// Names that look like arithmetic, and are names.
@Suite struct DigestNameTests {
  @Test(arguments: [
    "perf.L1-dcache-loads", "perf.cpu/cycles/", "workload.a-2", "workload.*", "*.rx_bytes",
    "net.rx_*", "cgroup.cpu.stat.usage[/a/b-c.d]", "bracket_time", "pressure.io.*.total",
  ]) func namesKeepTheirOperators(_ name: String) throws {
    let row = try DigestRow(key: "x", "t; w; ns; lower; 2 * \(name)")
    #expect(row.rules[0].expression.names == [name])
  }
}

@Suite struct EpisodeTests {
  @Test func whatIsHighIsFarAboveWhatIsUsual() {
    let level = Episodes.threshold
    // Busy for more than a twentieth of the time: halfway to the 95th percentile.
    #expect(level(10, 100, 110) == 55)
    // For less: halfway from there to the maximum.
    #expect(level(10, 12, 100) == 56)
    #expect(level(0, 0, 8) == 4)
    // Noise is not busy.
    #expect(level(10, 12, 14) == nil && level(0, 0, 0) == nil && level(10, 10, 10) == nil)
  }

  @Test func anEpisodeIsThreeHighValuesInARow() {
    var episodes = Episodes(above: 5)
    let values = [1.0, 9, 1, 9, 9, 1, 6, 9, 9, 1, 7, 7, 7.0]
    for (place, value) in values.enumerated() {
      episodes.add(value, from: UInt64(place) * 10, to: UInt64(place) * 10 + 10)
    }
    episodes.finish()
    #expect(
      episodes.longest == [
        Episodes.Episode(start: 60, end: 90, mean: 8),
        Episodes.Episode(start: 100, end: 130, mean: 7),
      ])
    #expect(episodes.count == 2)
  }

  @Test func theLongestEpisodesAreKept() {
    var episodes = Episodes(above: 0)
    var time: UInt64 = 0
    for length in 3..<43 {
      for _ in 0..<length {
        episodes.add(1, from: time, to: time + 1)
        time += 1
      }
      episodes.add(0, from: time, to: time + 1)
      time += 1
    }
    #expect(episodes.count == 40 && episodes.longest.count == Episodes.most)
    #expect(episodes.longest.map(\.duration) == (27...42).map { UInt64($0) })
  }

  @Test func rowsThatAreHighTogetherAreOneStretch() {
    func episode(_ start: UInt64, _ end: UInt64, _ mean: Double) -> Episodes.Episode {
      Episodes.Episode(start: start, end: end, mean: mean)
    }
    // The second row's overlaps the first one's for more than half of it, the third one's does not.
    let merged = BusyStretch.merged(
      [[episode(0, 100, 4)], [episode(40, 120, 9)], [episode(115, 200, 5)]], usual: [2, 1, 0],
      most: 5)
    #expect(merged.map(\.start) == [0, 115] && merged.map(\.end) == [120, 200])
    #expect(merged[0].parts.map(\.row) == [1, 0] && merged[0].parts.map(\.times) == [9, 2])
    #expect(merged[1].parts.map(\.times) == [.infinity])
    let longest = BusyStretch.merged(
      [[episode(0, 100, 4)], [], [episode(115, 200, 5)]], usual: [2, 1, 0], most: 1)
    #expect(longest.map(\.start) == [0])
  }
}
