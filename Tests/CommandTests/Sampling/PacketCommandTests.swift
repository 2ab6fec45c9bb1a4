import Foundation
import Glibc
import SampleModel
import TestSupport
import Testing

/// Two network namespaces and a wire between them, for one test.
private final class Wire {
  /// The namespace that the command runs in; the other end is `far`.
  let near = "lb\(getpid())-\(UUID().uuidString.prefix(6))"
  var far: String { near + "f" }

  /// Whether namespaces can be made here.
  static let canBeMade: Bool = {
    guard getuid() == 0, FileManager.default.isExecutableFile(atPath: "/usr/sbin/ip") else {
      return false
    }
    do { return try Wire().isUp } catch { return false }
  }()

  private(set) var isUp = false

  init() throws {
    isUp =
      try Self.shell(
        """
        ip netns add \(near) && ip netns add \(far) && n() { ip netns exec \(near) "$@"; } &&
        f() { ip netns exec \(far) "$@"; } &&
        n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 &&
        f sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 &&
        n ip link add near type veth peer name far netns \(far) &&
        n ip addr add 10.99.0.1/24 dev near && f ip addr add 10.99.0.2/24 dev far &&
        n ip link set near up && f ip link set far up && n ip link set lo up
        """) == 0
  }

  deinit {
    do { _ = try Self.shell("ip netns del \(near); ip netns del \(far)") } catch {
      print("the namespaces \(near) and \(far) are left behind: \(error)")
    }
  }

  @discardableResult
  static func shell(_ script: String) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", script]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// Runs the command in the near namespace; gives its exit code and output.
  func run(_ command: Command, _ arguments: [String]) throws -> (code: Int32, output: Data) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/sbin/ip")
    process.arguments = ["netns", "exec", near, Command.path] + arguments
    process.environment = command.environment
    process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, data)
  }

  /// The first attempt of a run with these collectors.
  func attempt(_ command: Command, _ arguments: [String]) throws -> AttemptResult {
    let (code, output) = try run(
      command, ["run", "--config", "/dev/null", "--format", "json"] + arguments)
    #expect(code == 0)
    let result = try JSONDecoder().decode(RunResult.self, from: output)
    return try #require(result.phases.first?.repetitions.first?.attempts.first)
  }
}

/// Packets, on wires that the tests lay themselves.
@Suite(.serialized) struct PacketCommandTests {
  /// Sends `count` datagrams; bash does it without a tool.
  private func sender(_ count: Int, to address: String) -> [String] {
    [
      "--", "bash", "-c",
      "for i in $(seq \(count)); do echo some words > /dev/udp/\(address)/9; done 2>/dev/null; :",
    ]
  }

  @Test(.enabled(if: Wire.canBeMade, "needs root and network namespaces"))
  func aRepetitionHasExactlyThePacketsOfTheInterface() throws {
    let wire = try Wire()
    let command = try Command()
    for (interface, address) in [("near", "10.99.0.2"), ("lo", "127.0.0.1")] {
      let metrics = try wire.attempt(
        command, ["--packets", interface, "--net"] + sender(400, to: address)
      ).metrics
      func packets(_ name: String) -> Double { metrics["packets.\(name)[\(interface)]"] ?? -1 }
      func net(_ name: String) -> Double { metrics["net.\(name)[\(interface)]"] ?? -2 }
      #expect(packets("packets_in") == net("rx_packets"), "\(interface)")
      if interface == "near" {
        #expect(packets("packets_out") == net("tx_packets"))
        #expect(packets("bytes_out") == net("tx_bytes"), "a veth counts its Ethernet headers")
        #expect(packets("bytes_in") == net("rx_bytes"))
      } else {
        #expect(packets("packets_out") == 0, "what goes out there comes in")
      }
      #expect(packets("udp_packets") == 400, "\(interface)")
      #expect(packets("dropped_socket") == 0 && packets("up") == 1)
      let counted = packets("packets_in") + packets("packets_out")
      #expect(packets("received") == counted && packets("packets") == counted, "\(interface)")
      #expect(packets("bytes") == packets("bytes_in") + packets("bytes_out"))
    }
  }

  /// Stopped while its buffer runs over, it can only have what the kernel counted meanwhile.
  @Test(.enabled(if: Wire.canBeMade, "needs root and network namespaces"))
  func totalsAreCorrectedForWhatTheSocketDropped() throws {
    let wire = try Wire()
    let command = try Command()
    let attempt = try wire.attempt(
      command,
      [
        "--packets", "near", "--packets-buffer", "65536", "--net", "--", "sh", "-c",
        """
        kill -STOP $PPID
        bash -c 'for i in $(seq 4000); do echo some words > /dev/udp/10.99.0.2/9; done' 2>/dev/null
        kill -CONT $PPID
        """,
      ])
    let metrics = attempt.metrics
    func packets(_ name: String) -> Double { metrics["packets.\(name)[near]"] ?? -1 }
    func net(_ name: String) -> Double { metrics["net.\(name)[near]"] ?? -2 }
    let dropped = packets("dropped_socket")
    #expect(dropped > 400, "the buffer of 64 KiB has room for fewer than were sent")
    #expect(packets("packets_in") + packets("packets_out") + dropped == packets("received"))
    let all = net("rx_packets") + net("tx_packets")
    #expect(all >= 4000 && packets("packets") == all && packets("packets_most") == all)
    // What was dropped is taken for as long as what was not, which has more of the answers that say
    // that nobody listens: nearer than half of what would be missing without that.
    let bytes = net("rx_bytes") + net("tx_bytes")
    let missing = bytes * dropped / all
    #expect(abs(packets("bytes") - bytes) < 0.5 * missing, "\(packets("bytes")) of \(bytes)")
    #expect(attempt.contamination.contains { $0.contains("packets") }, "\(attempt.contamination)")
  }

