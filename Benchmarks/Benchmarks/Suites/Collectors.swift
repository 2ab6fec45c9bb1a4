import Benchmark
import Collectors
import SampleModel
import Sampler

func collectorSuite() {
  let context = CollectorContext(roots: .init())
  let names = ["cpu", "net", "memory", "disk", "load", "vm", "pressure", "softirqs", "sockets"]
  for collector in CollectorRegistry.host().collectors
  where names.contains(collector.description.name) {
    guard collector.probe(context) == .available else { continue }
    Benchmark(
      "Collectors.\(collector.description.name)",
      configuration: configuration([.allocations, .systemCalls], scaling: .one)
    ) { benchmark in
      let armed = try collector.arm(context)
      defer { armed.disarm() }
      let acquisition = SingleAcquisition(armed)
      var outcome = acquisition.take()
      measured(benchmark) { outcome = acquisition.take() }
      benchmark.measurement(.systemCalls, Int(acquisition.systemCalls))
      if outcome != .complete { benchmark.error("\(outcome.phrase)") }
    }
  }
}
