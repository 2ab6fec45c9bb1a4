import Foundation
import Testing

@testable import Report
@testable import SampleModel

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Elements of a picture, with the text in each.
private final class Elements: NSObject, XMLParserDelegate {
  struct Element {
    let name: String
    let attributes: [String: String]
    var text = ""

    /// The points of a line.
    var points: [(x: Double, y: Double)] {
      (attributes["points"] ?? "").split(separator: " ").compactMap { pair in
        let parts = pair.split(separator: ",").compactMap { Double($0) }
        return parts.count == 2 ? (parts[0], parts[1]) : nil
      }
    }
  }

  var all: [Element] = []
  private var open: [Int] = []

  init(_ picture: [UInt8]) throws {
    super.init()
    let parser = XMLParser(data: Data(picture))
    parser.delegate = self
    try #require(parser.parse(), "\(String(describing: parser.parserError))")
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    open.append(all.count)
    all.append(Element(name: name, attributes: attributes))
  }
  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) { open.removeLast() }
  func parser(_ parser: XMLParser, foundCharacters text: String) {
    if let last = open.last { all[last].text += text }
  }

  func callAsFunction(_ name: String, _ style: String? = nil) -> [Element] {
    all.filter { element in
      element.name == name
        && (style.map { (element.attributes["class"] ?? "").hasPrefix($0) } ?? true)
    }
  }
}

@Suite struct PictureTests {
  private let tick: UInt64 = 1_000_000_000

  /// A gauge of bytes and a counter of CPU time, of 100 seconds, without the ticks of `dead`.
  private func run(
    instance: String = "", dead: Range<UInt64> = 0..<0, level: (UInt64) -> UInt64 = { $0 * 1024 }
  ) throws -> RunSeries {
    let columns = [
      Column(
        collector: "m", metric: MetricDescription("level", .bytes, .gauge, meaning: ""),
        instance: instance),
      Column(
        collector: "cpu", metric: MetricDescription("user", .nanoseconds, .counter, meaning: ""),
        instance: "all"),
    ]
    let start = 50 * tick
    let sink = SeriesSink(
      TimeGrid(
        [.init(bracket: 1, start: start, end: start + 100 * tick)], buckets: ChartPicture.columns,
        interval: tick), origin: start)
    try sink.begin(
      StreamMeta(
        interval: tick,
        streams: [.init(collector: "m", stream: 0, thread: 0, cpu: 0, cadence: 1, required: true)],
        unavailable: [], records: [],
        anchor: ClockAnchor(monotonic: start, realtime: 9, boottime: 0), notes: []))
    try sink.layout(Layout(collector: "m", stream: 0, epoch: 1, columns: columns))
    for index in 0...100 as ClosedRange<UInt64> where !dead.contains(index) {
      let time = start + index * tick
      try sink.frame(
        FrameHeader(
          edge: index == 0 ? .open : .none, stream: 0, epoch: 1, bracket: 1, deadlineIndex: index,
          deadline: time, start: time, end: time), [level(index), index * tick / 2].span)
    }
    return sink.finish()
  }

  private func picture(_ run: RunSeries, title: String = "title") -> [UInt8] {
    ChartPicture(run, panels: run.series.map { ChartPicture.Panel([$0]) }, title: title).svg()
  }

  /// A line is where its values are, by the axis' own numbers.
  @Test func aLineLiesWhereItsValuesAre() throws {
    let elements = try Elements(picture(try run()))
    let lines = elements("polyline")
    #expect(lines.count == 2)
    // The axis of 0 to 101,376 bytes: ticks of 32 KiB.
    let ticks = elements("text", "tick end").map {
      ($0.text, Double($0.attributes["y"] ?? "") ?? 0)
    }
    #expect(ticks.map(\.0) == ["0", "32K", "64K", "96K", "128K", "0.0", "0.2", "0.4", "0.6"])
    let perKibibyte = (ticks[0].1 - ticks[4].1) / 128
    let times = elements("text", "tick middle").filter { $0.text.hasSuffix(" s") }
    #expect(times.prefix(3).map(\.text) == ["0 s", "10 s", "20 s"])
    for point in lines[0].points {
      let second = ((point.x - 72) / 6.8).rounded(.down)
      let value = (ticks[0].1 - 4 - point.y) / perKibibyte
      #expect(abs(value - second) <= 1, "\(point): \(second) s, \(value) KiB")
    }
    #expect(Set(lines[1].points.map(\.y)).count == 1, "half a CPU at all times")
    let words = elements("desc").map(\.text).joined()
    #expect(words.contains("m.level: from 1K to 100K B."), "\(words)")
    #expect(words.contains("cpu.user[all]: from 0.5 to 0.5 CPUs."), "\(words)")
    #expect(elements("text").contains { $0.text == "CPUs" } && elements("title")[0].text == "title")
  }

