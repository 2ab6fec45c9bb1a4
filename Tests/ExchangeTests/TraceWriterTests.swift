import SampleModel
import Testing

@testable import Exchange

/// Bytes that were worked out by hand from the encoding's description.
@Suite struct ProtoMessageTests {
  @Test func fieldsHaveTheirNumberAndKind() {
    var message = ProtoMessage()
    message.number(1, 150)
    message.text(2, "testing")
    message.fixed(4, 1)
    message.flag(16, true)
    message.message(3) { $0.number(1, 150) }
    #expect(
      message.bytes == [0x08, 0x96, 0x01, 0x12, 0x07] + Array("testing".utf8)
        + [0x21, 1, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x01, 0x01, 0x1A, 0x03, 0x08, 0x96, 0x01])
  }

  /// A negative number is a two's complement of ten bytes, and no zigzag.
  @Test func negativeNumbersAreTenBytes() {
    var message = ProtoMessage()
    message.signed(1, -2)
    #expect(message.bytes == [0x08, 0xFE] + Array(repeating: 0xFF, count: 8) + [0x01])
  }

  @Test func realsAreEightBytesFromTheLowestOn() {
    var message = ProtoMessage()
    message.real(44, 1)
    #expect(message.bytes == [0xE1, 0x02, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F])
  }
}

@Suite struct TraceWriterTests {
  private final class Bytes {
    var all: [UInt8] = []
  }

  private func trace(
    _ body: (TraceWriter) throws(LBError) -> Void
  ) throws -> ReadTrace {
    let bytes = Bytes()
    let writer = TraceWriter(run: "r") { part throws(LBError) in bytes.all += part }
    try body(writer)
    try writer.finish()
    return try #require(ReadTrace(bytes.all))
  }

  /// 8 timestamp, 10 sequence, 13 flags of the first packet, 6 clocks with 1 id and 2 time.
  @Test func theFirstPacketHasTheClocks() throws {
    let trace = try trace { writer throws(LBError) in
      try writer.clocks(boottime: 30, monotonic: 20, realtime: 10)
      _ = try writer.add(TraceTrack(name: "host"))
    }
    let first = try #require(trace.packets.first)
    #expect(first.number(10) == 100 && first.number(13) == 1 && first.number(8) == nil)
    let clocks = try #require(first.message(6))
    #expect(clocks.number(2) == 6)
    let read = clocks.messages(1).map { [$0.number(1), $0.number(2)] }
    #expect(read == [[6, 30], [3, 20], [1, 10]])
    #expect(trace.packets[1].number(13) == nil)
  }

  @Test func wholeNumbersAreExactAndOthersAreReals() throws {
    let trace = try trace { writer throws(LBError) in
      try writer.clocks(boottime: 0, monotonic: 0, realtime: 0)
      let track = try writer.add(TraceTrack(name: "c"))
      try writer.counter(track, at: 1, .integer(UInt64(Int64.max)))
      try writer.counter(track, at: 2, .integer(UInt64(Int64.max) + 1))
      try writer.counter(track, at: 3, .real(-0.5))
      try writer.counter(track, at: 4, .absent)
    }
    let events = trace.events()
    #expect(events.map(\.time) == [1, 2, 3] && events.allSatisfy { $0.type == 4 })
    #expect(events.map(\.whole) == [UInt64(Int64.max), nil, nil])
    #expect(events.map(\.real) == [nil, 9_223_372_036_854_775_808, -0.5])
  }

  /// Names are bytes: controls, quotes and bytes that are not UTF-8 stay within their field.
  @Test(arguments: ["a\u{0}b\n\"\u{202E}", "\u{EF80}x", "", String(repeating: "é", count: 70_000)])
  func hostileNamesAreData(name: String) throws {
    let trace = try trace { writer throws(LBError) in
      try writer.clocks(boottime: 0, monotonic: 0, realtime: 0)
      let track = try writer.add(TraceTrack(name: name))
      try writer.instant(track, at: 1, name, [TraceNote(name, name)], category: name)
    }
    let written = OSText.written(name)
    #expect(trace.names.values.map { $0 } == [[written]])
    let event = try #require(trace.events().first)
    #expect(event.name == written && event.notes == [written: written])
  }

