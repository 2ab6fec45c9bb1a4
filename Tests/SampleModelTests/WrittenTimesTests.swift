import SampleModel
import Testing

/// Moments, ages and amounts of storage as they are written.
@Suite struct WrittenTimesTests {
  private static let second: UInt64 = 1_000_000_000

  @Test(arguments: [
    ("1970-01-01", 0), ("2026-01-31", 1_769_817_600), ("2024-02-29", 1_709_164_800),
    ("2026-01-31T12:30", 1_769_862_600), ("2026-01-31 12:30:15Z", 1_769_862_615),
    ("2000-03-01T23:59:59", 951_955_199),
  ])
  func datesAreUTC(_ text: String, _ seconds: UInt64) {
    #expect(WrittenTimes.moment(text, now: 0) == seconds * Self.second)
  }

  @Test func agesAreBeforeNow() {
    let now = 1_000_000 * Self.second
    #expect(WrittenTimes.moment("1d", now: now) == now - 86_400 * Self.second)
    #expect(WrittenTimes.moment("1.5h", now: now) == now - 5400 * Self.second)
    #expect(WrittenTimes.moment("2w", now: now) == 0)
    #expect(WrittenTimes.age("90d") == 7_776_000 * Self.second)
    #expect(WrittenTimes.age("2w") == 1_209_600 * Self.second)
    #expect(WrittenTimes.age("30m") == 1800 * Self.second)
  }

  @Test(arguments: [
    "", "90", "-1d", "d", "1x", "2026-02-30", "2025-02-29", "2026-13-01", "2026-1-31",
    "2026-01-31Z",
    "2026-01-31T24:00", "2026-01-31T12", "2026-01-31T12:30:60", "1969-12-31", "2026-01-31x12:30",
    "20260131", "99999999999w", "2026-01-31T1２:30",
  ])
  func anythingElseIsNoMoment(_ text: String) {
    #expect(WrittenTimes.moment(text, now: 1) == nil, "\(text)")
  }

  @Test func bytesHaveBinaryPrefixes() {
    #expect(WrittenTimes.bytes("10G") == 10 << 30)
    #expect(WrittenTimes.bytes("64KiB") == 65536)
    #expect(WrittenTimes.bytes("1.5T") == 3 << 39)
    #expect(WrittenTimes.bytes("0") == 0 && WrittenTimes.bytes("123") == 123)
    for text in ["", "G", "10GB", "10g", "-1K", "1.5", "99999999P", "iB", "5iB", "0x10K", "nan"] {
      #expect(WrittenTimes.bytes(text) == nil, "\(text)")
    }
  }
}