  @Test func aSpikeOfOneSampleReachesItsHeight() throws {
    let elements = try Elements(picture(try run { $0 == 37 ? 1 << 20 : 1024 }))
    let ticks = elements("text", "tick end").prefix(5).map { Double($0.attributes["y"] ?? "") ?? 0 }
    #expect(elements("text", "tick end").prefix(5).last?.text == "1.00M")
    let least = (elements("polyline")[0].points + elements("polygon").flatMap(\.points)).map(\.y)
      .filter { $0 < ticks[0] }.min()
    #expect(least == (ticks.last ?? 0) - 4)
  }

  /// A gap ends the line, and is grey for as long as it took; nothing is drawn at zero for it.
  @Test func aGapIsAGap() throws {
    let elements = try Elements(picture(try run(dead: 40..<60) { _ in 1000 }))
    let gaps = elements("rect", "gap")
    #expect(gaps.count == 2, "one in each panel")
    let left = Double(gaps[0].attributes["x"] ?? "") ?? 0
    let width = Double(gaps[0].attributes["width"] ?? "") ?? 0
    #expect(abs(left - (72 + 39 * 6.8)) < 0.2 && abs(width - 21 * 6.8) < 0.2, "\(left) \(width)")
    #expect(elements("title").map(\.text).contains("20 deadlines skipped or dropped"))
    let lines = elements("polyline").prefix(2).map(\.points)
    #expect(lines.allSatisfy { line in Set(line.map(\.y)).count == 1 })
    #expect(
      (lines[0].map(\.x).max() ?? 0) < left + 7 && (lines[1].map(\.x).min() ?? 0) > left + width)
    #expect(elements("desc")[0].text.contains("1 gap without values"))
  }

  @Test func namesAreTextAndBytesAreTheSame() throws {
    let name =
      "</text><script>\u{202e}&\"'\u{1b}\u{fffe}\u{2028}" + String(repeating: "x", count: 1 << 20)
    let one = picture(try run(instance: name), title: "a <b> & \u{ffff}")
    #expect(one == picture(try run(instance: name), title: "a <b> & \u{ffff}"))
    #expect(one.count < 100_000)
    let elements = try Elements(one)
    #expect(elements("script").isEmpty)
    #expect(elements("title")[0].text == "a <b> & \u{fffd}")
    #expect(elements("text").contains { $0.text.hasPrefix("m.level[</text><script>\\u{202E}&") })
  }

  @Test func axesHaveRoundNumbersThatAreToldApart() {
    for (low, high, unit) in [
      (0, 1, "1"), (0, 0, "1"), (-3, 5, "count"), (0.001, 0.0012, "1"), (2.28e10, 2.30e10, "bytes"),
      (0, 1e300, "count"), (1e-9, 1.1e-9, "1"), (999, 1001, "count"), (5, 5, "count"),
    ] as [(Double, Double, String)] {
      let axis = Axis(low, high, unit: unit, most: 4)
      #expect(axis.range.lowerBound <= low && axis.range.upperBound >= high, "\(low) \(high)")
      #expect((2...7).contains(axis.ticks.count), "\(axis.ticks)")
      if unit == "bytes" || high < 1e9 && high > 1e-3 {
        #expect(Set(axis.ticks.map(\.text)).count == axis.ticks.count, "\(axis.ticks.map(\.text))")
      }
    }
    for length in [1, 999, 1_000_000, 12_000_000_000, 3600_000_000_000, .max] as [UInt64] {
      let axis = Axis(timeUpTo: length, most: 10)
      #expect((1...11).contains(axis.ticks.count) && axis.ticks[0].text == "0 s")
      #expect(Set(axis.ticks.map(\.text)).count == axis.ticks.count, "\(axis.ticks.map(\.text))")
    }
  }
}
