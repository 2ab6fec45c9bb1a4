import Foundation
import SampleModel
import Testing

private let counter = MetricDescription("events", .count, .counter, meaning: "")
private let narrow = MetricDescription("narrow", .count, .counter, width: 32, meaning: "")
private let idle = MetricDescription(
  "idle", .nanoseconds, .counter, scale: Scale(10_000_000), mayStepBack: true, meaning: "")
private let level = MetricDescription("level", .count, .gauge, meaning: "")

private func layout(_ metrics: [MetricDescription], epoch: UInt32 = 1) -> Layout {
  Layout(
    collector: "c", stream: 0, epoch: epoch,
    columns: metrics.map { Column(collector: "c", metric: $0, instance: "i") })
}

private func header(_ start: UInt64, epoch: UInt32 = 1, edge: BracketEdge = .none) -> FrameHeader {
  FrameHeader(edge: edge, stream: 0, epoch: epoch, bracket: 1, start: start, end: start + 1)
}

@Suite struct FrameHeaderTests {
  @Test func survivesItsWords() throws {
    for outcome in AcquisitionOutcome.allCases {
      let header = FrameHeader(
        kind: .records, outcome: outcome, edge: .close, stream: .max, epoch: .max,
        bracket: .max, deadlineIndex: .max, deadline: 1, start: 2, end: .max)
      var words = [UInt64](repeating: 0, count: FrameHeader.wordCount)
      var span = words.mutableSpan
      header.encode(into: &span)
      #expect(FrameHeader(decoding: words.span) == header)
    }
  }

  @Test func refusesWhatIsNone() {
    #expect(FrameHeader(decoding: [UInt64]().span) == nil)
    #expect(FrameHeader(decoding: [0, 0, 0, 0, 0, 0].span) == nil)
    #expect(FrameHeader(decoding: [1 | 200 << 8, 0, 0, 0, 0, 0].span) == nil)
    #expect(FrameHeader(decoding: [1, 0, 0, 0, 0].span) == nil)
  }
}

@Suite struct DerivationTests {
  @Test func ratesUseTheMeasuredWindow() {
    var derivation = Derivation(raw: false)
    derivation.layout(layout([counter, level, idle]))
    let first = derivation.derive(header(1_000_000_000), [10, 5, 100].span)
    #expect(first.window == nil)
    #expect(first.values == [.absent, .integer(5), .absent])
    // Two seconds, not the one that was configured.
    let second = derivation.derive(header(3_000_000_000), [30, 7, 150].span)
    #expect(second.window == 2_000_000_000)
    #expect(second.values == [.real(10), .integer(7), .real(0.25)])
  }

  @Test func widthsWrapStepsBackReadAsNothingAndResetsAreAbsent() {
    var derivation = Derivation(raw: false)
    derivation.layout(layout([narrow, idle, counter]))
    _ = derivation.derive(header(0), [0xFFFF_FFFF, 50, 100].span)
    let next = derivation.derive(header(1_000_000_000), [4, 49, 3].span)
    #expect(next.values == [.real(5), .real(0), .absent])
    // From the high-water mark, not from where it had stepped back to.
    let after = derivation.derive(header(2_000_000_000), [5, 51, 4].span)
    #expect(after.values == [.real(1), .real(0.01), .real(1)])
  }

  /// A device that was made anew within one reading: none of its times is 42,950,000 s/s.
  @Test func aNarrowCounterThatIsResetIsAbsent() {
    var derivation = Derivation(raw: false)
    derivation.layout(layout([counter, narrow]))
    _ = derivation.derive(header(0), [5000, 90_000].span)
    let next = derivation.derive(header(1_000_000_000), [5, 9].span)
    #expect(next.values == [.absent, .absent])
    let after = derivation.derive(header(2_000_000_000), [9, 10].span)
    #expect(after.values == [.real(4), .real(1)])
  }

