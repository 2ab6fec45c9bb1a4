import SamplerKit
import Synchronization

// The article "Measuring a part of a program" and docs/how-to/swift-library.md show these parts.

// snippet: source
/// Jobs that wait, as a metric of the program's own: `queue.depth`.
struct QueueDepth: MetricSource {
  let name = "queue"
  let metrics = [MetricDescription("depth", .count, .gauge, meaning: "jobs that wait")]
  let depth: @Sendable () -> UInt64

  func open() throws -> sending any MetricReader { Reader(depth: depth) }

  final class Reader: MetricReader {
    let depth: @Sendable () -> UInt64
    init(depth: @escaping @Sendable () -> UInt64) { self.depth = depth }

    func read(into values: inout MutableSpan<UInt64>) -> Bool {
      values[0] = depth()
      return true
    }
  }
}
// snippet: end

/// The work that is measured: nothing of use.
func work() -> Int { (1...200_000).map { "\($0)" }.joined().utf8.count }

/// Measures parts of itself: `swift run measure`.
@main
struct Measure {
  static let jobs = Atomic<UInt64>(0)

  static func main() async throws {
    try synchronous()
    try await asynchronous()
    try bracketed()
    try await watched()
    errors()
  }

  static func synchronous() throws {
    // snippet: measure
    let sampler = try HostSampler(.cpu, .net, interval: .milliseconds(10))
    let (digits, measurement) = try sampler.measure { work() }
    let user = Duration.nanoseconds(Int64(measurement[.cpu.user.all] ?? 0))
    print("\(digits) digits in \(measurement.duration), \(user) in user mode on all CPUs")
    print("every deadline accounted for: \(measurement.ledger.isExact)")
    // snippet: end
  }

  static func asynchronous() async throws {
    let sampler = try HostSampler(.cpu)
    // snippet: async
    let (digits, measurement) = try await sampler.measure {
      await Task.yield()
      return work()
    }
    print("\(digits) digits, \(measurement[.cpu.ctxt] ?? 0) context switches on the host")
    // snippet: end
  }

  static func bracketed() throws {
    let sampler = try HostSampler(.load)
    // snippet: bracket
    let bracket = try sampler.begin()
    _ = work()
    let measurement = try bracket.end()
    print("from the opening to the closing sample: \(measurement.duration)")
    // snippet: end
  }

  static func watched() async throws {
    // snippet: frames
    var sampling = Sampling(.cpu, interval: .milliseconds(10))
    sampling.intervals[.cpu] = .milliseconds(20)
    sampling.sources = [QueueDepth { jobs.load(ordering: .relaxed) }]
    let sampler = try HostSampler(sampling)
    let frames = sampler.frames()
    let watcher = Task {
      var count = 0
      for await frame in frames where frame["queue.depth"] != nil { count += 1 }
      return count
    }
    jobs.store(3, ordering: .relaxed)
    let measurement = try sampler.measure { work() }.measurement
    sampler.disarm()
    print("\(measurement["queue.depth"] ?? 0) jobs waited, seen in \(await watcher.value) frames")
    print("\(frames.lost) frames were lost")
    // snippet: end
  }

  static func errors() {
    // snippet: errors
    do throws(LBSampleError) {
      _ = try HostSampler("no-such-collector")
    } catch .configuration {
      print("there is no such collector")
    } catch {
      print("\(error.category): \(error.message)")
    }
    // snippet: end
  }
}
