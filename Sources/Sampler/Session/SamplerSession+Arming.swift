import Glibc
import LinuxSystem
package import SampleModel
import SampleRing
import Synchronization

/// Arming: everything expensive is done once, before sampling.
extension SamplerSession {
  /// Probes, opens, sizes, allocates and starts the threads. If it throws, nothing is left armed
  /// and no thread runs, except one that hangs.
  package func arm() throws(LBError) {
    do throws(LBError) {
      try armAll()
    } catch {
      worker.shutDown()
      throw error
    }
  }

  private func armAll() throws(LBError) {
    var unavailable: [StreamMeta.Unavailable] = []
    let armed = try armCollectors(&unavailable)
    guard !armed.isEmpty else {
      let reasons = unavailable.map { "\($0.collector): \($0.reason)" }.joined(separator: "; ")
      throw LBError(
        .collectorUnavailable, "none of the selected collectors is available: \(reasons)")
    }
    // A source without values may have some later; filtered columns stay filtered.
    let isFiltered = configuration.context.filter != ColumnFilter()
    guard !isFiltered || table.layouts.contains(where: { !$0.columns.isEmpty }) else {
      let notes = table.notes
      table.disarmAll()
      throw LBError(
        .configuration,
        ([
          "no metric matches the --only and --except filters; run 'lbsample collectors' for metric "
            + "names"
        ] + notes).joined(separator: "; "))
    }
    do throws(SystemError) {
      let drain = try Drain(
        configuration, signal: signal, table: table, worker: worker, sinks: sinks,
        period: drainPeriod
      ) { [configuration] index, words throws(SystemError) in
        try Self.ring(index, words: words, reach: words / 4, configuration)
      }
      self.drain = drain
      var notes = slowerByDefault(armed) + table.notes + unmatchedFilters()
      let fitted = fit(armed, &notes)
      notes += coarserThanAsked(fitted) + slowerToAnswer(fitted)
      var streams: [StreamMeta.Stream] = []
      for (index, mine) in shared(fitted).enumerated() {
        streams += try addThread(index, mine, drain, &notes)
      }
      streams.sort { $0.stream < $1.stream }
      let meta = StreamMeta(
        interval: configuration.interval, streams: streams, unavailable: unavailable,
        records: armed.compactMap { table.schema(UInt16($0.stream)) },
        anchor: ClockJumpDetector.read(time), notes: notes)
      self.meta = meta
      try drain.launch(meta: meta, cpus: configuration.drainCPUs)
      drain.flush()
      isDrained = true
    } catch {
      disarm()
      throw LBError(
        .configuration,
        "the sampling threads could not be set up: \(error); \(ArmingFailure.fix(error))",
        context: ErrorContext(errno: error.errno))
    }
    if let failure = drain?.failure {
      disarm()
      throw failure
    }
  }

  /// Patterns that matched no column while others did: a typing error, or a collector that was not
  /// selected. A source that has no values yet may still match later.
  private func unmatchedFilters() -> [String] {
    let names = table.layouts.flatMap(\.shown).map(\.name)
    return configuration.context.filter.only.filter { glob in
      !names.contains { Glob.matches(glob, $0) }
    }.map {
      "--only \($0): no metric of the selected collectors matches; 'lbsample collectors' lists the "
        + "metrics of each collector"
    }
  }

