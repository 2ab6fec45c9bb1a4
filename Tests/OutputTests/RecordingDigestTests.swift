import Foundation
import Testing

@testable import Output
@testable import RunAnalysis
@testable import SampleModel

@Suite struct RecordingDigestTests {
  private let second: UInt64 = 1_000_000_000

  private func meta(_ records: [RecordSchema] = []) -> StreamMeta {
    StreamMeta(
      interval: second,
      streams: [
        .init(collector: "cpu", stream: 0, thread: 0, cpu: 0, cadence: 1, required: true)
      ], unavailable: [], records: records,
      anchor: ClockAnchor(monotonic: 0, realtime: 1_000, boottime: 0), notes: [])
  }

  /// A second each: busy time and switches of one collector, and received bytes of two interfaces.
  private func play(_ sink: DigestSink, _ frames: [[UInt64]]) throws {
    let ticks = MetricDescription("user", .nanoseconds, .counter, meaning: "")
    let switches = MetricDescription("ctxt", .count, .counter, meaning: "")
    let columns =
      [
        Column(collector: "cpu", metric: ticks, instance: "all"),
        Column(collector: "cpu", metric: switches, instance: ""),
      ]
      + ["eth0", "lo"].map { Column(collector: "net", metric: bytesIn, instance: $0) }
    try sink.begin(meta())
    try sink.layout(Layout(collector: "cpu", stream: 0, epoch: 1, columns: columns))
    for (tick, values) in frames.enumerated() {
      var header = header(UInt64(tick))
      header.start = (7 + UInt64(tick)) * second
      try send(values, header, to: sink)
    }
    try sink.commit(watermark: .max)
  }

  private func definition() throws -> DigestDefinition {
    DigestDefinition(
      try [
        ("busy", "CPU; busy; 1; none; cpu.user[all] / bracket_time"),
        ("time", "CPU; user time; ns; lower; user_time; cpu.user[all]"),
        ("ratio", "CPU; time a switch; ns; none; cpu.ctxt / wall_time; cpu.ctxt"),
        ("net", "network; received; bytes; none; net.rx_bytes[*] - net.rx_bytes[lo]"),
        ("each", "network; *; ; none; net.rx_bytes[*]"),
        ("off", "energy; packages; J; lower; power.energy[*]"),
      ].map { try DigestRow(key: $0, $1) })
  }

  /// 40 seconds at 10 % of a CPU, of which five in a row are at 90 %: more than a twentieth.
  private var frames: [[UInt64]] {
    var busy: UInt64 = 0
    return (0...40).map { tick in
      if tick > 0 { busy += (20..<25).contains(tick) ? 900_000_000 : 100_000_000 }
      return [busy, UInt64(tick) * 50, UInt64(tick) * 3000, UInt64(tick) * 1000]
    }
  }

  @Test func aRecordingIsItsMeanItsPeakAndWhenItWas() throws {
    let definition = try definition()
    let first = DigestSink(definition)
    try play(first, frames)
    let digest = first.digest
    #expect(digest.span == 40 * second && digest.frames == 41)
    func entry(_ key: String) throws -> RecordingDigest.Entry {
      try #require(digest.entries.first { $0.row.key == key })
    }
    // (35 × 0.1 + 5 × 0.9) / 40.
    let busy = try entry("busy")
    #expect(busy.unit == "1" && abs(busy.mean - 0.2) < 1e-9 && busy.count == 40)
    #expect(abs(busy.maximum - 0.9) < 1e-9 && busy.maximumElapsed == 20 * second)
    #expect(busy.maximumUnix == 27 * second + 1000)
    #expect(abs(busy.percentile95 - 0.9) <= 0.9 / 32 && abs(busy.median - 0.1) <= 0.1 / 32)
    // Nanoseconds a second are a share.
    let time = try entry("time")
    #expect(time.unit == "1" && abs(time.mean - 0.2) < 1e-9 && time.formula == "cpu.user[all]")
    let net = try entry("net")
    #expect(net.unit == "bytes/s" && abs(net.mean - 3000) < 1e-6)
    #expect(
      digest.entries.filter { $0.row.key == "each" }.map(\.row.name)
        == ["net.rx_bytes[eth0]", "net.rx_bytes[lo]"])
    let off = try entry("off")
    #expect(off.count == 0)

