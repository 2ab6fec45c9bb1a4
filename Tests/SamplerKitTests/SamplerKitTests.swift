import Glibc
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

@Suite(.serialized) struct SubscriptionTests {
  @Test func framesComeToSubscribersAndClosuresAreBracketed() async throws {
    let sampler = HostSampler(.init(collectors: ["cpu"], interval: .milliseconds(10)))
    let frames = sampler.frames(capacity: 10_000)
    try sampler.arm()
    let (value, measurement) = try sampler.measure { () -> Int in
      usleep(100_000)
      return 42
    }
    #expect(value == 42 && measurement.ledger.isExact)
    sampler.disarm()
    var switches: [Double] = []
    for await frame in frames {
      #expect(frame.collector == "cpu" && frame.end >= frame.start)
      if let value = frame.values["cpu.ctxt"] { switches.append(value) }
    }
    #expect(switches.count >= 3 && frames.lost == 0)
    #expect(switches == switches.sorted(), "a counter")
    #expect(
      switches.last.map { $0 - switches[0] } == measurement.metrics["cpu.ctxt"],
      "the same edges")
  }

  private struct Refusal: Error {}

  @Test func aClosureThatThrowsLeavesNoBracketOpen() throws {
    let sampler = HostSampler(.init(collectors: ["cpu"], interval: .milliseconds(10)))
    try sampler.arm()
    defer { sampler.disarm() }
    #expect(throws: Refusal.self) { try sampler.measure { () throws(Refusal) in throw Refusal() } }
    #expect(try sampler.measure { 1 }.value == 1)
  }
}