  @Test func arrowsLeadFromASliceToAnInstant() throws {
    let trace = try trace { writer throws(LBError) in
      try writer.clocks(boottime: 0, monotonic: 0, realtime: 0)
      let track = try writer.add(TraceTrack(name: "t"))
      let arrow = writer.flow()
      try writer.begin(track, at: 1, "slice", flows: [arrow])
      try writer.end(track, at: 2)
      try writer.instant(track, at: 2, "found", ending: arrow)
    }
    let events = trace.packets.compactMap { $0.message(11) }
    #expect(events.map { $0.number(9) } == [1, 2, 3])
    let arrow = try #require(events[0].number(47))
    #expect(events[2].number(48) == arrow && events[2].number(47) == nil)
  }

  /// Two traces that are concatenated have no track in common.
  @Test func tracksOfOtherRunsHaveOtherNumbers() throws {
    var numbers: [UInt64] = []
    for run in ["a-20260101-000000-00000000", "a-20260101-000000-00000001"] {
      let writer = TraceWriter(run: run) { _ throws(LBError) in }
      for name in ["x", "y"] { numbers.append(try writer.add(TraceTrack(name: name))) }
    }
    #expect(Set(numbers).count == 4 && numbers.allSatisfy { $0 > 0 && $0 < 1 << 49 })
  }
}

@Suite struct TraceClockTests {
  private func anchor(_ monotonic: UInt64, _ realtime: UInt64, _ boottime: UInt64) -> ClockAnchor {
    ClockAnchor(monotonic: monotonic, realtime: realtime, boottime: boottime)
  }

  /// Reading one clock after another takes some nanoseconds, which are no suspend.
  @Test func onlyASuspendMovesTheClocksApart() {
    let second: UInt64 = 1_000_000_000
    let clock = TraceClock([
      anchor(second, 9, second + 500), anchor(2 * second, 9, 2 * second + 900),
      anchor(3 * second, 9, 8 * second),
    ])
    #expect(clock.readings.map(\.boottime) == [second + 500, 2 * second + 500, 8 * second])
    #expect(clock.boottime(second - 1) == second + 499)
    #expect(clock.boottime(2 * second + 7) == 2 * second + 507)
    #expect(clock.boottime(3 * second + 7) == 8 * second + 7)
  }

  /// A second boot's own CLOCK_BOOTTIME begins anew; the trace's goes on.
  @Test func aLaterBootContinuesTheFirst() {
    let clock = TraceClock([anchor(1000, 1, 5000), anchor(9_000_000, 2, 40)])
    #expect(clock.readings.map(\.boottime) == [5000, 9_004_000])
  }

  @Test func timesBeyondTheRangeStayWithinIt() {
    let clock = TraceClock([anchor(.max, .max, 3), anchor(5, 1, .max)])
    #expect(clock.readings.allSatisfy { $0.boottime <= UInt64(Int64.max) })
    #expect(clock.boottime(.max) <= UInt64(Int64.max))
    #expect(TraceClock([]).boottime(.max) == UInt64(Int64.max))
  }

  private func entry(_ date: UInt64, _ kind: String = "run.start") -> JournalEntry {
    JournalEntry(unixNanoseconds: date, level: "info", kind: kind, message: "", run: "r")
  }

  /// The wall clock is set back by 50 at 160: dates from 110 to 160 exist twice.
  @Test func datesAfterAStepBackAreThoseBehindIt() {
    var clock = JournalClock([anchor(0, 100, 0), anchor(60, 110, 60)])
    #expect(clock.time(of: entry(155)) == 55)
    #expect(clock.time(of: entry(110, "clockStep")) == 60)
    #expect(clock.time(of: entry(120)) == 70)
  }

  @Test func datesFollowTheLatestAnchor() {
    var clock = JournalClock([anchor(0, 100, 0), anchor(60, 1000, 60)])
    #expect(clock.time(of: entry(130)) == 30)
    #expect(clock.time(of: entry(1010)) == 70)
  }
}
