import Testing

@testable import Output
@testable import SampleModel

@Suite struct RecordingTests {
  private let second: UInt64 = 1_000_000_000

  private func play(
    _ columns: [Column], _ frames: [(at: UInt64, values: [UInt64])]
  ) throws -> RecordingSummary {
    let sink = RecordingSink()
    try sink.begin(meta())
    try sink.layout(Layout(collector: "cpu", stream: 0, epoch: 1, columns: columns))
    for (tick, frame) in frames.enumerated() {
      var header = header(UInt64(tick))
      header.start = 7 * second + frame.at
      if tick + 1 == frames.count { header.edge = .close }
      try send(frame.values, header, to: sink)
    }
    try sink.commit(watermark: .max)
    return sink.summary
  }

  /// Counters as rates, levels as they are, by time; the closing reading, a moment behind the last
  /// one, makes no great rate of little time.
  @Test func aRecordingIsItsMeansItsRangesAndItsPeaks() throws {
    let level = MetricDescription("free", .bytes, .gauge, meaning: "")
    let columns = [
      Column(collector: "cpu", metric: cpuMetrics[0], instance: "all"),
      Column(collector: "net", metric: bytesIn, instance: "lo"),
      Column(collector: "memory", metric: level, instance: ""),
      Column(collector: "memory", metric: level, instance: "still"),
    ]
    // 50 ticks of 10 ms in each second but the third, which has 90; 100 bytes in the last moment.
    let summary = try play(
      columns,
      [
        (0, [0, 0, 5000, 9]), (second, [50, 1000, 4096, 9]), (2 * second, [100, 2000, 8192, 9]),
        (3 * second, [190, 2000, 2048, 9]), (4 * second, [240, 3000, 2048, 9]),
        (4 * second + 1000, [240, 3100, 4096, 9]),
      ])
    #expect(summary.frames == 6 && summary.spanNanoseconds == 4 * second + 1000)
    let cpu = summary.metrics[0]
    #expect((cpu.metric, cpu.unit, cpu.count) == ("cpu.user[all]", "1", 4))
    #expect(abs(cpu.mean - 0.6) < 1e-6 && cpu.minimum == 0.5 && cpu.maximum == 0.9)
    #expect(abs(cpu.median - 0.5) <= 0.5 / 32 && abs(cpu.percentile95 - 0.9) <= 0.9 / 32)
    #expect(cpu.maximumElapsedNanoseconds == 3 * second)
    #expect(cpu.maximumUnixNanoseconds == 10 * second + 1000)
    let net = summary.metrics[1]
    #expect(net.unit == "bytes/s" && net.maximum == 1000 && net.minimum == 0)
    #expect(
      abs(net.mean - 3100 / 4.000001) < 0.01, "what came in the last moment counts in the mean")
    let free = summary.metrics[2]
    #expect((free.unit, free.minimum, free.maximum) == ("bytes", 2048, 8192))
    #expect(free.maximumElapsedNanoseconds == 2 * second)
    let still = summary.metrics[3]
    #expect(
      [still.mean, still.minimum, still.median, still.percentile95, still.maximum]
        == [9, 9, 9, 9, 9])

    let lines = RunReport.lines(summary, all: false)
    func line(_ name: String) -> [String] {
      let line = lines.first { $0.hasPrefix(name + " ") } ?? ""
      return line.dropFirst(name.count).split(separator: "  ")
        .map { $0.drop { $0 == " " } }.filter { !$0.isEmpty }.map(String.init)
    }
    #expect(lines[1] == "span     4.000 s, 6 frames", "\(lines)")
    let usage = line("cpu.user[all]")
    #expect(usage.first == "60 %" && usage[1] == "50 %" && usage[4] == "90 %", "\(usage)")
    #expect(usage.last == "3.000 s")
    #expect(line("memory.free")[1] == "2K" && line("memory.free")[4] == "8K")
    #expect(line("net.rx_bytes[lo]")[4] == "1000B/s")
    #expect(line("memory.free[still]").isEmpty)
    #expect(lines.last == "(1 metric that did not change is not shown; --all shows it)")
    #expect(RunReport.lines(summary, all: true).contains { $0.hasPrefix("memory.free[still]") })
  }

  /// What begins at the time that is shown has the maximum in it.
  @Test func theTimeOfAMaximumIsRoundedDown() throws {
    let level = MetricDescription("free", .bytes, .gauge, meaning: "")
    let summary = try play(
      [Column(collector: "memory", metric: level, instance: "")],
      [(0, [1]), (second, [2]), (2_550_900_000, [9]), (3 * second, [1]), (4 * second, [1])])
    #expect(summary.metrics[0].maximumElapsedNanoseconds == 2_550_900_000)
    let lines = RunReport.lines(summary, all: false)
    let line = try #require(lines.first { $0.hasPrefix("memory.free ") })
    #expect(line.hasSuffix(" 2.550 s"), "\(line)")
  }

  /// Of a counter that the kernel keeps in ticks, a rate is over ten of them.
  @Test func aRateIsOverTenTicks() throws {
    let ticks = MetricDescription(
      "user", .nanoseconds, .counter, scale: Scale(10_000_000), resolution: 10_000_000, meaning: "")
    let columns = [Column(collector: "cpu", metric: ticks, instance: "all")]
    // Half of a CPU, read every 10 ms: each reading has a tick or none.
    var frames = (0...200).map { place in
      (at: UInt64(place) * 10_000_000, values: [UInt64(place / 2)])
    }
    frames.append((at: 2_000_001_000, values: [100]))
    let sink = RecordingSink()
    var meta = meta()
    meta.interval = 10_000_000
    try sink.begin(meta)
    try sink.layout(Layout(collector: "cpu", stream: 0, epoch: 1, columns: columns))
    for (tick, frame) in frames.enumerated() {
      var header = header(UInt64(tick))
      header.start = frame.at
      try send(frame.values, header, to: sink)
    }
    let cpu = try #require(sink.summary.metrics.first)
    #expect(cpu.count == 20 && abs(cpu.minimum - 0.5) < 1e-9 && abs(cpu.maximum - 0.5) < 1e-9)
    #expect(abs(cpu.mean - 0.5) < 1e-3)
  }

  /// Instances come and go: what is known of one goes on, and there is a bound.
  @Test func metricsGoOnByTheirNamesAndHaveABound() throws {
    let sink = RecordingSink()
    try sink.begin(meta())
    let metric = MetricDescription("level", .count, .gauge, meaning: "")
    for (tick, names) in [["a"], ["a", "b"], ["b", "a"], ["b"]].enumerated() {
      try sink.layout(
        Layout(
          collector: "x", stream: 0, epoch: UInt32(tick + 1),
          columns: names.map { Column(collector: "x", metric: metric, instance: $0) }))
      for step in 0..<2 {
        var header = header(UInt64(2 * tick + step), epoch: UInt32(tick + 1))
        header.edge = .none
        try send(names.map { $0 == "a" ? UInt64(tick) : 7 }, header, to: sink)
      }
    }
    let metrics = sink.summary.metrics
    #expect(metrics.map(\.metric) == ["x.level[a]", "x.level[b]"])
    #expect((metrics[0].minimum, metrics[0].maximum) == (0, 2) && metrics[1].maximum == 7)
    try sink.layout(
      Layout(
        collector: "x", stream: 0, epoch: 9,
        columns: (0...RecordingSink.limit).map {
          Column(collector: "x", metric: metric, instance: "\($0)")
        }))
    #expect(sink.summary.metricsLeftOut == 3 && sink.summary.metrics.count == 2)
  }
}
