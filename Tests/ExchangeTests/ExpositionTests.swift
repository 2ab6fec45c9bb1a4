import LinuxSystem
import SampleModel
import Testing

@testable import Exchange

/// The two text formats, and the values of counters in them.
@Suite struct ExpositionTests {
  private let counter = MetricFamily(
    "x_time_seconds", .counter, unit: "seconds", help: "a \"time\" with \\ and\na line")
  private let gauge = MetricFamily("x_level", .gauge, help: "a level")

  private func text(_ format: ExpositionFormat, _ body: (inout ExpositionWriter) -> Void) -> String
  {
    var writer = ExpositionWriter(format)
    body(&writer)
    writer.end()
    return String(decoding: writer.buffer.bytes, as: UTF8.self)
  }

  @Test func openMetricsHasUnitsBeginningsTimesAndAnEnd() {
    let written = text(.openMetrics) {
      $0.begin(counter)
      $0.sample(
        ExpositionWriter.labels([("cpu", "0")]), .nanoseconds(1_500_000_000),
        .init(read: 1_795_971_971_474_048_383, created: 1_795_971_000_000_000_000))
      $0.begin(gauge)
      $0.sample("", .real(0.25), .init(read: 1_000_000_000))
    }
    #expect(
      written == """
        # TYPE x_time_seconds counter
        # UNIT x_time_seconds seconds
        # HELP x_time_seconds a \\"time\\" with \\\\ and\\na line
        x_time_seconds_total{cpu="0"} 1.5 1795971971.474048383
        x_time_seconds_created{cpu="0"} 1795971000 1795971971.474048383
        # TYPE x_level gauge
        # HELP x_level a level
        x_level 0.25 1
        # EOF

        """)
  }

  @Test func thePlainFormatHasFullNamesAndMilliseconds() {
    let written = text(.text) {
      $0.begin(counter)
      $0.sample("", .integer(7), .init(read: 1_795_971_971_474_048_383, created: 1))
      $0.sample("", .real(.nan))
      $0.sample("", .real(.infinity))
    }
    #expect(
      written == """
        # TYPE x_time_seconds_total counter
        # HELP x_time_seconds_total a "time" with \\\\ and\\na line
        x_time_seconds_total 7 1795971971474
        x_time_seconds_total +Inf

        """)
  }

  @Test func namesFromAnywhereStayOneLine() {
    let hostile = "a\"b\\c\nd\r\u{7}é" + OSText.string([0xFF])
    let labels = ExpositionWriter.labels([("device", hostile)])
    #expect(labels == "device=\"a\\\"b\\\\\\\\c\\nd\r\u{7}é\\\\xff\"")
    #expect(!labels.contains("\n"))
  }

  @Test func secondsAreExact() {
    for (nanoseconds, expected) in [
      (0, "0"), (1, "0.000000001"), (1_000_000_000, "1"), (1_010_000_000, "1.01"),
      (UInt64.max, "18446744073.709551615"),
    ] as [(UInt64, String)] {
      let written = text(.text) {
        $0.begin(gauge)
        $0.sample("", .nanoseconds(nanoseconds))
      }
      #expect(written.hasSuffix("x_level \(expected)\n"), "\(nanoseconds)")
    }
  }
}

/// What a board makes of frames.
@Suite struct MetricBoardTests {
  private static let second: UInt64 = 1_000_000_000

  private func column(
    _ name: String, _ kind: MetricKind, instance: String = "", width: UInt8 = 64,
    life: CounterLife = .kept, startsAtZero: Bool = false
  ) -> Column {
    Column(
      collector: "fake",
      metric: MetricDescription(
        name, .count, kind, width: width, extent: instance.isEmpty ? .host : .instance, life: life,
        meaning: "of \(name)"),
      instance: instance, startsAtZero: startsAtZero)
  }

  private func board(_ columns: [Column], collector: String = "fake") -> MetricBoard {
    var board = MetricBoard()
    board.begin(
      StreamMeta(
        interval: Self.second,
        streams: [
          .init(collector: collector, stream: 0, thread: 0, cpu: nil, cadence: 1, required: true)
        ], unavailable: [], records: [],
        // Booted at Unix second 900, read at 1000.
        anchor: ClockAnchor(
          monotonic: 50 * Self.second, realtime: 1000 * Self.second, boottime: 100 * Self.second),
        notes: []))
    board.layout(Layout(collector: collector, stream: 0, epoch: 1, columns: columns))
    return board
  }