  /// A row of zeros for one reading: the rate is made over the time since the last right one.
  @Test func aMisreadingHasNoRateAndTheNextOneHasItsOwnWindow() {
    var derivation = Derivation(raw: false)
    derivation.layout(layout([level, counter, idle]))
    let second: UInt64 = 1_000_000_000
    _ = derivation.derive(header(0), [1, 1000, 10].span)
    let zero = derivation.derive(header(second), [1, 0, 20].span)
    #expect(zero.values == [.integer(1), .absent, .real(0.1)])
    #expect(zero.window == second && zero.windows.isEmpty)
    let next = derivation.derive(header(2 * second), [1, 1010, 30].span)
    #expect(next.values == [.integer(1), .real(5), .real(0.1)])
    #expect(next.window == second && next.windows == [1: 2 * second])
    // Of some places alone the windows stand where their values do.
    _ = derivation.derive(header(3 * second), [1, 0, 40].span, only: [2, 1])
    _ = derivation.derive(header(4 * second), [1, 1020, 50].span, only: [2, 1])
    _ = derivation.derive(header(5 * second), [1, 0, 60].span, only: [2, 1])
    let few = derivation.derive(header(6 * second), [1, 1030, 70].span, only: [2, 1])
    #expect(few.values == [.real(0.1), .real(5)] && few.windows == [1: 2 * second])
  }

  @Test func aSumIsNotContinuedOverANewLayout() {
    let sum = MetricDescription("sum", .count, .counter, width: 32, isSum: true, meaning: "")
    var derivation = Derivation(raw: false)
    derivation.layout(layout([sum, counter]))
    _ = derivation.derive(header(0), [6_000_000_000, 10].span)
    // A CPU went, with three thousand million: as a wrap that would be 1.3 thousand million.
    derivation.layout(layout([sum, counter], epoch: 2))
    let next = derivation.derive(header(1_000_000_000, epoch: 2), [3_000_001_000, 15].span)
    #expect(next.values == [.absent, .real(5)])
  }

  /// Ticks of 10 ms in nanoseconds: the product alone has more than 64 bits.
  @Test func aScaleIsExactAsFarAsItsResultFits() {
    let tick = Scale(1_000_000_000, per: 100)
    for (ticks, time) in [
      (428_009_997_827, 4_280_099_978_270_000_000), (18_446_744_074, 184_467_440_740_000_000),
      (1_844_674_407_370, 18_446_744_073_700_000_000), (18_446_744_073, 184_467_440_730_000_000),
    ] as [(UInt64, UInt64)] {
      #expect(tick.exactly(ticks) == time)
    }
    #expect(tick.exactly(1_844_674_407_371) == nil)
    #expect(Scale(1, per: 3).exactly(7) == nil && Scale(.max, per: .max).exactly(.max) == .max)
    #expect(Scale(.max).exactly(2) == nil)
  }

  @Test func whatMovesACursorIsShownByItsNumber() {
    #expect("eth0\ta\nb é 漢".shown == "eth0\ta\nb é 漢")
    #expect("\u{1B}[2J\u{7F}\r\u{9B}x\u{202E}".shown == "\\u{1B}[2J\\u{7F}\\r\\u{009B}x\\u{202E}")
  }

