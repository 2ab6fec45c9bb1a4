import LinuxSystem
import SampleModel
import Sampler
import TestSupport
import Testing

@Suite struct ProbeCacheTests {
  @Test(arguments: [
    (Availability.available, 1), (.unsupported(reason: "too old"), 1),
    (.denied(reason: "no", fix: "ask"), 3), (.absent(reason: "no such module"), 3),
  ])
  func onlyWhatIsConclusiveIsKept(_ availability: Availability, _ asked: Int) {
    let collector = ScriptedCollector(availability: availability)
    let context = CollectorContext(roots: MountRoots())
    for _ in 0..<3 {
      #expect(context.probes.availability(of: collector, context) == availability)
    }
    #expect(collector.probes == asked)
    context.probes.invalidate("scripted")
    _ = context.probes.availability(of: collector, context)
    #expect(collector.probes == asked + 1)
    // Of other roots nothing is known yet.
    let other = CollectorContext(roots: MountRoots(proc: "/elsewhere"))
    _ = other.probes.availability(of: collector, other)
    #expect(collector.probes == asked + 2)
  }

  @Test func aSecondSessionDoesNotProbeAgain() throws {
    let collector = ScriptedCollector()
    let configuration = SamplerConfiguration(
      interval: 1_000_000, cpus: [CPUSet.allowed().members[0]],
      context: CollectorContext(roots: MountRoots()))
    for _ in 0..<2 {
      let session = SamplerSession(
        configuration, requests: [CollectorRequest(collector)], sinks: [CollectingSink()])
      try session.arm()
      session.disarm()
    }
    #expect(collector.probes == 1 && collector.armings == 2)
  }
}
