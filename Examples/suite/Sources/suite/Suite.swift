import Foundation
import RunnerKit

// The article "Writing a benchmark suite" and docs/how-to/swift-library.md show these parts.

/// Runs benchmarks and reads their results again: `swift run suite`.
@main
struct Suite {
  static func main() async throws {
    let repetitions = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 5
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("suite-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch { print(error) }
    }
    let file = folder.appendingPathComponent("threads.lbsample").path
    try await benchmark(repetitions)
    try await plan(repetitions, into: file)
    try read(file)
    try await stopped()
    await errors()
  }

  static func benchmark(_ repetitions: Int) async throws {
    // snippet: benchmark
    let result = try await Benchmark("sh", "-c", "seq 100000 | sort -r | tail -1")
      .repetitions(repetitions).warmUps(1).timeout(.seconds(30)).environment(["LC_ALL": "C"])
      .run(sampling: .cpu, .tree)
      .get()
    if let wall = result.summary(of: .wallTime) {
      print("\(wall.median / 1e6) ms, median of \(wall.count) repetitions")
    }
    // snippet: end
  }

  static func plan(_ repetitions: Int, into file: String) async throws {
    // snippet: plan
    let plan = Plan(name: "threads") {
      Matrix(["n": [1, 2]], order: .interleaved) {
        Benchmark("sh", "-c", "seq 100000 | sort --parallel={n} -r | tail -1", name: "sort")
      }
    }
    .repetitions(repetitions).warmUps(1)

    var options = RunOptions(sampling: Sampling(.cpu, .tree, interval: .milliseconds(20)))
    options.file = file
    options.labels = ["suite": "example"]
    let events = Subscription<JournalEntry>(capacity: 1000)
    options.events = events
    let watcher = Task {
      for await event in events where event.kind == "repetition.end" { print(event.message) }
    }
    let result = try await plan.run(options).get()
    await watcher.value
    for phase in result.phases {
      guard let wall = result.summary(of: .wallTime, phase: phase.name) else { continue }
      let interval = wall.confidenceInterval.map { "\($0)" } ?? "fewer than six repetitions"
      print("\(phase.name): \(wall.median / 1e6) ms (\(interval))")
    }
    // snippet: end
  }

  static func read(_ file: String) throws {
    // snippet: read
    let run = try StoredRun(at: file)
    for repetition in run.result.phases[0].repetitions {
      guard let attempt = repetition.attempts.last else { continue }
      var readings = 0
      for frame in try run.frames(of: attempt) where frame[.tree.processes] != nil { readings += 1 }
      print("\(attempt.wallTime ?? .zero): the tree was read \(readings) times")
    }
    // snippet: end
  }

  static func stopped() async throws {
    // snippet: stop
    let task = Task {
      try await Benchmark("sleep", "600").grace(.seconds(1)).run(sampling: .cpu)
    }
    task.cancel()
    print("a run that was cancelled is \(try await task.value.status)")
    // snippet: end
  }

  static func errors() async {
    // snippet: errors
    do throws(LBSampleError) {
      _ = try await Benchmark("sh", "-c", "exit 3").run().get()
    } catch .workload {
      print("the workload failed")
    } catch {
      print("\(error.category): \(error.message)")
    }
    // snippet: end
  }
}
