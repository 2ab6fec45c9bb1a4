import Glibc
import TestSupport
import Testing

@testable import LinuxSystem

/// Facts of a host, from trees that no kernel prints, and from texts that some do.
@Suite struct HostileTreeTests {
  private func tree(_ files: [String: String]) throws -> (TemporaryFolder, MountRoots) {
    let folder = try TemporaryFolder()
    for (name, text) in files { try folder.write(name, text) }
    return (folder, MountRoots(proc: folder.file("proc"), sys: folder.file("sys")))
  }

  private static let node = "sys/devices/system/node"

  @Test(
    arguments: [
      ("Node 7 MemTotal:  16 kB\n", 16384), ("Node 7 MemTotal: 18446744073709551615 kB\n", nil),
      ("Node 7 MemTotal: 18014398509481984 kB\n", nil),
      ("Node 7 MemTotal: 18014398509481983 kB", 18_446_744_073_709_550_592),
      ("Node 7 MemTotal: -5 kB\n", nil), ("Node 7 MemTotal:\n", nil), ("\0\n:\n", nil),
      ("Node 7 MemTotal: x kB\nNode 7 MemTotal: 2 kB\n", 2048),
    ] as [(String, UInt64?)])
  func aNodesMemoryIsANumberOrUnknown(_ text: String, _ bytes: UInt64?) throws {
    let (folder, roots) = try tree([
      "\(Self.node)/online": "7\n", "\(Self.node)/node7/meminfo": text,
    ])
    #expect(HostFacts.memory(ofNode: 7, roots) == bytes)
    let facts = HostFacts.read(roots)
    #expect(facts.first { $0.name == "node7_memory" }?.value == bytes.map { "\($0)" })
    _ = folder
  }

  @Test(
    arguments: [
      ("0-1\n\0", [0, 1]), ("0\0,3", [0]), ("2,4-5\n", [2, 4, 5]), ("0-4000000000\n", []),
      ("0-18446744073709551616\n", []), ("-1\n", []), ("+1\n", []), ("0-3:1/2\n", []), ("\n", []),
      ("5-4\n", []), ("1--2\n", []), (String(repeating: "3,", count: 50_000) + "3", [3]),
    ] as [(String, [Int])])
  func aListOfNodesNamesNodesOrNone(_ text: String, _ nodes: [Int]) throws {
    let (folder, roots) = try tree(["\(Self.node)/online": text])
    #expect(HostFacts.nodes(roots) == nodes)
    _ = folder
  }

  @Test func distancesAreOfAllNodesOrOfNone() throws {
    let (folder, roots) = try tree([
      "\(Self.node)/node0/distance": "10 21 31\n", "\(Self.node)/node1/distance": "21 x 31\n",
    ])
    #expect(HostFacts.distances(ofNode: 0, roots) == [10, 21, 31])
    #expect(HostFacts.distances(ofNode: 1, roots).isEmpty)
    _ = folder
  }

  @Test(
    arguments: [
      ("cpu  10 20 30 40 50 60 70 80 90 0\n", 360, 80, 270), ("cpu 1 2 3 4", 10, 0, 6),
      ("cpu  2568500776029407000000\ncpu0 1 2 3 4\n", nil, 0, 0), ("cpu x 5 6 7 8\n", nil, 0, 0),
      ("cpu 1 2 3 4 5 6 7 -8\n", nil, 0, 0), ("cpu 1 2 3\n", nil, 0, 0), ("", nil, 0, 0),
      ("intr 1 2 3 4 5\n", nil, 0, 0), ("cpu 18446744073709551615 1 1 1\n", nil, 0, 0),
    ] as [(String, UInt64?, UInt64, UInt64)])
  func theLoadIsThatOfWholeNumbers(
    _ text: String, _ total: UInt64?, _ stolen: UInt64, _ busy: UInt64
  ) throws {
    let (folder, roots) = try tree(["proc/stat": text])
    let ticks = HostLoad.ticks(roots)
    #expect(ticks?.total == total)
    if let ticks { #expect(ticks.stolen == stolen && ticks.busy == busy) }
    _ = folder
  }

  /// A kill of process 0 is one of our own group, of a negative number one of others.
  @Test func aGroupsProcessesHaveNumbersAboveZero() {
    #expect(ControlGroupScope.processes("0\n12\n-1\n\n7\nx\n99999999999\n") == [12, 7])
  }

  @Test func aGroupAboveTheNamespacesRootIsNone() throws {
    for (path, isThere) in [("/../../../proc", false), ("/mine", true)] {
      let (folder, roots) = try tree([
        "sys/fs/cgroup/cgroup.controllers": "cpu\n", "sys/fs/cgroup/mine/cgroup.procs": "",
        "proc/self/cgroup": "0::\(path)\n",
      ])
      let refusal = ControlGroupScope.refusal(roots)
      #expect((refusal == nil) == isThere, "\(path): \(refusal ?? "")")
      _ = folder
    }
  }
}
