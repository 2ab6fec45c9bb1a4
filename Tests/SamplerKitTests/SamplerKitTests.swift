import SamplerKit
import Testing

@Suite(.serialized) struct HostSamplerTests {
  @Test func bracketsMeasureThisHost() throws {
    let sampler = HostSampler(
      .init(collectors: ["cpu", "net"], interval: .milliseconds(1)))
    try sampler.arm()
    defer { sampler.disarm() }
    for _ in 0..<3 {
      try sampler.start()
      let measurement = try sampler.stop()
      #expect(measurement.ledger.isExact)
      #expect(measurement.nanoseconds > 0)
      #expect(measurement.metrics["cpu.ctxt"] != nil)
      #expect(measurement.units["net.rx_bytes[lo]"] == "bytes")
    }
  }

  @Test func wrongUseIsAClearError() {
    #expect(throws: LBError.self) { try HostSampler(.init(collectors: ["nonsense"])).arm() }
    #expect(throws: LBError.self) {
      try HostSampler(.init(collectors: ["cpu"], interval: .zero)).arm()
    }
    #expect(throws: LBError.self) { try HostSampler(.init(collectors: ["cpu"])).start() }
  }
}
