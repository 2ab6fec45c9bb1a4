import Benchmark
import Collectors
import LinuxSystem
import SampleModel
import Sampler

/// Takes everything and keeps nothing.
final class NoSink: SampleSink {
  let bytesWritten: UInt64 = 0
  func begin(_ meta: StreamMeta) throws(LBError) {}
  func layout(_ layout: Layout) throws(LBError) {}
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {}
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  func event(_ event: SampleEvent) throws(LBError) {}
  func commit(watermark: UInt64) throws(LBError) {}
}

func session(_ names: [String], interval: UInt64) throws -> SamplerSession {
  let registry = CollectorRegistry.host()
  let session = SamplerSession(
    SamplerConfiguration(
      interval: interval, cpus: CPUSet.allowed().members.suffix(1).map(\.self),
      context: CollectorContext(roots: .init())),
    requests: names.compactMap { registry[$0] }.map { CollectorRequest($0) }, sinks: [NoSink()])
  try session.arm()
  return session
}

func bracketSuite() {
  for names in [["cpu", "net"], ["cpu", "net", "memory", "disk"]] {
    Benchmark(
      "Bracket.\(names.joined(separator: "-"))",
      configuration: configuration([], scaling: .one)
    ) { benchmark in
      let session = try session(names, interval: 1_000_000_000)
      defer { session.disarm() }
      benchmark.startMeasurement()
      for _ in benchmark.scaledIterations {
        _ = try session.start()
        _ = try session.stop(sampling: true)
      }
      benchmark.stopMeasurement()
    }
  }
}
