import Glibc
import LinuxSystem
import SampleModel
import Sampler

/// The state of the kernel's clock discipline: adjtimex(2), without changes.
struct TimexCollector: Collector {
  let description = CollectorDescription(
    name: "timex", summary: "state of the system clock's discipline (NTP)", source: "adjtimex(2)",
    minimumKernel: "2.6.20", privilege: "none", cost: .cheap, pace: .slow,
    metrics: [
      gauge("offset", "time offset", unit: .nanoseconds, host: true, isSigned: true),
      gauge(
        "freq", "frequency offset, as a share of the frequency", unit: .ratio,
        scale: Scale(1, per: 65_536_000_000), host: true, isSigned: true),
      gauge(
        "maxerror", "the most that time may be wrong", unit: .nanoseconds, scale: Scale(1000),
        host: true),
      gauge(
        "esterror", "the estimated error", unit: .nanoseconds, scale: Scale(1000), host: true),
      gauge("status", "status bits (STA_*)", host: true),
      gauge("constant", "time constant of the loop", host: true),
      gauge("tick", "length of a tick", unit: .nanoseconds, scale: Scale(1000), host: true),
      gauge(
        "ppsfreq", "pulse frequency offset, as a share", unit: .ratio,
        scale: Scale(1, per: 65_536_000_000), host: true, isSigned: true),
      gauge("jitter", "pulse jitter", unit: .nanoseconds, host: true, isSigned: true),
      gauge("shift", "pulse interval, as a power of two seconds", host: true, isSigned: true),
      gauge(
        "stabil", "pulse stability, as a share", unit: .ratio,
        scale: Scale(1, per: 65_536_000_000), host: true, isSigned: true),
      counter("jitcnt", "pulses beyond the jitter limit", host: true),
      counter("calcnt", "calibration intervals", host: true),
      counter("errcnt", "calibration errors", host: true),
      counter("stbcnt", "calibrations beyond the stability limit", host: true),
      gauge("tai", "offset of TAI from UTC in seconds", host: true, isSigned: true),
      gauge("state", "0 in order, 1 to 4 around a leap second, 5 not synchronised", host: true),
    ])

  /// Available unless the call is refused, as in some sandboxes.
  func probe(_ context: CollectorContext) -> Availability {
    guard context.roots.isOwnProc else {
      return .absent(reason: "the clock is this kernel\'s, not that of \(context.roots.proc)")
    }
    let refusal = KernelCalls.timex { _, _ in }
    guard refusal != 0 else { return .available }
    return .denied(
      reason: "adjtimex: \(SystemError.words(refusal))", fix: "run outside the sandbox")
  }

  /// Nothing to open.
  func arm(_ context: CollectorContext) throws(LBError) -> ArmedCollector {
    let availability = probe(context)
    guard availability == .available else {
      throw LBError(.collectorUnavailable, "timex: \(availability.reason)")
    }
    let wanted = description.metrics.indices.filter {
      context.filter.passes("timex.\(description.metrics[$0].name)")
    }
    return Armed(wanted, description.metrics)
  }

  private final class Armed: ArmedCollector, @unchecked Sendable {
    // Sendable: see the base class.
    private let slots: [Int]

    init(_ wanted: [Int], _ metrics: [MetricDescription]) {
      var slots = [Int](repeating: -1, count: metrics.count)
      for (slot, index) in wanted.enumerated() { slots[index] = slot }
      self.slots = slots
      super.init(
        columns: wanted.map { Column(collector: "timex", metric: metrics[$0], instance: "") })
      systemCallsOfSample = 1
    }

    override func sample(into values: inout MutableSpan<UInt64>) -> AcquisitionOutcome {
      let refusal = KernelCalls.timex { index, value in
        if slots[index] >= 0 { values[slots[index]] = UInt64(bitPattern: value) }
      }
      return refusal == 0 ? .complete : .denied
    }
  }
}
