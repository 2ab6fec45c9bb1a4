import Output
import RunAnalysis
import SampleModel

/// The data of the page's script, as JSON. Times are milliseconds since the run's first sample.
struct PageData {
  /// The maximum size of all repetitions' values in a page, in bytes of base 64.
  private static let valueBytes = 1_500_000

  private let page: ReportPage

  init(_ page: ReportPage) { self.page = page }

  func json() -> [UInt8] {
    var json = TextBuffer()
    json.append("{\"runs\":[")
    for (index, run) in page.runs.enumerated() {
      json.element()
      json.append(ascii: "{")
      json.member("name", run.name)
      json.member("letter", page.letter(index))
      json.member("kind", run.result.kind)
      if let series = run.series { append(series, run, to: &json) }
      values(run, to: &json)
      json.append(ascii: "}")
    }
    json.append(ascii: "]")
    if let comparison = page.comparison { append(comparison, to: &json) }
    json.append(ascii: "}")
    return json.bytes
  }

  /// Appends bytes as a JSON string in base 64.
  private func append(_ bytes: [UInt8], to json: inout TextBuffer) {
    json.append(ascii: "\"")
    json.append(bytes: Base64.letters(of: bytes))
    json.append(ascii: "\"")
  }

  // MARK: Series

  private static func milliseconds(_ time: UInt64, _ series: RunSeries) -> Double {
    time >= series.origin
      ? Double(time - series.origin) / 1e6 : -(Double(series.origin - time) / 1e6)
  }

  private func append(_ series: RunSeries, _ run: ReportedRun, to json: inout TextBuffer) {
    json.key("interval")
    json.append(real: Double(series.interval) / 1e6)
    json.key("origin")
    json.append(real: Double(series.originUnix / 1000) / 1000)
    json.member("gapsLeftOut", UInt64(series.gapsLeftOut))
    segments(series, run, to: &json)
    gaps(series, run, to: &json)
    marks(series, run, to: &json)
    var streams: [UInt16: Int] = [:]
    var names: [String] = []
    for one in series.series where streams[one.stream] == nil {
      streams[one.stream] = names.count
      names.append(one.collector)
    }
    json.key("streams")
    json.append(ascii: "[")
    for name in names {
      json.element()
      json.append(json: name)
    }
    json.append("],\"gapStreams\":[")
    for gap in series.gaps {
      json.element()
      json.append(real: Double(streams[gap.stream] ?? -1))
    }
    json.append(ascii: "]")
    metrics(series, streams, to: &json)
    json.key("processes")
    json.append(ascii: "[")
    for band in series.processes {
      json.element()
      json.append(ascii: "[")
      if let name = band.name { json.append(json: name) } else { json.append("null") }
      var envelope = Envelope(buckets: band.share.count)
      for (bucket, share) in band.share.enumerated() {
        let share = Double(share)
        envelope.set(bucket, minimum: share, median: share, maximum: share)
      }
      json.append(ascii: ",")
      append(SeriesEncoding.bytes(envelope), to: &json)
      json.append(ascii: "]")
    }
    json.append(ascii: "]")
  }

  private func metrics(
    _ series: RunSeries, _ streams: [UInt16: Int], to json: inout TextBuffer
  ) {
    // Instances share their metric's meaning: each is written once.
    var meanings: [String: Int] = [:]
    var all: [String] = []
    json.key("series")
    json.append(ascii: "[")
    for one in series.series {
      let meaning = meanings[one.metric.meaning] ?? all.count
      if meaning == all.count {
        meanings[one.metric.meaning] = meaning
        all.append(one.metric.meaning)
      }
      json.element()
      json.append(ascii: "[")
      json.append(json: one.name)
      json.append(ascii: ",")
      json.append(json: one.unit)
      json.append(",\(streams[one.stream] ?? -1),\(meaning),")
      append(SeriesEncoding.bytes(one.envelope), to: &json)
      if !one.samples.isEmpty {
        let times = one.samples.map { Self.milliseconds($0.time, series) }
        json.append(ascii: ",")
        append(SeriesEncoding.bytes(times), to: &json)
        json.append(ascii: ",")
        append(SeriesEncoding.bytes(one.samples.map(\.value)), to: &json)
      }
      json.append(ascii: "]")
    }
    json.append("],\"meanings\":[")
    for meaning in all {
      json.element()
      json.append(json: meaning)
    }
    json.append(ascii: "]")
    json.member("leftOut", UInt64(series.seriesLeftOut))
  }