  /// Everything that Foundation's tables call a control or format character, and what else is
  /// invisible or ends a line for some reader.
  @Test func whatIsNotPrintedIsShownByItsNumber() {
    for value in UInt32(0)...0x10FFFF {
      // Foundation's table takes unassigned scalars of plane 14 for controls.
      guard let scalar = Unicode.Scalar(value), scalar.properties.generalCategory != .unassigned
      else { continue }
      if CharacterSet.controlCharacters.contains(scalar) {
        #expect(scalar.isUnprinted, "\(value)")
      }
    }
    let others: [Unicode.Scalar] = [
      "\u{85}", "\u{34F}", "\u{115F}", "\u{2028}", "\u{2029}", "\u{3164}", "\u{FE0F}", "\u{FEFF}",
    ]
    for scalar in others { #expect(scalar.isUnprinted, "\(scalar.value)") }
    for scalar in " aé漢😀…│±×ำ्\u{301}\u{E0B0}".unicodeScalars {
      #expect(!scalar.isUnprinted, "\(scalar.value)")
    }
    #expect("a\u{200B}b\u{2029}".shown == "a\\u{200B}b\\u{2029}")
    let tag: Unicode.Scalar = "\u{E0041}"
    #expect(tag.jsonEscape == "\\udb40\\udc41" && Unicode.Scalar("\n").jsonEscape == "\\u000a")
  }

  @Test func aNameStaysWithinItsLine() {
    #expect("a\tb\r\nc\u{1B} é".shownInLine == "a\\tb\\r\\nc\\u{1B} é")
    #expect("\n".shownInLine.shownInLine == "\\n", "what is escaped is not escaped again")
    #expect("plain 漢".shownInLine == "plain 漢")
  }

  @Test func anErrorIsALineForEachProblem() {
    let one = LBError(.workload, "./x\ny failed", causes: ["a\nb"])
    #expect(one.description == "./x\\ny failed: a\\nb")
    let listed = LBError.listing(.configuration, ["x\ny is unknown", "z is unknown"])
    #expect(listed.message == "x\\ny is unknown\nz is unknown")
  }

  @Test func layoutsSurviveJSON() throws {
    let columns = [("a", counter), ("b", counter), ("", level), ("a", narrow)].map {
      Column(collector: "protocol", metric: $0.1, instance: $0.0)
    }
    let whole = Layout(collector: "protocols", stream: 3, epoch: 2, columns: columns)
    let bytes = try JSONEncoder().encode(whole)
    #expect(try JSONDecoder().decode(Layout.self, from: bytes) == whole)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains(#""metric":[0,0,1,2]"#))
    for key in ["ranges", "sums", "composition", "fresh"] {
      #expect(!text.contains("\"\(key)"), "stored as before")
    }
    let ranged = Layout(
      collector: "power", stream: 0, epoch: 1,
      columns: [nil, 262_143_328_900, 0].enumerated().map {
        Column(
          collector: "power", metric: counter, instance: "\($0.offset)", range: $0.element,
          isSum: $0.offset == 2)
      })
    #expect(ranged.columns.map(\.range) == [nil, 262_143_328_900, nil])
    #expect(ranged.columns.map(\.isSum) == [false, false, true])
    let stored = try JSONEncoder().encode(ranged)
    #expect(try JSONDecoder().decode(Layout.self, from: stored) == ranged)
    let full = String(decoding: stored, as: UTF8.self)
    for list in ["[null,262143328900,null]", "[false,false,true]"] {
      let short = full.replacingOccurrences(of: list, with: "[]")
      #expect(short != full)
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode(Layout.self, from: Data(short.utf8))
      }
    }
    let origins = Layout(
      collector: "c", stream: 0, epoch: 1,
      columns: ["0-3", nil, "0-3", "total"].enumerated().map {
        Column(
          collector: "c", metric: counter.living(.firstUse), instance: "\($0.offset)",
          isSum: $0.offset != 3, identity: $0.element, startsAtZero: $0.offset == 1)
      })
    #expect(origins.columns.map(\.identity) == ["0-3", nil, "0-3", "total"])
    let all = String(decoding: try JSONEncoder().encode(origins), as: UTF8.self)
    #expect(try JSONDecoder().decode(Layout.self, from: Data(all.utf8)) == origins)
    for (list, damage) in [
      ("[0,-1,0,1]", "[0,-1,0,2]"), ("[0,-1,0,1]", "[0]"), ("[0,-1,0,1]", "[-2,0,0,0]"),
      (#""fresh":[1]"#, #""fresh":[4]"#),
    ] {
      let other = all.replacingOccurrences(of: list, with: damage)
      #expect(other != all)
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode(Layout.self, from: Data(other.utf8))
      }
    }
    // Of a file that does not say how long counters live, they are kept.
    let silent = all.replacingOccurrences(of: #""life":"firstUse","#, with: "")
      .replacingOccurrences(of: #","life":"firstUse""#, with: "")
    let old = try JSONDecoder().decode(Layout.self, from: Data(silent.utf8))
    #expect(old.columns.allSatisfy { $0.metric.life == .kept })
    for damage in [#""metric":[0,0,1,3]"#, #""metric":[0,0,1]"#, #""metric":[0,0,1,-1]"#] {
      let other = text.replacingOccurrences(of: #""metric":[0,0,1,2]"#, with: damage)
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode(Layout.self, from: Data(other.utf8))
      }
    }
  }

  /// A group that counted for half of the time stands for twice what it counted.
  @Test func aCountThatRanPartOfTheTimeIsScaled() {
    let enabled = MetricDescription("time_enabled", .nanoseconds, .counter, meaning: "")
    let running = MetricDescription("time_running", .nanoseconds, .counter, meaning: "")
    let cycles = MetricDescription("cycles", .count, .counter, meaning: "")
    let counted = Layout(
      collector: "perf", stream: 0, epoch: 1,
      columns: [
        Column(collector: "perf", metric: enabled, instance: "g"),
        Column(collector: "perf", metric: running, instance: "g"),
        Column(collector: "perf", metric: cycles, instance: "", times: "g"),
      ])
    var rates = Derivation(raw: false)
    var levels = Derivation(raw: true)
    rates.layout(counted)
    levels.layout(counted)
    func last(_ derivation: inout Derivation, _ time: UInt64, _ values: [UInt64]) -> DerivedValue? {
      derivation.derive(header(time), values.span).values.last
    }
    #expect(last(&levels, 0, [0, 0, 0]) == .integer(0))
    _ = last(&rates, 0, [0, 0, 0])
    #expect(last(&rates, 1_000_000_000, [1_000_000_000, 500_000_000, 300]) == .real(600))
    #expect(last(&levels, 1_000_000_000, [1_000_000_000, 500_000_000, 300]) == .real(600))
    // All of the next second; nothing of the one behind it; and of all three, half.
    #expect(last(&rates, 2_000_000_000, [2_000_000_000, 1_500_000_000, 400]) == .real(100))
    #expect(last(&rates, 3_000_000_000, [3_000_000_000, 1_500_000_000, 400]) == .absent)
    #expect(last(&levels, 3_000_000_000, [3_000_000_000, 1_500_000_000, 400]) == .real(800))
    #expect(counted.kept { $0 == "perf.cycles" } == [true, true, true])
    #expect(counted.kept { $0 == "perf.time_running[g]" } == [false, true, false])
  }

  @Test func onlyDecimalDigitsAreANumber() {
    for (text, number) in [("12", 12), ("-1.5e3", -1500), ("+.5", 0.5)] as [(String, Double)] {
      #expect(Double(decimal: text) == number)
    }
    for text in ["", "0x10", "0x1p4", "inf", "nan", "1e400", " 1", "1 ", "e"] {
      #expect(Double(decimal: text) == nil, "\(text)")
    }
    #expect(Share.parse("0x1p4%") == nil)
  }

  @Test func aDurationThatIsTooLongIsCalledSo() {
    #expect(Durations.parse("9223372036s") == nil)
    #expect(Durations.excess("9223372036s")?.hasPrefix("too long") == true)
    #expect(Durations.excess("2500000h") != nil && Durations.parse("2499999h") != nil)
    for text in ["2499999h", "1s", "x", "", "9s9"] { #expect(Durations.excess(text) == nil) }
  }

  @Test func aLongTextKeepsItsEnds() {
    #expect("abc".shortened(to: 3) == "abc")
    #expect("abcdefghij".shortened(to: 4) == "ab … ij")
  }

  @Test func numbersAreWrittenForMessages() {
    let intervals: [(UInt64, String)] = [
      (40_960_000_000, "40.96s"), (1_280_000_000, "1.28s"), (2_000_000_000, "2s"),
      (500_000_000, "500ms"), (1_500_000, "1500us"), (1_000_000_001, "1000000001ns"),
      (1_005_000_000, "1.005s"),
    ]
    for (nanoseconds, text) in intervals {
      #expect(Durations.brief(nanoseconds) == text)
      #expect(Durations.parse(text) == nanoseconds)
    }
    for text in ["0.1%", "0.5%", "5%", "7%", "100%", "0.0001%"] {
      #expect(Share.parse(text).map(Share.text) == text)
    }
    #expect(Counted.text(1, "frame") == "1 frame" && Counted.text(0, "frame") == "0 frames")
    #expect(Counted.list((1...8).map(String.init)) == "1, 2, 3, 4, 5, 6, 7, 8")
    #expect(Counted.list((1...36).map(String.init)) == "1, 2, 3, 4, 5, 6, 7, 8 and 28 more")
    #expect(
      Nearest.word(to: "foo", in: ["top"]) == nil && Nearest.word(to: "net", in: ["nat"]) == "nat")
  }

  @Test func aNewEpochContinuesWhatItShares() {
    var derivation = Derivation(raw: false)
    derivation.layout(layout([counter, level]))
    _ = derivation.derive(header(0), [10, 1].span)
    derivation.layout(layout([narrow, counter], epoch: 2))
    #expect(derivation.derive(header(1), [1, 1].span).values == [])
    let next = derivation.derive(header(1_000_000_000, epoch: 2), [7, 15].span)
    #expect(next.values == [.absent, .real(5)])
  }

  @Test func aColumnThatReturnsHasTheWindowSinceItsLastValue() {
    var derivation = Derivation(raw: false)
    let second: UInt64 = 1_000_000_000
    derivation.layout(layout([counter, idle]))
    _ = derivation.derive(header(0), [100, 10].span)
    derivation.layout(layout([idle], epoch: 2))
    let without = derivation.derive(header(second, epoch: 2), [20].span)
    #expect(without.values == [.real(0.1)])
    // The epoch of the first layout again.
    derivation.layout(layout([counter, idle]))
    let next = derivation.derive(header(2 * second), [120, 30].span)
    #expect(next.values == [.real(10), .real(0.1)] && next.windows == [0: 2 * second])
  }

  /// Amounts of two stretches of time are no ratio.
  @Test func aFormulaOverAMisreadingIsAbsent() {
    let parts = ["c.a", "c.b"].map {
      Column(
        collector: "c",
        metric: MetricDescription(String($0.dropFirst(2)), .count, .counter, meaning: ""),
        instance: "")
    }
    let ratio = MetricDescription("ratio", .ratio, .gauge, meaning: "")
    var derivation = Derivation(raw: false)
    derivation.layout(
      Layout(
        collector: "c", stream: 0, epoch: 1, columns: parts,
        formulas: [
          Formula(
            Column(collector: "c", metric: ratio, instance: ""), tokens: ["c.a", "/", "c.b"])
        ]))
    let frames: [(values: [UInt64], ratio: DerivedValue)] = [
      ([10, 10], .absent), ([30, 20], .real(2)), ([0, 30], .absent), ([70, 40], .absent),
      ([80, 60], .real(0.5)),
    ]
    for (index, frame) in frames.enumerated() {
      let derived = derivation.derive(header(UInt64(index) * 1_000_000_000), frame.values.span)
      #expect(derived.values.last == frame.ratio, "frame \(index)")
    }
  }

  /// A formula that makes an amount has a rate, as the counters have of which it is made.
  @Test func anAmountByAFormulaHasARate() {
    let part = Column(collector: "c", metric: counter, instance: "")
    let whole = MetricDescription("whole", .count, .counter, meaning: "")
    for (raw, values) in [(false, [nil, 20.0]), (true, [20.0, 30.0])] as [(Bool, [Double?])] {
      var derivation = Derivation(raw: raw)
      derivation.layout(
        Layout(
          collector: "c", stream: 0, epoch: 1, columns: [part],
          formulas: [
            Formula(
              Column(collector: "c", metric: whole, instance: ""),
              tokens: [part.name, "*", "2"])
          ]))
      for (index, value) in values.enumerated() {
        let frame: [UInt64] = [10 + UInt64(index) * 5]
        let derived = derivation.derive(header(UInt64(index) * 500_000_000), frame.span)
        #expect(derived.values.last == value.map(DerivedValue.real) ?? .absent, "\(raw) \(index)")
      }
    }
  }

  @Test func ofAFewColumnsTheRestIsUnknownAfterwards() {
    var derivation = Derivation(raw: false)
    derivation.layout(layout([counter, level, idle]))
    let second: UInt64 = 1_000_000_000
    _ = derivation.derive(header(0), [10, 5, 100].span)
    let few = derivation.derive(header(second), [30, 6, 150].span, only: [2, 1])
    #expect(few.values == [.real(0.5), .integer(6)])
    // What the counter had grown by since the first frame is not of one second.
    let all = derivation.derive(header(2 * second), [50, 7, 200].span)
    #expect(all.values == [.absent, .integer(7), .real(0.5)])
    _ = derivation.derive(header(3 * second), [60, 7, 300].span, only: [0])
    derivation.layout(layout([idle, counter], epoch: 2))
    let next = derivation.derive(header(4 * second, epoch: 2), [400, 65].span)
    #expect(next.values == [.absent, .real(5)])
  }

  @Test func aBracketStartsAfresh() {
    var derivation = Derivation(raw: false)
    derivation.layout(layout([counter]))
    _ = derivation.derive(header(0), [10].span)
    let opening = derivation.derive(header(5, edge: .open), [90].span)
    #expect(opening.values == [.absent])
    #expect(opening.window == nil)
  }

  @Test func rawValuesAreScaledExactly() {
    var derivation = Derivation(raw: true)
    derivation.layout(layout([idle, counter]))
    let result = derivation.derive(header(0), [123_456_789_012, .max].span)
    #expect(result.values == [.integer(1_234_567_890_120_000_000), .integer(.max)])
    #expect(Scale(512).exactly(.max) == nil)
    #expect(Scale(1, per: 3).exactly(7) == nil)
    #expect(Scale(1, per: 3).exactly(9) == 3)
  }
}

@Suite struct LedgerTests {
  /// As a file has it whose writer did not count wraps.
  @Test func anOlderLedgerOpens() throws {
    let text = """
      {"collector":"disk","acquisitions":7,"gaps":{"absent":1},"stepsBack":2,"resets":3,
      "records":4,"recordsLost":5,"nanoseconds":6,"systemCalls":8}
      """
    var line = try JSONDecoder().decode(CollectorLedger.self, from: Data(text.utf8))
    #expect(line.resets == 3 && line.stepsBack == 2 && line.wraps == 0 && line.systemCalls == 8)
    line.wraps = 9
    let bytes = try JSONEncoder().encode(line)
    #expect(try JSONDecoder().decode(CollectorLedger.self, from: bytes) == line)
    var thread = ThreadLedger(thread: 0, cpu: nil)
    thread.collectors = [line]
    let merged = Ledger.merged([Ledger(threads: [thread]), Ledger(threads: [thread])])
    #expect(merged.threads[0].collectors[0].wraps == 18)
  }

  /// As a file has it whose writer knew no limit of stepping back.
  @Test func anOlderMetricOpens() throws {
    let bytes = try JSONEncoder().encode(idle)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(!text.contains("stepBackLimit"))
    #expect(try JSONDecoder().decode(MetricDescription.self, from: bytes) == idle)
  }
}

@Suite struct StatusTests {
  @Test func onlyTheTableIsLegal() {
    let legal: [(RunStatus, RunStatus)] = [
      (.pending, .running), (.pending, .skipped), (.pending, .interrupted),
      (.running, .waiting), (.running, .completed), (.running, .failed), (.running, .timeout),
      (.running, .interrupted), (.waiting, .running), (.waiting, .failed), (.waiting, .timeout),
      (.waiting, .interrupted), (.interrupted, .running),
    ]
    for from in RunStatus.allCases {
      for to in RunStatus.allCases {
        #expect(from.mayBecome(to) == legal.contains { $0 == (from, to) }, "\(from) → \(to)")
      }
    }
  }

  @Test func theWorstStatusCounts() {
    #expect(RunStatus.worst(of: []) == .completed)
    #expect(RunStatus.worst(of: [.completed, .timeout]) == .timeout)
    #expect(RunStatus.worst(of: [.timeout, .failed, .completed]) == .failed)
    #expect(RunStatus.worst(of: [.failed, .interrupted]) == .interrupted)
  }
}

@Suite struct ErrorTests {
  @Test func everyCategoryHasItsExitCode() {
    let codes: [ErrorCategory: Int32] = [
      .internal: 1, .configuration: 2, .collectorUnavailable: 3, .metricCollection: 3,
      .workload: 4, .outputParse: 4, .remoteExecution: 4, .resultPersistence: 5, .gate: 6,
      .quota: 6, .stopRequested: 130,
    ]
    for category in ErrorCategory.allCases { #expect(category.exitCode == codes[category]) }
    var terminated = LBError(.stopRequested, "")
    terminated.context.signal = 15
    #expect(terminated.exitCode == 143)
  }

  @Test func internalErrorsNameTheirPlaceAndCauses() {
    let error = LBError(.internal, "broken", causes: ["inner", "innermost"])
    #expect(error.description.contains("SampleModelTests.swift:"))
    #expect(error.description.hasSuffix(": inner: innermost"))
    #expect(LBError(.workload, "x").origin == nil)
  }
}

@Suite struct CivilTimeTests {
  @Test(arguments: [
    (0, "1970-01-01 00:00:00"), (951_782_400, "2000-02-29 00:00:00"),
    (1_704_067_199, "2023-12-31 23:59:59"), (-1, "1969-12-31 23:59:59"),
    (4_107_542_400, "2100-03-01 00:00:00"),
  ])
  func knownDates(_ seconds: Int, _ text: String) {
    #expect(CivilTime(unixSeconds: Int64(seconds)).text == text)
  }
}