  @Test(.enabled(if: Wire.canBeMade, "needs root and network namespaces"))
  func whatReadsPacketsMayDoNothingElse() throws {
    let wire = try Wire()
    let command = try Command()
    let file = command.folder.file("capabilities")
    _ = try wire.attempt(
      command,
      [
        "--packets", "near", "--", "sh", "-c",
        """
        for thread in /proc/$PPID/task/*; do
          [ "$(cat $thread/comm)" = lb-packets ] && grep -E 'Cap(Prm|Eff)' $thread/status
        done > \(file); grep CapEff /proc/self/status >> \(file)
        """,
      ])
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    // CAP_NET_RAW is number 13.
    #expect(lines.prefix(2).allSatisfy { $0.hasSuffix("\t0000000000002000") }, "\(lines)")
    #expect(lines.count == 3 && lines[1] != lines[2], "the workload keeps what it had: \(lines)")
  }

  @Test(.enabled(if: Wire.canBeMade, "needs root and network namespaces"))
  func theLargestFlowIsARecordOfTheRun() throws {
    let wire = try Wire()
    let command = try Command()
    _ = try wire.attempt(
      command, ["--packets", "near", "-i", "50ms"] + sender(50, to: "10.99.0.2"))
    let export = try command("export", "last", "--format", "ndjson")
    let rows = try export.objects().filter { $0["type"] as? String == "records" }
      .flatMap { $0["rows"] as? [[String: Any]] ?? [] }
    let ports = rows.filter {
      ($0["destination"] as? String ?? "").isEmpty && $0["source_port"] as? Int == 9
    }
    #expect(
      ports.compactMap { $0["bytes"] as? Int }.max() == 50 * (14 + 28 + 11), "\(rows.prefix(3))")
    #expect(rows.contains { $0["destination"] as? String == "10.99.0.2" })
  }

  @Test(.enabled(if: Wire.canBeMade, "needs root and network namespaces"))
  func anInterfaceThatGoesDownIsWaitedFor() throws {
    let wire = try Wire()
    let command = try Command()
    let metrics = try wire.attempt(
      command,
      [
        "--packets", "near", "--", "sh", "-c",
        """
        ip link set near down; sleep 0.4; ip link set near up; sleep 0.8
        bash -c 'for i in 1 2 3 4 5; do echo x > /dev/udp/10.99.0.2/9; sleep 0.05; done'; true
        """,
      ]
    ).metrics
    #expect((metrics["packets.interruptions[near]"] ?? 0) >= 1)
    // Its mean over the bracket: it was down for a third of a second or more.
    #expect((0.3..<1).contains(metrics["packets.up[near]"] ?? 0))
    #expect(metrics["packets.udp_packets[near]"] == 5, "it is captured again")
  }

  @Test func capturingIsRefusedWithTheWayToPermitIt() throws {
    guard getuid() == 0 else {
      try Test.cancel("only root can take its privileges away")
    }
    let command = try Command()
    let process = Process()
    _ = try command.unprivileged(["--version"])
    process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
    process.arguments = [
      "--reuid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
      command.folder.file("lbsample"), "--packets", "lo", "--count", "1",
    ]
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 3 && text.contains("setcap cap_net_raw+ep"), "\(text)")
  }

  @Test func wrongRequestsAreNamed() throws {
    let command = try Command()
    for (arguments, words) in [
      (["--packets", "none-such", "--count", "1"], "--packets none-such: "),
      (["--packets", "lo,lo", "--count", "1"], "each once"),
      (["--packets", "lo", "--packets-sample", "3"], "expected 1/N"),
      (["--packets", "lo", "--packets-filter", "udp prt 3", "--count", "1"], "udp prt 3"),
      (["--packets-filter", "udp", "--cpu"], "--packets-filter requires --packets"),
      (["--packets-file", "/none", "--cpu"], "cannot be combined with collectors"),
      (["--packets-file", "/none"], "/none"),
      (["run", "--packets-file", "/none", "--", "true"], "cannot be used with run"),
    ] {
      let outcome = try command.start(arguments).finish()
      #expect([2, 3].contains(outcome.code), "\(arguments)")
      #expect(outcome.error.contains(words), "\(arguments): \(outcome.error)")
    }
  }
}