  private func segments(_ series: RunSeries, _ run: ReportedRun, to json: inout TextBuffer) {
    var attemptOfBracket: [UInt32: Int] = [:]
    let attempts = run.attempts
    for (index, one) in attempts.enumerated() {
      if let bracket = one.attempt.bracket { attemptOfBracket[bracket] = index }
    }
    json.key("segments")
    json.append(ascii: "[")
    for segment in series.grid.segments {
      json.element()
      json.append(ascii: "{")
      json.key("t")
      json.append(ascii: "[")
      json.append(real: Self.milliseconds(segment.stretch.start, series))
      json.append(ascii: ",")
      json.append(real: Self.milliseconds(segment.stretch.end, series))
      json.append("],\"b\":[\(segment.buckets.lowerBound),\(segment.buckets.upperBound)]")
      if let index = segment.stretch.brackets.first.flatMap({ attemptOfBracket[$0] }) {
        let (phase, repetition, attempt) = attempts[index]
        let more = segment.stretch.brackets.count - 1
        json.member("phase", phase.name)
        json.member("title", repetition.title + (more > 0 ? " and \(more) more" : ""))
        json.member("attempt", UInt64(attempt.attempt))
        json.member("status", attempt.status.rawValue)
        json.append(",\"warmUp\":\(repetition.warmUp)")
        json.member("contaminated", GateNames.gates(of: attempt.contamination))
      }
      json.append(ascii: "}")
    }
    json.append(ascii: "]")
  }

  private func gaps(_ series: RunSeries, _ run: ReportedRun, to json: inout TextBuffer) {
    let attempts = run.attempts.map(\.attempt)
    json.key("gaps")
    json.append(ascii: "[")
    for gap in series.gaps {
      let attempt = attempts.first { $0.bracket == gap.bracket } ?? attempts.first
      json.element()
      json.append(ascii: "[")
      json.append(real: Self.milliseconds(gap.start, series))
      json.append(ascii: ",")
      json.append(real: Self.milliseconds(gap.end, series))
      json.append(ascii: ",")
      json.append(json: Self.cause(gap, attempt))
      json.append(ascii: "]")
    }
    json.append(ascii: "]")
  }

  private static func cause(_ gap: SeriesGap, _ attempt: AttemptResult?) -> String {
    switch gap.cause {
    case .outcome(let outcome):
      return "\(Counted.text(gap.count, "acquisition")) without values: \(outcome.phrase)"
    case .deadlines:
      let text = "\(Counted.text(gap.count, "deadline")) without a sample: "
      guard let attempt, attempt.overhead != nil else {
        return text + "skipped or dropped; the ledger is not in the result"
      }
      let (skipped, dropped) = (attempt.ledger.ticks.skipped, attempt.ledger.ring.dropped)
      if dropped == 0, skipped > 0 { return text + "skipped, the sampling thread was late" }
      if skipped == 0, dropped > 0 { return text + "frames dropped, the ring was full" }
      return text + "the ledger has \(skipped) skipped and \(dropped) dropped"
    }
  }

  /// The maximum number of marks on a time line.
  private static let mostMarks = 500

