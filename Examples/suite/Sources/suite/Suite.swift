import Foundation
import RunnerKit

/// Compares sorting with one thread and with two, and brackets a closure: `swift run suite`.
@main
struct Suite {
  static func main() async throws {
    let repetitions = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 5
    let plan = RunPlan(
      [
        PhasePlan(
          "repeat", name: "threads", ["parameters": ["n": [1, 2]], "order": "interleaved"],
          phases: [
            PhasePlan(
              name: "sort",
              ["command": ["sh", "-c", "seq 100000 | sort --parallel={n} -r | tail -1"]])
          ])
      ], settings: ["repetitions": .integer(repetitions), "warmup": 1])

    var request = WorkloadRunner.Request(plan: plan, collectors: ["cpu", "tree"])
    let events = Subscription<JournalEntry>(capacity: 1000)
    request.events = events
    let watcher = Task {
      for await event in events where event.kind == "repetition.end" { print(event.message) }
    }
    let result = try await WorkloadRunner.run(request)
    await watcher.value
    for phase in result.phases {
      guard let wall = phase.metrics.first else { continue }
      print("\(phase.name): \(wall.median / 1e6) ms of \(wall.count) repetitions")
    }

    let sampler = HostSampler(.init(collectors: ["cpu"], interval: .milliseconds(10)))
    try sampler.arm()
    defer { sampler.disarm() }
    let (digits, measurement) = try sampler.measure { (1...20_000).map(String.init).joined().count }
    print("\(digits) digits in \(Double(measurement.nanoseconds) / 1e6) ms")
    if result.status != .completed || !measurement.ledger.isExact { exit(1) }
  }
}
