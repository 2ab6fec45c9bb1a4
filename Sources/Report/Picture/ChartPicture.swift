import Output
import SampleModel

/// Charts of series over time as an SVG 1.1 picture of fixed width, with its text as text. The same
/// series give the same bytes.
///
/// In each panel, lines are medians of time buckets, and bands reach from their minimum to their
/// maximum. A line ends where there are no values; gaps are grey.
package struct ChartPicture {
  /// Series with one unit, drawn in one panel.
  package struct Panel {
    package let series: [Series]

    /// A panel of at most `mostSeries` series of one unit.
    package init(_ series: [Series]) { self.series = series }
  }

  /// The number of lines with different colours and dashes.
  package static let mostSeries = 8
  package static let mostPanels = 16
  /// The width of a panel in pixels: more buckets than that would share pixels.
  package static let columns = 680

  private static let left = 72.0
  private static let width = 800.0
  private static let panelHeight = 130.0
  private static let legendHeight = 18.0
  /// The maximum length of a name, in characters.
  private static let nameLimit = 64

  /// Line colours for light and dark backgrounds that people with colour vision deficiencies can
  /// distinguish (after Okabe and Ito), and dash patterns.
  private static let styles: [(light: String, dark: String, dashes: String)] = [
    ("#0072b2", "#56b4e9", ""), ("#d55e00", "#ff8c42", "6 3"), ("#00785a", "#2fd1a5", "2 2"),
    ("#aa3f7c", "#ef9bc8", "8 3 2 3"), ("#5f6b00", "#f0e442", "12 4"),
    ("#1f1f1f", "#e8e8e8", "1 3"),
    ("#9a6700", "#e69f00", "4 2 1 2"), ("#5b3fb0", "#b9a5ff", "10 2 4 2"),
  ]

  private let run: RunSeries
  private let panels: [Panel]
  private let title: String

  /// A picture of a run's series. `title` names the run.
  package init(_ run: RunSeries, panels: [Panel], title: String) {
    self.run = run
    self.panels = panels
    self.title = title
  }

  /// The picture, ending with a line feed.
  package func svg() -> [UInt8] {
    var body = SVGText()
    var top = 44.0
    let start = run.grid.segments.first?.stretch.start ?? run.origin
    let end = run.grid.segments.map(\.stretch.end).max() ?? start
    let time = Axis(timeUpTo: end - start, most: 10)
    for panel in panels {
      let legend = legend(panel)
      let height = Double(legend.count) * Self.legendHeight
      draw(legend, of: panel, at: top, into: &body)
      let frame = Frame(
        left: Self.left, top: top + height + 4, width: Double(Self.columns),
        height: Self.panelHeight, start: start, time: time, values: axis(panel))
      draw(panel, in: frame, into: &body)
      top = frame.top + frame.height + 26
    }
    let height = top + 6
    var picture = SVGText()
    picture.own("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
    picture.open(
      "svg",
      [
        ("xmlns", "http://www.w3.org/2000/svg"), ("width", SVGText.number(Self.width)),
        ("height", SVGText.number(height)),
        ("viewBox", "0 0 \(SVGText.number(Self.width)) \(SVGText.number(height))"),
        ("role", "img"), ("aria-labelledby", "title description"),
      ])
    picture.own("\n")
    picture.element("title", title, [("id", "title")])
    picture.element("desc", description, [("id", "description")])
    picture.own(Self.style)
    picture.own("<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n")
    picture.element("text", title, [("class", "title"), ("x", "12"), ("y", "24")])
    picture.append(body)
    picture.own("</svg>\n")
    return picture.bytes
  }

  /// The picture in words, for screen readers.
  private var description: String {
    let length = run.grid.segments.map(\.stretch.end).max() ?? run.origin
    let start = run.grid.segments.first?.stretch.start ?? run.origin
    var words = "Charts over \(Durations.rounded(length - start)). "
    for panel in panels {
      for series in panel.series {
        let name = Self.name(series)
        guard let range = series.envelope.range else {
          words += "\(name): no values. "
          continue
        }
        let unit = Self.unit(series)
        words += "\(name): from \(Self.number(range.lowerBound, series.unit)) to "
        words += "\(Self.number(range.upperBound, series.unit))\(unit.isEmpty ? "" : " " + unit). "
      }
    }
    let streams = Set(panels.flatMap(\.series).map(\.stream))
    let gaps = run.gaps.count { streams.contains($0.stream) }
    if gaps > 0 { words += Counted.text(gaps, "gap") + " without values." }
    return words
  }

  private static func name(_ series: Series) -> String { series.name.shortened(to: nameLimit) }

  private static func number(_ value: Float, _ unit: String) -> String {
    unit.hasPrefix("bytes")
      ? Readable.bytes(Double(value)) : Readable.exact(Double(value))
  }

  /// Collectors whose times are CPU times.
  private static let ofCPUs = ["cpu", "tree", "process", "top"]

  /// The unit of an axis. A ratio of CPU time is a number of CPUs; other ratios have no unit.
  private static func unit(_ series: Series?) -> String {
    switch series?.unit ?? "" {
    case "1":
      series?.metric.unit == .nanoseconds
        && ofCPUs.contains { series?.name.begins($0 + ".") ?? false } ? "CPUs" : ""
    case "bytes": "B"
    case "bytes/s": "B/s"
    case "count": ""
    case "count/s": "/s"
    case "Cel": "°C"
    case let unit: unit
    }
  }

  private func axis(_ panel: Panel) -> Axis {
    let ranges = panel.series.compactMap(\.envelope.range)
    let low = ranges.map { Double($0.lowerBound) }.min() ?? 0
    let high = ranges.map { Double($0.upperBound) }.max() ?? 0
    return Axis(low, high, unit: panel.series.first?.unit ?? "", most: 4)
  }

  // MARK: Legend

  /// The series' names in rows that fit the width.
  private func legend(_ panel: Panel) -> [[(index: Int, x: Double)]] {
    var lines: [[(index: Int, x: Double)]] = [[]]
    var x = Self.left
    for (index, series) in panel.series.enumerated() {
      // An estimate: 7 pixels a character.
      let width = 34 + Double(Self.name(series).count) * 7 + 14
      if x > Self.left, x + width > Self.width - 12 {
        lines.append([])
        x = Self.left
      }
      lines[lines.count - 1].append((index, x))
      x += width
    }
    return lines
  }

  private func draw(
    _ legend: [[(index: Int, x: Double)]], of panel: Panel, at top: Double, into text: inout SVGText
  ) {
    for (row, line) in legend.enumerated() {
      let y = top + Double(row) * Self.legendHeight + 12
      for (index, x) in line {
        text.open(
          "line",
          [
            ("class", "line s\(index)"), ("x1", SVGText.number(x)), ("x2", SVGText.number(x + 28)),
            ("y1", SVGText.number(y - 4)), ("y2", SVGText.number(y - 4)),
          ], isEmpty: true)
        text.element(
          "text", Self.name(panel.series[index]),
          [("x", SVGText.number(x + 34)), ("y", SVGText.number(y))])
      }
    }
  }

  // MARK: Panels

  /// The position of a panel and the ranges of its axes.
  private struct Frame {
    let left: Double
    let top: Double
    let width: Double
    let height: Double
    /// The time at the left edge, on the run's time line.
    let start: UInt64
    let time: Axis
    let values: Axis

    func x(_ time: UInt64) -> Double {
      let away = time > start ? Double(time - start) : 0
      return left + min(1, away / self.time.range.upperBound) * width
    }

    func y(_ value: Double) -> Double {
      let length = values.range.upperBound - values.range.lowerBound
      return top + height - (value - values.range.lowerBound) / length * height
    }
  }

  private func draw(_ panel: Panel, in frame: Frame, into text: inout SVGText) {
    drawGaps(panel, in: frame, into: &text)
    drawGrid(panel, in: frame, into: &text)
    for (index, series) in panel.series.prefix(Self.mostSeries).enumerated() {
      for line in lines(series, in: frame) {
        if line.contains(where: { $0.low != $0.high }), line.count > 1 {
          let upper = line.map { "\(SVGText.number($0.x)),\(SVGText.number($0.high))" }
          let lower = line.reversed().map { "\(SVGText.number($0.x)),\(SVGText.number($0.low))" }
          text.open(
            "polygon",
            [("class", "band b\(index)"), ("points", (upper + lower).joined(separator: " "))],
            isEmpty: true)
        }
        // A single value is a dot: a line of zero length with round ends.
        let points = line.count == 1 ? [line[0], line[0]] : line
        text.open(
          "polyline",
          [
            ("class", "line s\(index)"),
            (
              "points",
              points.map { "\(SVGText.number($0.x)),\(SVGText.number($0.middle))" }
                .joined(separator: " ")
            ),
          ], isEmpty: true)
      }
    }
  }

  /// The points of a series, split at its gaps.
  private func lines(
    _ series: Series, in frame: Frame
  ) -> [[(x: Double, low: Double, middle: Double, high: Double)]] {
    var lines: [[(x: Double, low: Double, middle: Double, high: Double)]] = []
    let gaps = run.gaps.filter { $0.stream == series.stream }
    for segment in run.grid.segments {
      var line: [(x: Double, low: Double, middle: Double, high: Double)] = []
      var last: UInt64?
      var rest = gaps.filter { $0.end > segment.stretch.start && $0.start < segment.stretch.end }[
        ...]
      for bucket in segment.buckets {
        let (start, end) = (segment.start(of: bucket), segment.start(of: bucket + 1))
        let middle = start + (end - start) / 2
        switch series.envelope[bucket] {
        case .empty: break
        case .absent:
          if !line.isEmpty { lines.append(line) }
          line = []
        case .values(let low, let median, let high):
          while let gap = rest.first, gap.end <= end {
            // The gap lies between the previous value and this one: the line is split there.
            if let last, gap.end > last, !line.isEmpty, gap.start < middle {
              lines.append(line)
              line = []
            }
            rest = rest.dropFirst()
          }
          line.append(
            (
              frame.x(middle), frame.y(Double(low)), frame.y(Double(median)), frame.y(Double(high))
            ))
          last = middle
        }
      }
      if !line.isEmpty { lines.append(line) }
    }
    return lines
  }

  private func drawGaps(_ panel: Panel, in frame: Frame, into text: inout SVGText) {
    let streams = Set(panel.series.map(\.stream))
    for gap in run.gaps where streams.contains(gap.stream) {
      let (left, right) = (frame.x(gap.start), frame.x(gap.end))
      text.open(
        "rect",
        [
          ("class", "gap"), ("x", SVGText.number(left)), ("y", SVGText.number(frame.top)),
          ("width", SVGText.number(max(1, right - left))),
          ("height", SVGText.number(frame.height)),
        ])
      text.element("title", Self.words(gap))
      text.own("</rect>\n")
    }
  }

  private static func words(_ gap: SeriesGap) -> String {
    switch gap.cause {
    case .deadlines: Counted.text(gap.count, "deadline") + " skipped or dropped"
    case .outcome(let outcome):
      Counted.text(gap.count, "acquisition") + " without values: \(outcome.phrase)"
    }
  }

  private func drawGrid(_ panel: Panel, in frame: Frame, into text: inout SVGText) {
    let (right, bottom) = (frame.left + frame.width, frame.top + frame.height)
    for tick in frame.values.ticks {
      let y = frame.y(tick.value)
      text.line("grid", frame.left, y, right, y)
      text.element(
        "text", tick.text,
        [
          ("class", "tick end"), ("x", SVGText.number(frame.left - 6)),
          ("y", SVGText.number(y + 4)),
        ])
    }
    for tick in frame.time.ticks {
      let x = frame.left + tick.value / frame.time.range.upperBound * frame.width
      text.line("grid", x, frame.top, x, bottom)
      text.element(
        "text", tick.text,
        [("class", "tick middle"), ("x", SVGText.number(x)), ("y", SVGText.number(bottom + 15))])
    }
    let unit = Self.unit(panel.series.first)
    guard !unit.isEmpty else { return }
    text.element(
      "text", unit,
      [
        ("class", "tick middle"),
        ("transform", "rotate(-90 14 \(SVGText.number(frame.top + frame.height / 2)))"),
        ("x", "14"), ("y", SVGText.number(frame.top + frame.height / 2)),
      ])
  }

  // MARK: Style

  private static let style: String = {
    var light = """
      .ground { fill: #ffffff; }
      text { font: 12px system-ui, "DejaVu Sans", Arial, sans-serif; fill: #1f2328; }
      .title { font-size: 14px; font-weight: 600; }
      .tick { font-size: 11px; fill: #57606a; }
      .end { text-anchor: end; }
      .middle { text-anchor: middle; }
      .grid { stroke: #d8dee4; stroke-width: 1; }
      .gap { fill: #8c959f; fill-opacity: 0.35; }
      .line { fill: none; stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round; }
      .band { stroke: none; fill-opacity: 0.22; }

      """
    var dark = """
      .ground { fill: #0d1117; }
      text { fill: #e6edf3; }
      .tick { fill: #9198a1; }
      .grid { stroke: #30363d; }

      """
    for (index, style) in styles.enumerated() {
      let dashes = style.dashes.isEmpty ? "" : " stroke-dasharray: \(style.dashes);"
      light += ".s\(index) { stroke: \(style.light);\(dashes) }\n"
      light += ".b\(index) { fill: \(style.light); }\n"
      dark += ".s\(index) { stroke: \(style.dark); }\n.b\(index) { fill: \(style.dark); }\n"
    }
    return "<style>\n\(light)@media (prefers-color-scheme: dark) {\n\(dark)}\n</style>\n"
  }()
}