  private func armCollectors(
    _ unavailable: inout [StreamMeta.Unavailable]
  ) throws(LBError) -> [Armed] {
    var armed: [Armed] = []
    let isFiltered = configuration.context.filter != ColumnFilter()
    let cadences = try requests.map { request throws(LBError) in try cadence(of: request) }
    for (request, cadence) in zip(requests, cadences) {
      let name = request.collector.description.name
      var availability = Availability.available
      var outcome = availability.word
      var reason: String?
      do throws(LBError) {
        switch try arm(request.collector) {
        case .armed(let collector, let cost):
          let isEmpty = collector.decoder != nil && collector.columns.isEmpty
          if request.required, isEmpty, !collector.notes.isEmpty, !isFiltered {
            collector.disarm()
            throw LBError(
              .collectorUnavailable,
              "\(name): none of its values can be read: \(collector.notes.joined(separator: "; "))",
              context: ErrorContext(collector: name))
          }
          table.add(request.collector, collector)
          armed.append(
            Armed(stream: armed.count, request: request, cadence: cadence, cost: cost))
        case .unavailable(let found):
          availability = found
          outcome = found.word
          reason = found.reasonAndFix
        }
      } catch {
        configuration.context.probes.invalidate(name)
        if request.required || error.category == .stopRequested {
          table.disarmAll()
          throw ArmingFailure.ofRequired(name, error)
        }
        outcome = ArmingFailure.outcome(of: error)
        reason = ArmingFailure.withoutName(name, error.description)
      }
      guard let reason else { continue }
      if request.required {
        table.disarmAll()
        throw ArmingFailure.unavailable(name, availability)
      }
      unavailable.append(
        StreamMeta.Unavailable(collector: name, outcome: outcome, reason: reason))
    }
    return armed
  }

  /// The result of arming a collector.
  private enum Armable {
    /// With the nanoseconds of one acquisition, if there is a budget.
    case armed(ArmedCollector, cost: UInt64)
    case unavailable(Availability)
  }

  /// Probes, arms and measures a collector on the arming thread. One that hangs is reported and
  /// left out.
  private func arm(_ collector: any Collector) throws(LBError) -> Armable {
    let answer = JobAnswer<Result<Armable, LBError>>(time)
    let context = configuration.context
    let name = collector.description.name
    // Waiting takes no CPU time.
    let isMeasured = configuration.budget != nil && !collector.waits
    let outcome = worker.run(
      .max, within: configuration.responseTimeout, unless: configuration.stop
    ) { [time] in
      guard answer.begin() else { return }
      var late: ArmedCollector?
      let result = Result { () throws(LBError) -> Armable in
        let availability = context.probes.availability(of: collector, context)
        guard availability == .available else { return .unavailable(availability) }
        let armed = try collector.arm(context)
        late = armed
        return .armed(armed, cost: isMeasured ? SingleAcquisition.cost(of: armed, time) : 0)
      }
      if !answer.give(result) { late?.disarm() }
    }
    if let result = answer.take().value { return try result.get() }
    if outcome == .stopped, let reason = configuration.stop?.raised {
      throw LBError.stopped(by: reason, " while arming \(name)")
    }
    throw LBError(
      .collectorUnavailable,
      outcome == .noThread
        ? "\(name): no thread can be created to arm it; raise the limit of processes (ulimit -u)"
        : "\(name): timed out after \(Durations.text(configuration.responseTimeout)) opening its "
          + "files; one of them blocks, or is very large",
      context: ErrorContext(collector: name, errno: outcome == .noThread ? nil : ETIMEDOUT))
  }

  /// Words of one ring: two seconds of acquisitions (twice the drain's period), and room for
  /// several of the largest.
  private func ringWords(_ states: [StreamState]) -> Int {
    let ticks = max(2e9 / Double(configuration.interval), 8)
    var words = 0.0
    var largest = 0
    for state in states {
      let frame = RingRecord.stride(FrameHeader.wordCount + state.bodyWords + state.bodyWords / 16)
      words += Double(frame) * (ticks / Double(state.cadence) + 4)
      let rows = state.recordWords * state.recordRows
      largest = max(largest, frame + rows)
      // Ticks full of records are rare: records beyond a share of the ring are lost.
      if rows > 0 { words += min(Double(rows) * ticks / Double(state.cadence), 262_144) }
    }
    let bounded = min(max(words, Double(Self.leastWords)), Double(Self.grownCapacity))
    return RingStorage.capacity(atLeast: max(Int(bounded), largest * 4))
  }

  /// 64 KiB: enough for several hundred new interfaces before the ring must grow.
  private static let leastWords = 8 << 10

