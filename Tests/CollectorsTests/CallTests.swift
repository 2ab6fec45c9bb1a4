import Glibc
import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@testable import Collectors

/// Collectors that ask the kernel by a call rather than read a text.
@Suite(.serialized) struct CallTests {
  private let here = CollectorContext(roots: MountRoots())
  private static let names = CollectorRegistry.host().collectors
    .filter { !$0.needsTarget && !($0 is any TextCollector) }.map(\.description.name)

  private func values(
    _ name: String, _ context: CollectorContext
  ) throws -> (AcquisitionOutcome, [String: UInt64]) {
    let armed = try #require(CollectorRegistry.host()[name]).arm(context)
    defer { armed.disarm() }
    let acquisition = SingleAcquisition(armed)
    let outcome = acquisition.take()
    return (outcome, acquisition.named)
  }

  @Test(arguments: names)
  func theSchemaIsMet(_ name: String) throws {
    let collector = try #require(CollectorRegistry.host()[name])
    guard collector.probe(here) == .available else {
      #expect(!collector.probe(here).reason.isEmpty)
      return
    }
    let armed = try collector.arm(here)
    defer { armed.disarm() }
    for column in armed.columns {
      #expect(collector.description.metrics.contains(column.metric))
      #expect((column.metric.extent == .host) == column.instance.isEmpty)
    }
    let first = try #require(armed.columns.first).name
    let filtered = CollectorContext(roots: MountRoots(), filter: ColumnFilter(only: [first]))
    let (outcome, few) = try values(name, filtered)
    #expect(outcome == .complete)
    #expect(Array(few.keys) == [first])
  }

  @Test(arguments: names)
  func anotherHostsTreeIsNotThisOnesCall(_ name: String) throws {
    let collector = try #require(CollectorRegistry.host()[name])
    let foreign = CollectorContext(roots: MountRoots(proc: "/nowhere", sys: "/nowhere"))
    #expect(collector.probe(foreign).word == "absent")
    #expect(throws: LBError.self) { try collector.arm(foreign) }
  }

  @Test func roomIsWhatStatvfsSays() throws {
    let availability = try #require(CollectorRegistry.host()["filesystems"]).probe(here)
    guard availability == .available else { try Test.cancel("\(availability.reason)") }
    let (outcome, values) = try values("filesystems", here)
    #expect(outcome == .complete)
    let sizes = values.filter { $0.key.hasPrefix("filesystems.f_blocks[") }
    #expect(!sizes.isEmpty)
    for (name, size) in sizes {
      let path = String(name.dropFirst("filesystems.f_blocks[".count).dropLast())
      var status = statvfs()
      guard unsafe statvfs(path, &status) == 0 else { continue }
      #expect(size == UInt64(status.f_blocks) * UInt64(status.f_frsize), "\(path)")
      #expect(values["filesystems.f_files[\(path)]"] == UInt64(status.f_files))
    }
  }

  @Test func anEscapedBlankIsABlank() {
    #expect(FilesystemsCollector.plain("/mnt/a\\040b\\134c") == "/mnt/a b\\c")
    #expect(FilesystemsCollector.plain("/mnt/a\\9") == "/mnt/a\\9")
    // Bytes that are no UTF-8 stay what they are, and an escape may give one.
    #expect(FilesystemsCollector.plain("/\u{EFFF}\\040\u{EFFE}") == "/\u{EFFF} \u{EFFE}")
    #expect(FilesystemsCollector.plain("/\\377") == "/\u{EFFF}")
  }

  @Test func aTickIsTenMilliseconds() throws {
    let (outcome, values) = try values("timex", here)
    #expect(outcome == .complete)
    // Microseconds, within the tenth that the kernel lets it be adjusted by.
    #expect((9_000...11_000).contains(values["timex.tick"] ?? 0))
    #expect((0...5).contains(values["timex.state"] ?? 9))
  }

  @Test func interfacesAreTheSameThroughNetlink() throws {
    func read(_ armed: ArmedCollector) throws -> [String: UInt64] {
      let acquisition = SingleAcquisition(armed)
      #expect(acquisition.take() == .complete)
      return acquisition.named
    }
    let text = try NetCollector(.text).arm(here)
    let binary = try NetCollector(.netlink).arm(here)
    defer {
      text.disarm()
      binary.disarm()
    }
    #expect(binary.notes.contains { $0.contains("RTM_GETSTATS") })
    #expect(Set(text.columns.map(\.name)) == Set(binary.columns.map(\.name)))
    for _ in 0..<20 {
      let low = try read(text)
      let values = try read(binary)
      let high = try read(text)
      for (name, value) in values {
        let from = try #require(low[name])
        let to = try #require(high[name])
        #expect(value >= from && value <= to, "\(name)")
      }
    }
    let some = CollectorContext(
      roots: MountRoots(), filter: ColumnFilter(only: ["net.tx_packets[lo]", "net.rx_errs[lo]"]))
    let filtered = try NetCollector(.netlink).arm(some)
    #expect(filtered.columns.map(\.name) == ["net.rx_errs[lo]", "net.tx_packets[lo]"])
    #expect(try read(filtered).count == 2)
    filtered.disarm()
  }

  @Test func aForeignTreesInterfacesAreItsText() throws {
    let folder = try TemporaryFolder()
    try folder.write("proc/net/dev", "h\nh\n  a0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
    let roots = MountRoots(proc: folder.file("proc"), sys: folder.file("sys"))
    let armed = try NetCollector(.netlink).arm(CollectorContext(roots: roots))
    #expect(Set(armed.columns.map(\.instance)) == ["a0"])
    armed.disarm()
  }
}
