import LinuxSystem
import SampleModel
import Sampler

/// A whole sampling session in virtual time, decided by a seed: its collectors, what they and the
/// sinks do, and every step of its controller. Afterwards everything that the sinks were given is
/// held against what the collectors know that they gave.
package final class SamplerSimulation {
  private let plan: SimulationPlan
  private let scheduler: VirtualScheduler
  private let collectors: [SimulatedCollector]
  private let sink: SimulatedSink
  private let session: SamplerSession
  private let cpu: Int
  private var random: SeededGenerator
  private var record = SimulationRecord()

  private init(_ plan: SimulationPlan) {
    self.plan = plan
    scheduler = VirtualScheduler(plan.options)
    collectors = plan.collectors.map { [scheduler] in SimulatedCollector($0, scheduler) }
    random = plan.steps
    // All threads on one CPU: they take turns anyway, and a hand-over is cheapest there.
    let cpus = CPUSet.allowed().members
    cpu = cpus[Int(plan.seed % UInt64(cpus.count))]
    var configuration = SamplerConfiguration(
      interval: plan.interval, cpus: Array(repeating: cpu, count: plan.threads),
      context: CollectorContext(roots: MountRoots(proc: "/nowhere", sys: "/nowhere")))
    configuration.limit = plan.limit
    configuration.maximumDeliveryLatency = plan.maximumDeliveryLatency
    configuration.aligned = plan.aligned
    configuration.budget = plan.budget
    configuration.responseTimeout = plan.responseTimeout
    configuration.lockMemory = false
    configuration.time = scheduler.source
    sink = SimulatedSink(scheduler, seed: plan.seed, works: plan.sinkWorks)
    var sinks: [any SampleSink] = [sink]
    if let failure = plan.sinkFailure {
      sinks.append(SimulatedSink(scheduler, seed: plan.seed, works: [0], failure: failure))
    }
    let interval = plan.interval
    let requests = zip(collectors, plan.collectors).map { collector, plan in
      CollectorRequest(
        collector, interval: plan.cadence.map { $0 * interval }, required: plan.required)
    }
    session = SamplerSession(configuration, requests: requests, sinks: sinks)
  }

  /// Simulates the session of `seed`, with a log of it if `isLogged`. A second call gives the same.
  package static func run(seed: UInt64, isLogged: Bool = false) -> SimulationSummary {
    let plan = SimulationPlan(seed: seed)
    let simulation = SamplerSimulation(plan)
    var summary = SimulationSummary(seed: seed)
    do {
      try simulation.scheduler.run { try simulation.execute() }
    } catch {
      // Its threads stay where they are: what was seen so far proves nothing.
      summary.faults = ["\(error)"]
      _ = unsafe Unmanaged.passRetained(simulation)
      return summary
    }
    summary.trace = simulation.scheduler.trace
    var check = SimulationCheck(
      plan, simulation.collectors, simulation.sink.calls, simulation.record)
    check.run()
    summary.faults = check.faults
    if isLogged { summary.log = simulation.log() }
    summary.counts = check.counts
    summary.counts["scheduling points"] = simulation.scheduler.points
    return summary
  }

  private func log() -> [String] {
    var lines = ["\(plan)"]
    lines += record.steps.map { "\($0.time) \($0.words)" }
    lines += (record.meta?.streams ?? []).map { "\($0)" }
    for bracket in record.brackets {
      for line in bracket.account.ledger.threads {
        lines.append("\(bracket.account.number), \(line.thread): \(line.ticks) \(line.ring)")
        for one in line.collectors {
          let gaps = one.gaps.sorted { $0.key < $1.key }
          lines.append("  \(one.collector): \(one.acquisitions), \(gaps), \(one.records) records")
        }
      }
    }
    for collector in collectors {
      for one in collector.acquisitions { lines.append("\(collector.plan.name): \(one)") }
    }
    lines += sink.calls.map { call in
      switch call {
      case .frame(let header, let values): "\(header) \(values.count) values"
      case .records(let header, let rows): "\(header) \(rows.count) words"
      case .layout(let layout): "layout \(layout.stream) epoch \(layout.epoch)"
      case .event, .commit: "\(call)"
      }
    }
    return lines
  }

  private func note(_ words: String) {
    record.steps.append((scheduler.monotonic(), words))
  }

  // MARK: The controller

  private func execute() throws {
    try CPUSet([cpu]).applyToThisThread()
    do {
      try session.arm()
    } catch {
      // Nothing is there to be disarmed; doing so does no harm.
      if random.chance(0.5) { session.disarm() }
      collectors.forEach { $0.release(forGood: true) }
      return
    }
    record.meta = session.meta
    collectors.forEach { $0.beginSampling() }
    var isOpen = false
    for number in 1...plan.brackets {
      if !isOpen, try !between() { break }
      guard let isLeftOpen = bracket(isLast: number == plan.brackets) else { break }
      isOpen = isLeftOpen
    }
    record.stays = session.isUnresponsive || collectors.contains { $0.isHanging }
    record.overAt = scheduler.monotonic()
    note("disarm, stays: \(record.stays)")
    session.disarm()
    note("disarmed")
    collectors.forEach { $0.release(forGood: true) }
  }

  /// What may happen between two brackets; false when the session cannot go on.
  private func between() throws -> Bool {
    wait(intervals: 3)
    releaseSome(0.4)
    if random.chance(0.15) { disable(random.pick(plan.collectors).name) }
    if random.chance(0.15) {
      record.growths += try session.growRings(of: Array(0..<plan.threads)).count
    }
    if random.chance(0.2) {
      note("suspend")
      session.suspend()
      wait(intervals: 2)
      if try !resume() { return false }
    }
    for probability in [0.3, 0.1] where random.chance(probability) {
      note("prepare")
      session.prepare()
      // A collector that hangs is used no more.
      for collector in collectors where collector.isHangingPrepared {
        let name = collector.plan.name
        record.disabled[name] = record.disabled[name] ?? session.bracketNumber + 1
      }
    }
    return true
  }

  private func disable(_ name: String) {
    note("disable \(name)")
    if session.disable(name) { record.disabled[name] = session.bracketNumber + 1 }
  }

  private func resume() throws -> Bool {
    for _ in 0..<4 {
      do throws(LBError) {
        note("resume")
        try session.resume()
        return true
      } catch {
        if let name = error.context.collector, random.chance(0.5) { disable(name) }
        releaseSome(0.5)
      }
    }
    return false
  }

  /// One bracket; gives whether it is still open, nil when the session cannot go on.
  private func bracket(isLast: Bool) -> Bool? {
    do throws(LBError) {
      note("start")
      let number = try session.start()
      note("started")
      happen()
      if random.chance(0.1), !isLast {
        record.unclosed.insert(number)
        return true
      }
      let isOver = session.isFinished && random.chance(0.8)
      note("stop, sampling: \(!isOver)")
      let account = try session.stop(sampling: !isOver)
      note("stopped")
      record.brackets.append(SimulationRecord.Bracket(account: account, hasClose: !isOver))
      return false
    } catch {
      note("fails: \(error)")
      record.silentAt = record.silentAt ?? scheduler.monotonic()
      if !session.isUnresponsive { record.faults.append("a bracket fails: \(error)") }
      if random.chance(0.5) { session.abandon() }
      return nil
    }
  }

  /// What happens while sampling goes on.
  private func happen() {
    wait(intervals: random.pick([0, 1, 6, 30]))
    if random.chance(0.1) { scheduler.advance(plan.interval * 7 / 2) }
    if random.chance(0.1) { scheduler.step(-3_000_000_000) }
    if random.chance(0.1) { scheduler.suspend(2_000_000_000) }
    if random.chance(0.3) {
      releaseSome(0.5)
      wait(intervals: 5)
    }
  }

  private func releaseSome(_ probability: Double) {
    for collector in collectors where random.chance(probability) {
      collector.release(forGood: false)
    }
  }

  /// Waits for up to so many intervals, or until attention is asked for.
  private func wait(intervals: Int) {
    let limit = Int(plan.interval) * intervals
    let length = UInt64(limit == 0 ? random.below(3) : random.below(limit))
    let descriptors = random.chance(0.2) ? [session.attentionDescriptor] : []
    _ = scheduler.wait(readable: descriptors, until: scheduler.monotonic() + length)
  }
}
