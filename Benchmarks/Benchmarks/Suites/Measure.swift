import Benchmark
import CAllocations

extension BenchmarkMetric {
  /// Counted by the allocator's own functions, of the measuring thread; exact.
  static let allocations = BenchmarkMetric.custom("allocations")
  /// As the collector itself counts them; exact.
  static let systemCalls = BenchmarkMetric.custom("system calls a sample")
  /// Bytes of the kernel's text, or of the file, for each sample.
  static let bytes = BenchmarkMetric.custom("bytes a sample")
}

// Names have no blanks: the thresholds' files are called by them, and a metric of another polarity or
// scale than the usual one would not be found in them.

/// Wall time is checked loosely, since hosts differ; what is counted is checked exactly.
func configuration(
  _ counted: [BenchmarkMetric] = [.allocations], scaling: BenchmarkScalingFactor = .kilo
) -> Benchmark.Configuration {
  let exact = BenchmarkThresholds(
    relative: [.p90: 0.0], absolute: [.p90: 0])
  let loose = BenchmarkThresholds(relative: [.p90: 400.0])
  var thresholds: [BenchmarkMetric: BenchmarkThresholds] = [.wallClock: loose]
  for metric in counted { thresholds[metric] = exact }
  return Benchmark.Configuration(
    metrics: [.wallClock] + counted, warmupIterations: 3, scalingFactor: scaling,
    maxDuration: .milliseconds(500), maxIterations: 200, thresholds: thresholds)
}

/// Calls `body` as often as the scaling factor says, and tells what it allocated in all.
func measured(_ benchmark: Benchmark, _ body: () -> Void) {
  benchmark.startMeasurement()
  let before = lb_allocations()
  for _ in benchmark.scaledIterations { body() }
  let after = lb_allocations()
  benchmark.stopMeasurement()
  benchmark.measurement(.allocations, Int(after - before))
}
