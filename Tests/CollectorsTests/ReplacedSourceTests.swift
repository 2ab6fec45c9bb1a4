import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

/// A name may come to stand for something else between two readings: another device, another file,
/// a total of other CPUs. What counted before does not go on then.
@Suite struct ReplacedSourceTests {
  private let folder: TemporaryFolder
  private let context: CollectorContext

  init() throws {
    folder = try TemporaryFolder()
    context = CollectorContext(
      roots: MountRoots(proc: folder.file("proc"), sys: folder.file("sys")))
  }

  private func collector(_ name: String) throws -> any Collector {
    try #require(CollectorRegistry.host()[name])
  }

  /// The growth of each counter and the level of each gauge after the readings of `texts`, the file
  /// being rewritten in its place.
  private func steps(
    _ name: String, _ path: String, _ texts: [String]
  ) throws -> (steps: [[String: UInt64]], resets: UInt64) {
    try folder.write(path, texts[0])
    let armed = try collector(name).arm(context)
    defer { armed.disarm() }
    let decoder = try #require(armed.decoder)
    var account = CounterAccount()
    var epoch: UInt32 = 0
    var all: [[String: UInt64]] = []
    for (time, text) in texts.enumerated() {
      try folder.write(path, text)
      let (body, _) = RawBody.collect(atLeast: 0) { armed.read(into: &$0) }
      let outcome = decoder.decode(body.span)
      if time == 0 || outcome == .valuesOfNewColumns {
        epoch += 1
        account.layout(
          Layout(collector: name, stream: 0, epoch: epoch, columns: decoder.columns))
      }
      account.observe(decoder.values.span, at: UInt64(time) * 1_000_000_000)
      var steps: [String: UInt64] = [:]
      for (place, column) in decoder.columns.enumerated() {
        steps[column.name] = account.step(place)
      }
      all.append(steps)
    }
    return (all, account.counts.resets)
  }

  /// 12,248 requests are not what the second disk of that name did in between.
  @Test func anotherDiskOfTheNameBeginsAnew() throws {
    let rest = "2 3 4 5 6 7 8 9 10 11"
    let texts = [
      "8 0 sda 100 \(rest)\n8 16 sdb 7 \(rest)\n", "8 0 sda 110 \(rest)\n8 16 sdb 8 \(rest)\n",
      "8 32 sda 12358 \(rest)\n8 16 sdb 9 \(rest)\n",
      "8 32 sda 12360 \(rest)\n8 16 sdb 9 \(rest)\n",
    ]
    let (steps, resets) = try steps("disk", "proc/diskstats", texts)
    #expect(steps.map { $0["disk.read_ios[sda]"] } == [nil, 10, nil, 2])
    #expect(steps.map { $0["disk.read_ios[sdb]"] } == [nil, 1, 1, 0])
    // Eleven columns, of which `in_flight` is a gauge.
    #expect(resets == 10)
  }

  /// Where the total is of the CPUs that are listed, as LXCFS has it, one that goes or comes moves
  /// it by all that it ever did.
  @Test func aTotalOfTheListedCPUsBeginsAnewWithThem() throws {
    func text(_ cpus: [Int: Int]) -> String {
      let lines = cpus.sorted { $0.key < $1.key }.map { "cpu\($0.key) \($0.value) 0 0 9 0 0 0 0" }
      let total = cpus.values.reduce(0, +)
      return "cpu  \(total) 0 0 18 0 0 0 0\n" + lines.joined(separator: "\n") + "\nctxt \(total)\n"
    }
    let (steps, _) = try steps(
      "cpu", "proc/stat",
      [
        text([0: 100, 1: 5000]), text([0: 101, 1: 5002]), text([0: 103]), text([0: 106]),
        text([0: 110, 1: 5100]), text([0: 111, 1: 5101]),
      ])
    #expect(steps.map { $0["cpu.user[all]"] } == [nil, 3, nil, 3, nil, 2])
    #expect(steps.map { $0["cpu.user[0]"] } == [nil, 1, 2, 3, 4, 1])
  }

  /// A file of no kernel's may be replaced: its old inode would give old numbers for ever.
  @Test func aFileThatWasReplacedIsNotReadOn() throws {
    try folder.write("proc/loadavg", "0.50 0.40 0.30 1/200 7\n")
    try folder.write("proc/next", "9.50 0.40 0.30 1/200 7\n")
    let armed = try collector("load").arm(context)
    defer { armed.disarm() }
    let decoder = try #require(armed.decoder)
    func outcome() -> RawDecoder.Outcome {
      let (body, _) = RawBody.collect(atLeast: 0) { armed.read(into: &$0) }
      return decoder.decode(body.span)
    }
    #expect(outcome() == .values && !decoder.wantsRearm)
    try folder.move("proc/next", to: "proc/loadavg")
    #expect(outcome() == .values && decoder.values.first == 950, "not one reading is lost")
    let next = try collector("load").arm(context)
    defer { next.disarm() }
    #expect(next.decoder?.values.first == 950)
    try folder.write("proc/last", "1.50 0.40 0.30 1/200 7\n")
    try folder.move("proc/last", to: "proc/loadavg")
    #expect(outcome() == .values && decoder.values.first == 150)
    try folder.delete("proc/loadavg")
    #expect(outcome() == .gap(.absent) && decoder.wantsRearm)
    let (body, _) = RawBody.collect(atLeast: 0) { next.read(into: &$0) }
    #expect(next.decoder?.decode(body.span) == .gap(.absent))
  }

  /// THERMAL_TEMP_INVALID, and all else below absolute zero, is no temperature.
  @Test(arguments: [(-274_000, nil), (-273_151, nil), (-273_150, -273_150), (41_000, 41_000)])
  func nothingIsColderThanAbsoluteZero(_ printed: Int, _ value: Int64?) throws {
    try folder.write("sys/class/thermal/thermal_zone0/temp", "\(printed)\n")
    try folder.write("sys/class/thermal/thermal_zone1/temp", "1000\n")
    let armed = try collector("temperature").arm(context)
    defer { armed.disarm() }
    let names = armed.columns.map(\.name)
    #expect(names.count == (value == nil ? 1 : 2))
    let first = zip(names, armed.decoder?.values ?? []).first { $0.0.contains("zone0") }?.1
    #expect(first.map(Int64.init(bitPattern:)) == value)
  }
}