  private func addThread(
    _ index: Int, _ armed: [Armed], _ drain: Drain, _ notes: inout [String]
  ) throws(SystemError) -> [StreamMeta.Stream] {
    let cpu = cpu(ofThread: index)
    var states: [StreamState] = []
    var mailboxes: [Mailbox] = []
    for one in armed {
      guard let found = table.threadState(one.stream, cadence: one.cadence) else { continue }
      var state = found.0
      state.isFixed = one.request.interval != nil
      state.costLimit = one.request.interval == nil ? table.costLimit(one.stream) : 0
      states.append(state)
      mailboxes.append(found.1)
    }
    let reach = states.map { $0.bodyWords * 2 + $0.recordWords * $0.recordRows }.max() ?? 0
    let ring = try Self.ring(index, words: ringWords(states), reach: reach, configuration)
    let stack = try Mapping(
      bytes: 1 << 18, purpose: "stack \(index)",
      options: Mapping.Options(
        node: Self.memoryNode(ofCPU: cpu, configuration), locked: configuration.lockMemory),
      guardPage: true)
    let thread = SamplingThread(
      index: index, cpu: cpu, priority: configuration.priority,
      SamplingThread.Parts(
        streams: states, mailboxes: mailboxes, producer: ring.takeProducer(),
        wakeFill: ring.capacity / 2,
        wakesEveryTick: configuration.maximumDeliveryLatency.map { configuration.interval >= $0 }
          ?? false,
        budget: configuration.budget ?? 0,
        samplesEdgesOnCaller: index == 0 && canSampleEdgesOnCaller(armed)),
      drain: signal)
    notes += ring.memory.notes + stack.notes
    stacksLocked += UInt64(stack.lockedBytes)
    try thread.launch(stack: stack)
    drain.add(Drain.Source(thread, ring, interval: configuration.interval))
    threads.append(thread)
    return armed.map {
      StreamMeta.Stream(
        collector: $0.request.collector.description.name, stream: UInt16($0.stream),
        thread: index, cpu: cpu, cadence: $0.cadence, required: $0.request.required)
    }
  }

  /// Nine tenths of a second: with the commit, results are durable within the promised second.
  private static let recordingPeriod: UInt64 = 900_000_000

  /// At longer intervals each tick wakes a live drain, which needs no period of its own.
  private var drainPeriod: UInt64 {
    guard let period = configuration.maximumDeliveryLatency, configuration.interval < period else {
      return Self.recordingPeriod
    }
    return period
  }
}

/// How often each collector is read, and the notes about it.
extension SamplerSession {
  /// Notes the collectors whose cost class gives them a longer interval: otherwise empty cells
  /// would be unexplained.
  func slowerByDefault(_ armed: [Armed]) -> [String] {
    let slower = armed.filter { $0.cadence > 1 && $0.request.interval == nil }.map {
      let interval = Durations.brief($0.cadence * configuration.interval)
      return "\($0.request.collector.description.name) \(interval)"
    }
    guard !slower.isEmpty else { return [] }
    return [
      "longer default intervals in effect: \(slower.joined(separator: ", ")) (override with "
        + "--interval-of NAME=TIME)"
    ]
  }

  /// An armed collector with its cadence.
  struct Armed {
    let stream: Int
    let request: CollectorRequest
    var cadence: UInt64
    /// Nanoseconds of one acquisition, 0 if it was not measured.
    let cost: UInt64
  }

  /// Whether the controller may take the edges of these collectors itself: none can block, and the
  /// sampling thread has ordinary priority.
  func canSampleEdgesOnCaller(_ armed: [Armed]) -> Bool {
    configuration.priority == .other && armed.allSatisfy { $0.request.collector.isNonBlocking }
  }

  /// Distributes the collectors over threads: those that do not wait over one thread for each CPU,
  /// then one thread for each collector that waits.
  func shared(_ armed: [Armed]) -> [[Armed]] {
    let quick = armed.filter { !$0.request.collector.waits }
    let count = min(configuration.cpus.count, quick.count)
    var shares = Array(repeating: [Armed](), count: count)
    for (index, one) in quick.enumerated() { shares[index % count].append(one) }
    return shares + armed.filter { $0.request.collector.waits }.map { [$0] }
  }

