import Testing

@testable import SampleModel

/// Units of what brackets measure, from the layouts alone.
@Suite struct MetricUnitsTests {
  @Test func unitsOfRangesAndRatesFollowFromTheColumns() {
    let level = MetricDescription("free", .bytes, .gauge, meaning: "")
    let time = MetricDescription("user", .nanoseconds, .counter, meaning: "")
    let count = MetricDescription("rx_bytes", .bytes, .counter, meaning: "")
    let columns = [
      Column(collector: "memory", metric: level, instance: ""),
      Column(collector: "cpu", metric: time, instance: "all"),
      Column(collector: "net", metric: count, instance: "lo"),
    ]
    var units = MetricUnits([Layout(collector: "x", stream: 0, epoch: 1, columns: columns)])
    let expected = [
      "memory.free": "bytes", "memory.free.min": "bytes", "memory.free.max": "bytes",
      "cpu.user[all]": "ns", "cpu.user[all].rate.mean": "1", "cpu.user[all].rate.max": "1",
      "net.rx_bytes[lo].rate.p95": "bytes/s",
    ]
    for (name, unit) in expected { #expect(units.unit(of: name) == unit, "\(name)") }
    #expect(units.unit(of: "workload.rate") == nil)
    units.add("workload.rate", "1/s")
    #expect(units.unit(of: "workload.rate") == "1/s")
  }
}