  private func marks(_ series: RunSeries, _ run: ReportedRun, to json: inout TextBuffer) {
    var marks: [(time: Double, kind: String, level: String, text: String)] = series.events.map {
      (Self.milliseconds($0.time, series), $0.kind.rawValue, "notice", $0.message)
    }
    for entry in run.journal where SampleEvent.Kind(rawValue: entry.kind) == nil {
      let time = series.time(ofUnix: entry.unixNanoseconds)
      marks.append((Self.milliseconds(time, series), entry.kind, entry.level, entry.message))
    }
    marks.sort { ($0.time, $0.kind, $0.text) < ($1.time, $1.kind, $1.text) }
    json.key("marks")
    json.append(ascii: "[")
    for mark in marks.prefix(Self.mostMarks) {
      json.element()
      json.append(ascii: "[")
      json.append(real: mark.time)
      for text in [mark.kind, mark.level, mark.text.shortened(to: 400)] {
        json.append(ascii: ",")
        json.append(json: text)
      }
      json.append(ascii: "]")
    }
    json.append("],\"marksLeftOut\":\(max(0, marks.count - Self.mostMarks) + series.eventsLeftOut)")
  }

  // MARK: Values of repetitions

  /// The repetitions' values of each phase's metrics that moved, up to `valueBytes`.
  private func values(_ run: ReportedRun, to json: inout TextBuffer) {
    json.key("phases")
    json.append(ascii: "[")
    var room = Self.valueBytes / page.runs.count
    for phase in run.result.phases where run.result.kind != "sample" {
      let completed = phase.repetitions.filter { !$0.warmUp }.flatMap { repetition in
        repetition.attempts.filter { $0.status == .completed }.map { (repetition, $0) }
      }
      guard !completed.isEmpty else { continue }
      json.element()
      json.append(ascii: "{")
      json.member("name", phase.name)
      json.key("repetitions")
      json.append(ascii: "[")
      for (repetition, _) in completed {
        json.element()
        json.append(number: UInt64(max(0, repetition.repetition)))
      }
      json.append("],\"contaminated\":[")
      for (_, attempt) in completed {
        json.element()
        json.append(json: GateNames.gates(of: attempt.contamination))
      }
      json.append("],\"metrics\":[")
      for row in phase.metrics where row.minimum != row.maximum || !row.metric.contains(".") {
        let text = Base64.text(
          SeriesEncoding.bytes(completed.map { RunSummary.value(of: row.metric, in: $0.1) }))
        room -= text.utf8.count + row.metric.utf8.count + 20
        guard room > 0 else { break }
        json.element()
        json.append(ascii: "[")
        json.append(json: row.metric)
        json.append(ascii: ",")
        json.append(json: row.unit)
        json.append(",\"\(text)\"")
        for number in [row.median, row.medianLow, row.medianHigh] {
          json.append(ascii: ",")
          if let number, number.isFinite { json.append(real: number) } else { json.append("null") }
        }
        json.append(ascii: "]")
      }
      json.append("]}")
    }
    json.append(ascii: "]")
  }

  // MARK: Comparison

  /// The maximum number of effects that are drawn for a pair.
  private static let mostEffects = 25

  private func append(_ comparison: Comparison, to json: inout TextBuffer) {
    json.key("effects")
    json.append(ascii: "[")
    for pair in comparison.pairs {
      json.element()
      json.append(ascii: "[")
      let all = pair.rows.filter { row in
        (row.isPrimary || row.verdict == .changed) && row.effect?.kind == .ratio
      }
      // Primary metrics first, then by size.
      let rows =
        all.filter(\.isPrimary)
        + all.filter { !$0.isPrimary }.sorted {
          ($1.effect?.value.magnitude ?? 0, $0.metric) < (
            $0.effect?.value.magnitude ?? 0, $1.metric
          )
        }
      for row in rows.prefix(Self.mostEffects) {
        guard let effect = row.effect, effect.value.isFinite else { continue }
        json.element()
        json.append(ascii: "[")
        json.append(json: row.metric)
        for number in [effect.value, effect.interval?.low, effect.interval?.high] {
          json.append(ascii: ",")
          if let number, number.isFinite { json.append(real: number) } else { json.append("null") }
        }
        json.append(ascii: ",")
        json.append(json: ComparisonWords.verdict(row, pair))
        json.append(ascii: "]")
      }
      json.append(ascii: "]")
    }
    json.append(ascii: "]")
  }
}