  private func frame(
    _ board: inout MetricBoard, _ second: UInt64, _ values: [UInt64],
    outcome: AcquisitionOutcome = .complete, epoch: UInt32 = 1
  ) {
    let start = (50 + second) * Self.second
    board.frame(
      FrameHeader(
        outcome: outcome, stream: 0, epoch: epoch, bracket: 1, start: start, end: start + 1000),
      values.span)
  }

  private func lines(_ board: inout MetricBoard, at second: UInt64) -> [String] {
    board.prepare()
    var writer = ExpositionWriter(.openMetrics)
    board.write(to: &writer, at: (50 + second) * Self.second, hasTimes: true)
    return String(decoding: writer.buffer.bytes, as: UTF8.self).split(separator: "\n")
      .map(String.init).filter { !$0.hasPrefix("#") }
  }

  @Test func valuesHaveTheTimeOfTheirReadingAndCountersTheirBeginning() {
    var board = board([column("hits", .counter), column("level", .gauge)])
    frame(&board, 1, [10, 5])
    frame(&board, 2, [12, 4])
    #expect(
      lines(&board, at: 3) == [
        "lbsample_fake_hits_total 12 1002", "lbsample_fake_hits_created 900 1002",
        "lbsample_fake_level 4 1002",
      ])
  }

  /// A wrap continues, a step back and a misreading change nothing, a reset begins a new counter.
  @Test func countersFallAtResetsOnly() {
    var board = board([
      column("narrow", .counter, width: 32), column("wide", .counter, life: .row),
    ])
    frame(&board, 1, [UInt64(UInt32.max) - 1, 100])
    frame(&board, 2, [3, 200])
    #expect(lines(&board, at: 2)[0] == "lbsample_fake_narrow_total 4294967299 1002")
    // Of a misreading only the next frame tells.
    frame(&board, 3, [3, 0])
    #expect(lines(&board, at: 3).contains("lbsample_fake_wide_total 200 1003"))
    frame(&board, 4, [3, 210])
    #expect(lines(&board, at: 4).contains("lbsample_fake_wide_total 210 1004"))
    frame(&board, 5, [3, 7])
    // From the end of the reading before on.
    #expect(
      lines(&board, at: 5).suffix(2) == [
        "lbsample_fake_wide_total 7 1005", "lbsample_fake_wide_created 1004.000001 1005",
      ])
  }

  @Test func whatHasNoValuesIsNotShown() {
    var board = board([column("hits", .counter)])
    frame(&board, 1, [10])
    frame(&board, 2, [], outcome: .absent)
    #expect(lines(&board, at: 2) == [])
    frame(&board, 3, [11])
    #expect(lines(&board, at: 3).count == 2)
    // A collector that hangs.
    #expect(lines(&board, at: 3 + 179).count == 2)
    #expect(lines(&board, at: 3 + 181) == [])
  }

  /// What would be counted twice by a sum over the family is left out.
  @Test func sumsStandOnlyWithoutTheirParts() {
    let all = column("user", .counter, instance: "all")
    let parts = ["0", "1"].map { column("user", .counter, instance: $0) }
    var both = board([all] + parts, collector: "cpu")
    frame(&both, 1, [3, 1, 2])
    #expect(
      lines(&both, at: 1).filter { $0.contains("_total") } == [
        "lbsample_fake_user_total{cpu=\"0\"} 1 1001", "lbsample_fake_user_total{cpu=\"1\"} 2 1001",
      ])
    var alone = board([all], collector: "cpu")
    frame(&alone, 1, [3])
    #expect(lines(&alone, at: 1)[0] == "lbsample_fake_user_total 3 1001")
  }

  @Test func countersContinueOverAChangeOfColumns() {
    var board = board([column("n", .counter, instance: "a", width: 32)])
    frame(&board, 1, [UInt64(UInt32.max)])
    frame(&board, 2, [1])
    board.layout(
      Layout(
        collector: "fake", stream: 0, epoch: 2,
        columns: [
          column("n", .counter, instance: "b", startsAtZero: true),
          column("n", .counter, instance: "a", width: 32),
        ]))
    frame(&board, 3, [4, 2], epoch: 2)
    #expect(
      lines(&board, at: 3) == [
        "lbsample_fake_n_total{name=\"b\"} 4 1003",
        "lbsample_fake_n_created{name=\"b\"} 1002.000001 1003",
        "lbsample_fake_n_total{name=\"a\"} 4294967298 1003",
        "lbsample_fake_n_created{name=\"a\"} 900 1003",
      ])
  }
}