    let again = DigestSink(definition, busyIn: digest)
    try play(again, frames)
    let stretches = again.digest.stretches
    #expect(stretches.count == 1, "\(stretches)")
    #expect(stretches[0].start == 26 * second && stretches[0].end == 31 * second)
    let parts = stretches[0].parts.map { again.digest.entries[$0.row].row.key }
    #expect(Set(parts) == ["busy", "time"] && abs(stretches[0].parts[0].mean - 0.9) < 1e-9)

    let process = RecordingDigest.Process(pid: 12, name: "dd", time: 2.5e9)
    let lines = DigestText.lines(again.digest, processes: [[process]])
    #expect(lines.contains("span     40.000 s, 41 frames"), "\(lines)")
    let line = try #require(lines.first { $0.contains(" busy ") && $0.hasPrefix("CPU") })
    #expect(line.contains("20.0 %") && line.hasSuffix("90.0 %  20.000 s"), "\(line)")
    let stretch = try #require(lines.first { $0.hasPrefix("busy     19.000 s … 24.000 s: ") })
    #expect(stretch.contains(" busy 90.0 % (usually "), "\(stretch)")
    #expect(lines.suffix(2).first == "         processes: dd (12) 50.0 %")
    #expect(lines.last?.hasPrefix("busy: means of each row over its own episode") == true)
    let json = try JSONEncoder().encode(DigestDocument.rows(digest))
    let rows = try #require(try JSONSerialization.jsonObject(with: json) as? [[String: Any]])
    let absent = try #require(rows.first { $0["key"] as? String == "off" })
    #expect(absent["mean"] is NSNull && (absent["reason"] as? String)?.isEmpty == false)
  }

  @Test func aSteadyRecordingHasNoBusyStretch() throws {
    let definition = try definition()
    let sink = DigestSink(definition)
    try play(sink, (0...40).map { [$0 * 100_000_000, $0 * 50, $0 * 3000, $0 * 1000] })
    #expect(!sink.digest.mayHaveBeenBusy)
  }

  /// Of `busiest` the CPU time of a window, of `process` that since the start: half of a window in
  /// the stretch is half of its time.
  @Test func processesAreThoseOfTheStretch() throws {
    let fields = [
      MetricDescription("kind", .count, .gauge, meaning: ""),
      MetricDescription("pid", .count, .gauge, meaning: ""),
      MetricDescription("comm", .text, .gauge, meaning: ""),
      MetricDescription("sum_exec_runtime", .nanoseconds, .counter, meaning: ""),
      MetricDescription("elapsed", .nanoseconds, .gauge, meaning: ""),
    ]
    let schemas = ["busiest", "process"].enumerated().map { stream, name in
      RecordSchema(
        collector: name, stream: UInt16(stream), name: name, fields: fields, rowsPerTick: 9)
    }
    let sink = ProcessSink([
      BusyStretch(start: 10 * second, end: 20 * second, parts: []),
      BusyStretch(start: 90 * second, end: 91 * second, parts: []),
    ])
    try sink.begin(meta(schemas))
    func send(_ stream: UInt16, at time: UInt64, _ rows: [UInt64]) throws {
      var header = header(1)
      header.stream = stream
      header.start = time * second
      try sink.records(header, rows.span)
    }
    let (dd, sh) = (UInt64(0x6464), UInt64(0x6873))
    // dd: 4 s in a window of 10 s, of which half lies in the stretch.
    try send(0, at: 15, [0, 1, dd, 4 * second, 10 * second])
    // sh: 1 s up to the stretch's start, 7 s at its end; its thread says the same again.
    try send(1, at: 10, [0, 2, sh, second, .max])
    try send(1, at: 20, [0, 2, sh, 7 * second, .max, 1, 2, sh, 7 * second, .max])
    // A number that another process got, and one beyond the stretch.
    try send(1, at: 30, [0, 2, sh, second, .max])
    let found = sink.processes
    #expect(
      found[0] == [
        RecordingDigest.Process(pid: 2, name: "sh", time: 6e9),
        RecordingDigest.Process(pid: 1, name: "dd", time: 2e9),
      ])
    #expect(found[1].isEmpty)
  }
}
