import Foundation
import LinuxSystem
import PerfEvents
import Sampler
import Testing

@testable import Collectors

/// Attributes against those that `perf stat -vv` prints before it opens an event, whether the host
/// has the event or not.
@Suite(.serialized) struct PerfOracleTests {
  /// Later ones changed what they leave out of guests unasked.
  private static let knownVersions = 1...10

  /// 6, 1, 192 of "perf version 6.1.192".
  private static let version = Result {
    try output("--version").split(separator: " ").last?.split(separator: ".").map(String.init) ?? []
  }

  /// perf's own lines, by field; nil where there is no perf of those versions.
  private func printed(_ event: String) throws -> [String: String]? {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/perf") else {
      try Test.cancel("perf is not installed")
    }
    let version = try Self.version.get()
    guard version.count > 1, version[0] == "6", let minor = Int(version[1]),
      Self.knownVersions.contains(minor)
    else {
      try Test.cancel("perf \(version.joined(separator: ".")) is not 6.1 to 6.10")
    }
    var fields: [String: String] = [:]
    var isInside = false
    for line in try Self.output("stat", "-vv", "-e", event, "true").split(separator: "\n") {
      if line.hasPrefix("perf_event_attr:") {
        guard fields.isEmpty else { break }
        isInside = true
        fields["found"] = "1"
      } else if line.hasPrefix("---") {
        if isInside { break }
      } else if isInside {
        let words = line.split(separator: " ")
        if let last = words.last { fields[words.dropLast().joined(separator: " ")] = String(last) }
      }
    }
    return fields["found"] == nil ? [:] : fields
  }

  /// What perf prints, on either stream.
  private static func output(_ arguments: String...) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/perf")
    process.arguments = arguments
    let pipe = Foundation.Pipe()
    process.standardError = pipe
    process.standardOutput = pipe
    try process.run()
    let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The attributes with which we open an event of a workload, in perf's words; fields of 0 are not
  /// printed.
  private func words(_ event: PerfEvent) throws -> [String: String] {
    let plan = try PerfPlan(
      PerfChoice(groups: [], scope: .workload(WorkloadTarget())),
      CollectorContext(roots: MountRoots()))
    let attributes = plan.attributes(event, isLeader: true)
    func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
    var fields = ["found": "1"]
    if attributes.type != 0 { fields["type"] = "\(attributes.type)" }
    if attributes.config != 0 { fields["config"] = hexadecimal(attributes.config) }
    let isBreakpoint = attributes.type == 5
    if isBreakpoint { fields["bp_type"] = "\(attributes.breakpointType)" }
    if attributes.config1 != 0 { fields["{ bp_addr, config1 }"] = hexadecimal(attributes.config1) }
    if attributes.config2 != 0 { fields["{ bp_len, config2 }"] = hexadecimal(attributes.config2) }
    if attributes.precision != 0 { fields["precise_ip"] = "\(attributes.precision)" }
    let flags: [(PerfEventAttributes.Flags, String)] = [
      (.excludeUser, "exclude_user"), (.excludeKernel, "exclude_kernel"),
      (.excludeHypervisor, "exclude_hv"), (.excludeHost, "exclude_host"),
      (.excludeGuest, "exclude_guest"), (.excludeIdle, "exclude_idle"), (.pinned, "pinned"),
      (.inherit, "inherit"), (.enableOnExec, "enable_on_exec"), (.disabled, "disabled"),
    ]
    for (flag, name) in flags where attributes.flags.contains(flag) { fields[name] = "1" }
    return fields
  }

  /// What only our own way of opening decides.
  private static let circumstances: Set<String> = ["size", "sample_type", "read_format"]

  private func compare(_ name: String) throws -> Bool {
    guard let theirs = try printed(name) else { return false }
    let resolver = EventResolver(EventSources(MountRoots()))
    guard !theirs.isEmpty else {
      Issue.record("perf prints nothing for \(name)")
      return false
    }
    let ours = try #require(try resolver.events(name).first)
    let rest = theirs.filter { !Self.circumstances.contains($0.key) }
    let words = try words(ours)
    #expect(words == rest, "\(name)")
    return words == rest
  }

  private static let modifiers = [
    "", ":u", ":k", ":h", ":uk", ":kh", ":uh", ":ukh", ":G", ":H", ":GH", ":uG", ":p", ":pp",
    ":ppp",
    ":up", ":I", ":D", ":uD", ":kH",
  ]

  @Test func everyGenericHardwareAndSoftwareEvent() throws {
    for name in (GenericEvents.hardware + GenericEvents.software).flatMap({ $0 }) {
      guard try printed(name) != nil else { return }
      _ = try compare(name)
    }
  }

  @Test(arguments: ["cycles", "page-faults", "r1a8", "LLC-loads", "msr/tsc/", "sched:sched_switch"])
  func everyModifier(_ name: String) throws {
    let sources = EventSources(MountRoots())
    if name.contains(":"), sources.tracingIsMissing != nil {
      try Test.cancel("\(sources.tracingIsMissing ?? "")")
    }
    if name.contains("/"), sources.type("msr") == nil {
      try Test.cancel("no PMU msr here")
    }
    for letters in Self.modifiers {
      // perf keeps precise events to hardware; behind a PMU's slash it takes letters without colon.
      if letters.contains("p"), !["cycles", "r1a8", "LLC-loads"].contains(name) { continue }
      let written = name.hasSuffix("/") ? name + letters.dropFirst() : name + letters
      guard try printed(written) != nil else { return }
      _ = try compare(written)
    }
  }

  @Test func everyCacheEvent() throws {
    var names: [String] = []
    for cache in ["L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch", "node"] {
      names += ["\(cache)-loads", "\(cache)-load-misses"]
      if !["L1-icache", "iTLB", "branch"].contains(cache) {
        names += ["\(cache)-stores", "\(cache)-store-misses"]
      }
      if !["iTLB", "branch", "dTLB"].contains(cache) {
        names += ["\(cache)-prefetches", "\(cache)-prefetch-misses"]
      }
    }
    for name in names {
      guard try printed(name) != nil else { return }
      _ = try compare(name)
    }
  }

  @Test(arguments: [
    "mem:0x1000", "mem:0x1000:w", "mem:0x1000:x", "mem:0x1000/8:rw", "mem:0x1000/1:r:u", "r0",
    "rfffff",
    "r1a8:k",
  ]) func rawEventsAndBreakpoints(_ name: String) throws {
    guard try printed(name) != nil else { return }
    _ = try compare(name)
  }
}