  /// Threads of waiting collectors are assigned to the same CPUs round-robin.
  func cpu(ofThread index: Int) -> Int { configuration.cpus[index % configuration.cpus.count] }

  /// Fits the cadences to the budget, by the measured cost of each collector; every change is
  /// noted.
  func fit(_ armed: [Armed], _ notes: inout [String]) -> [Armed] {
    guard let budget = configuration.budget else { return armed }
    let items = armed.map { one in
      Budget.Item(
        cost: one.cost, cadence: one.cadence, isFixed: one.request.interval != nil)
    }
    let fitted = Budget.fit(items, interval: configuration.interval, budget: budget)
    var result = armed
    var longer: [String] = []
    for (index, item) in fitted.enumerated() where item.cadence != armed[index].cadence {
      result[index].cadence = item.cadence
      longer.append(
        "\(armed[index].request.collector.description.name) "
          + Durations.brief(item.cadence * configuration.interval))
    }
    if !longer.isEmpty {
      notes.append(
        "budget \(Share.text(budget)): longer intervals from the start: "
          + longer.joined(separator: ", "))
    }
    let cost = Budget.cost(fitted, interval: configuration.interval)
    if cost > budget {
      notes.append(
        "budget \(Share.text(budget)) cannot be met: at the longest intervals, sampling still "
          + "costs \(Share.text(cost)) of one CPU")
    }
    return result
  }

  /// Notes metrics that their source updates less often than the user's interval.
  func coarserThanAsked(_ armed: [Armed]) -> [String] {
    guard configuration.isIntervalExplicit else { return [] }
    var coarse: [String] = []
    for layout in table.layouts {
      guard let one = armed.first(where: { $0.stream == Int(layout.stream) }) else { continue }
      let period = one.cadence * configuration.interval
      let metrics = layout.columns.map(\.metric).filter { ($0.resolution ?? 0) > period }
      guard let slowest = metrics.max(by: { ($0.resolution ?? 0) < ($1.resolution ?? 0) }) else {
        continue
      }
      let count = Set(metrics.map(\.name)).count
      coarse.append(
        "\(layout.collector).\(slowest.name)\(count > 1 ? " and \(count - 1) more" : "") "
          + "(updated every \(Durations.brief(slowest.resolution ?? 0)))")
    }
    guard !coarse.isEmpty else { return [] }
    return [
      "some metrics change more slowly than they are sampled, so consecutive samples may be equal: "
        + coarse.joined(separator: ", ")
    ]
  }

  /// Notes collectors whose source may need longer than one interval to answer.
  private func slowerToAnswer(_ armed: [Armed]) -> [String] {
    armed.compactMap { one in
      let collector = one.request.collector
      let period = one.cadence * configuration.interval
      guard collector.longestWait > period else { return nil }
      let name = collector.description.name
      let wait = Durations.brief(collector.longestWait)
      return "\(name): a sample waits up to \(wait) for the kernel, so at intervals of "
        + "\(Durations.brief(period)) deadlines are skipped while little happens (use "
        + "--interval-of \(name)=\(wait))"
    }
  }

  /// The time from which deadlines are counted: now, or such that they fall on multiples of the
  /// interval on the wall clock.
  func openingBase() -> UInt64 {
    let anchor = ClockJumpDetector.read(time)
    guard configuration.aligned else { return time.monotonic() }
    return anchor.monotonic &- anchor.realtime % configuration.interval
  }

  func cadence(of request: CollectorRequest) throws(LBError) -> UInt64 {
    guard let interval = request.interval else {
      let least = request.collector.description.minimumInterval
      return max(1, (least + configuration.interval - 1) / configuration.interval)
    }
    guard interval >= configuration.interval, interval % configuration.interval == 0 else {
      let name = request.collector.description.name
      let next = (interval / configuration.interval + 1) * configuration.interval
      throw LBError(
        .configuration,
        "\(name): its interval of \(Durations.brief(interval)) must be a multiple of the sampling "
          + "interval (\(Durations.brief(configuration.interval))), as in --interval-of "
          + "\(name)=\(Durations.brief(next))")
    }
    return interval / configuration.interval
  }
}
