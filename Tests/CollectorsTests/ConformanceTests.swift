import Collectors
import Glibc
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

/// What every collector must do, whichever it is. A new one is in the registry, and so here.
@Suite(.serialized) struct ConformanceTests {
  static let collectors = CollectorRegistry.host().collectors.map(\.description.name)

  private func collector(_ name: String) throws -> any Collector {
    try #require(CollectorRegistry.host()[name])
  }

  /// A copy of a captured host that a test may damage.
  private func fixture() throws -> (TemporaryFolder, CollectorContext) {
    let folder = try TemporaryFolder()
    let source =
      "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
      + "/Fixtures/6.18-2cpu/proc"
    for name in ["stat", "net/dev"] {
      let bytes = try SmallFile.read("\(source)/\(name)")
      try folder.write("proc/\(name)", String(decoding: bytes, as: UTF8.self))
    }
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    return (folder, CollectorContext(roots: roots))
  }

  private func sample(_ armed: ArmedCollector) -> (AcquisitionOutcome, [UInt64]) {
    var values = [UInt64](repeating: .max, count: armed.columns.count)
    var span = values.mutableSpan
    let outcome = armed.sample(into: &span)
    return (outcome, values)
  }

  @Test(arguments: collectors)
  func theSchemaMatchesTheValues(_ name: String) throws {
    let (folder, context) = try fixture()
    let collector = try collector(name)
    #expect(collector.probe(context) == .available)
    let armed = try collector.arm(context)
    defer { armed.disarm() }
    let (outcome, values) = sample(armed)
    #expect(outcome == .complete)
    #expect(!values.contains(.max), "a column was not written")
    let names = armed.columns.map(\.name)
    #expect(Set(names).count == names.count)
    let metrics = Set(collector.description.metrics.map(\.name))
    #expect(Set(armed.columns.map(\.metric.name)) == metrics)
    for column in armed.columns {
      #expect(column.name.hasPrefix("\(name)."))
      #expect((column.metric.extent == .host) == column.instance.isEmpty)
      #expect(!column.metric.meaning.isEmpty)
    }
    _ = folder
  }

  @Test(arguments: collectors)
  func theLiveKernelIsRead(_ name: String) throws {
    let armed = try collector(name).arm(CollectorContext(roots: MountRoots()))
    defer { armed.disarm() }
    for _ in 0..<100 { #expect(sample(armed).0 == .complete) }
  }

  @Test(arguments: collectors)
  func filtersKeepTheRightValues(_ name: String) throws {
    let (folder, context) = try fixture()
    let whole = try collector(name).arm(context)
    let all = Dictionary(
      uniqueKeysWithValues: zip(whole.columns.map(\.name), sample(whole).1))
    let wanted = whole.columns.map(\.name).enumerated().filter { $0.offset % 3 == 1 }
      .map(\.element)
    let filtered = try collector(name).arm(
      CollectorContext(roots: context.roots, filter: ColumnFilter(only: wanted)))
    let (outcome, values) = sample(filtered)
    #expect(outcome == .complete)
    #expect(filtered.columns.map(\.name) == wanted)
    #expect(values == wanted.map { all[$0] })
    whole.disarm()
    filtered.disarm()
    _ = folder
  }

  @Test(arguments: collectors)
  func aVanishedSourceIsAbsentAndItsArmingAnError(_ name: String) throws {
    let nowhere = CollectorContext(roots: MountRoots(proc: "/nowhere", sys: "/nowhere"))
    guard case .absent = try collector(name).probe(nowhere) else {
      Issue.record("a probe of nothing says \(try collector(name).probe(nowhere))")
      return
    }
    #expect {
      _ = try collector(name).arm(nowhere)
    } throws: {
      ($0 as? LBError)?.category == .collectorUnavailable
    }
  }

  @Test(arguments: collectors)
  func everyTruncationIsAGapNeverANumber(_ name: String) throws {
    let (folder, context) = try fixture()
    let file = folder.file(name == "cpu" ? "proc/stat" : "proc/net/dev")
    let text = try SmallFile.read(file)
    let armed = try collector(name).arm(context)
    defer { armed.disarm() }
    let (_, whole) = sample(armed)
    for length in stride(from: text.count - 1, through: 0, by: -7) {
      unsafe truncate(file, off_t(length))
      let (outcome, values) = sample(armed)
      if outcome == .complete { #expect(values == whole, "cut at \(length)") }
    }
    #expect(sample(armed).0 != .complete)
  }

  @Test(arguments: collectors)
  func aTextThatOutgrowsItsBufferIsTruncatedUntilArmedAnew(_ name: String) throws {
    let (folder, context) = try fixture()
    let file = folder.file(name == "cpu" ? "proc/stat" : "proc/net/dev")
    let armed = try collector(name).arm(context)
    let text = String(decoding: try SmallFile.read(file), as: UTF8.self)
    var grown = text
    if name == "cpu" {
      grown += "unknown " + String(repeating: "1 ", count: 100_000) + "\n"
    } else {
      for index in 0..<2000 {
        grown += "  veth\(index): 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
      }
    }
    let output = try OwnedDescriptor(open: file, O_WRONLY | O_TRUNC)
    try writeAll(Array(grown.utf8).span, to: output.number)
    #expect(sample(armed).0 == .truncated)
    armed.disarm()
    let anew = try collector(name).arm(context)
    #expect(sample(anew).0 == .complete)
    anew.disarm()
  }

  @Test(arguments: collectors)
  func aThousandArmingsLeaveNoDescriptor(_ name: String) throws {
    let collector = try collector(name)
    let context = CollectorContext(roots: MountRoots())
    let armed = try collector.arm(context)
    #expect(descriptors() >= 1, "the counter must count")
    armed.disarm()
    func cycle() throws {
      let armed = try collector.arm(context)
      _ = sample(armed)
      armed.disarm()
    }
    try cycle()
    let before = descriptors()
    for _ in 0..<1000 { try cycle() }
    #expect(descriptors() <= before + 1, "other suites read /proc at the same time")
  }

  /// Descriptors of this process that are open on /proc files other than its own lists.
  private func descriptors() -> Int {
    directoryEntries("/proc/self/fd").filter { name in
      var buffer = [CChar](repeating: 0, count: 256)
      let count = unsafe readlink("/proc/self/fd/\(name)", &buffer, 255)
      let target = String(
        decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return target == "/proc/stat" || target.hasSuffix("/net/dev")
    }.count
  }

  @Test func aForeignMountShowsItsFirstProcessesInterfaces() throws {
    let (folder, context) = try fixture()
    try folder.write(
      "proc/1/net/dev",
      "h\nh\n  host0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
    let armed = try collector("net").arm(context)
    #expect(Set(armed.columns.map(\.instance)) == ["host0"])
    armed.disarm()
  }

  @Test func theListOfCPUsIsKept() throws {
    let (folder, context) = try fixture()
    var options = CollectorOptions()
    options.cpus = CPUSet([1])
    let cpu = try #require(CollectorRegistry.host(options)["cpu"])
    let armed = try cpu.arm(context)
    #expect(Set(armed.columns.map(\.instance)) == ["all", "1", ""])
    armed.disarm()
    _ = folder
  }
}
