import Foundation
import Testing

/// Ten thousand brackets of one armed sampler.
@Suite struct BracketTests {
  private struct Outcome: Decodable {
    let brackets: Int
    let frames: Int
    let exact: Bool
    /// Descriptors, mappings and threads.
    let before: [Int]
    let after: [Int]
  }

  @Test(arguments: ["none", "system", "workload"]) func bracketsLeaveNothingBehind(
    _ events: String
  ) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Command.path).deletingLastPathComponent()
      .appendingPathComponent("brackets")
    process.arguments = ["10000", events]
    let output = Foundation.Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    if process.terminationStatus == 1, String(decoding: data, as: UTF8.self).contains("perf:") {
      try Test.cancel("events are not permitted here")
    }
    #expect(process.terminationStatus == 0)
    let outcome = try JSONDecoder().decode(Outcome.self, from: data)
    #expect(outcome.brackets == 10000 && outcome.exact)
    #expect(outcome.frames == 10000 * 2 * (events == "none" ? 4 : 5), "two edges of each collector")
    #expect(outcome.before[0] == outcome.after[0] && outcome.before[2] == outcome.after[2])
    // The allocator may map one more heap.
    #expect(outcome.after[1] <= outcome.before[1] + 1)
  }
}
