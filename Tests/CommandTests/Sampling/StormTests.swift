import Foundation
import LinuxSystem
import TestSupport
import Testing

/// Interfaces that come, are renamed and go while they are sampled, in a network namespace of the
/// test's own.
@Suite(.serialized) struct StormTests {
  private static let storm = """
    set -e
    ip link set lo up
    ip link add probe type veth peer name eborp
    "$LB" --net --net-source "$SOURCE" --interval 5ms --duration 1500ms --format ndjson \\
      --raw > out &
    sampler=$!
    sleep 0.3
    for i in $(seq 20); do ip link add d$i type veth peer name e$i; done
    ip link set d3 name renamed
    sleep 0.2
    for i in $(seq 20); do ip link del e$i; done
    wait $sampler
    """

  @Test(arguments: ["text", "netlink"])
  func fortyInterfacesComeAndGoWithoutAGap(_ source: String) throws {
    let command = try CommandTests.Command()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
    process.arguments = ["-n", "/bin/sh", "-c", Self.storm]
    process.environment = command.environment.merging(
      ["LB": Command.path, "SOURCE": source]
    ) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: command.folder.path)
    let errors = Foundation.Pipe()
    process.standardError = errors
    try process.run()
    let said = String(
      decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      try Test.cancel("no network namespace with veth interfaces here: \(said)")
    }
    let text = try #require(SmallFile.text(command.folder.file("out")))
    let lines = try text.split(separator: "\n").map {
      try #require(
        try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    let samples = lines.filter { $0["type"] as? String == "sample" }
    let names = samples.map { sample in
      Set(((sample["values"] as? [String: Any]) ?? [:]).keys)
    }
    #expect(names.contains { $0.contains("net.rx_bytes[renamed]") })
    #expect(names.contains { $0.count { $0.hasPrefix("net.rx_bytes[") } >= 40 })
    #expect(names.last?.contains("net.rx_bytes[renamed]") == false)
    let end = try #require(lines.last { $0["type"] as? String == "end" })
    let ledger = try #require(end["ledger"] as? [String: Any])
    #expect(ledger["dropped"] as? Int == 0)
    let collectors = try #require(ledger["collectors"] as? [[String: Any]])
    #expect(collectors.map { $0["gaps"] as? Int } == [0])
    let taken = (ledger["on_time"] as? Int ?? 0) + (ledger["late"] as? Int ?? 0)
    #expect(samples.count >= taken && taken > 100, "a frame for each deadline that was taken")
  }
}
