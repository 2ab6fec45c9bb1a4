import Glibc
import LinuxSystem
import SampleModel
import SampleRing
import Synchronization

/// Decodes one record, counts its gaps, and delivers it to the sinks.
extension Drain {
  /// The drain's state of one stream. A class: each record then costs one reference and no copy.
  final class Live {
    /// The number of the arming that its records come from, and their decoder.
    var arming: UInt32 = 0
    var decoder: RawDecoder?
    var layout: Layout?
    /// The epoch of `layout` (0 before the first), and the last epoch that sinks received.
    var epoch: UInt32 = 0
    var announced: UInt32 = 0
    let steps = CounterResetTracker()
    var refreshes = StaleCounterDetector()
    /// Acquisitions that could not be decoded.
    var gaps = GapCounts()
    /// The time of the last attempt to re-arm.
    var rearmedAt: UInt64?
    /// An acquisition requested re-arming, which has not begun yet.
    var wantsRearm = false
    var rearmFailed = false
    /// It is not re-armed any more: an arming hangs.
    var isGivenUp = false
  }

  func deliver(_ record: RingRecord, _ words: Span<UInt64>, of source: Source) {
    let stream = Int(record.header.stream)
    let body = words.extracting(FrameHeader.wordCount..<words.count)
    deliverEvents(upTo: record.header.start)
    if record.header.edge != .none, !(edge?.isOfSameEdge(record.header) ?? false) {
      edge = record.header
    }
    guard adopt(record.header), stream < live.count else { return }
    let live = live[stream]
    var header = record.header
    if record.isRaw {
      let decoder = decode(body, &header, live, source)
      header.epoch = live.epoch
      if let decoder, header.outcome == .complete {
        // A copy of the reference: a span of the property may not outlive its access.
        let values = decoder.values
        deliver(header, values.span, live)
      } else {
        deliver(header, body.extracting(0..<0), live)
      }
    } else {
      header.epoch = live.epoch
      deliver(header, body, live)
      if header.outcome.needsRearm { live.wantsRearm = true }
      if live.wantsRearm { rearm(header.stream, at: header.start) }
    }
  }

  /// Looks up the arming that a record comes from and delivers its columns to the sinks; false for
  /// an unknown arming.
  private func adopt(_ header: FrameHeader) -> Bool {
    let stream = Int(header.stream)
    if stream < live.count, live[stream].arming == header.epoch { return true }
    guard stream < live.count, let (arming, retired) = table.adopt(header.stream, header.epoch)
    else {
      fail(LBError(.internal, "a frame of unknown stream \(stream), arming \(header.epoch)"))
      return false
    }
    live[stream].arming = header.epoch
    live[stream].decoder = arming.armed.decoder
    // The first arming too: the measurement at arm time may have changed its columns.
    let columns = arming.armed.decoder?.columns ?? arming.armed.columns
    change(header.stream, to: columns, at: header.start)
    if !retired.isEmpty {
      // Closing a source may block.
      let isClosed = worker.submit(header.stream, isClosing: true) {
        for old in retired { old.armed.disarm() }
      }
      if !isClosed { for old in retired { old.armed.disarm() } }
    }
    return true
  }

  /// Decodes an acquisition; returns the decoder that holds the values, and stores the outcome in
  /// the header.
  private func decode(
    _ body: Span<UInt64>, _ header: inout FrameHeader, _ live: Live, _ source: Source
  ) -> RawDecoder? {
    guard header.outcome == .complete, let decoder = live.decoder else {
      live.gaps.add(header.outcome)
      if header.outcome == .truncated { growRing(source) }
      return nil
    }
    let outcome = decoder.decode(body)
    // The cause comes before its consequences.
    if !decoder.messages.isEmpty {
      for message in decoder.messages { report(.gap, message, at: header.start) }
      decoder.messages = []
    }
    switch outcome {
    case .values: break
    case .valuesOfNewColumns:
      change(header.stream, to: decoder.columns, at: header.start)
      fitRing(source, header.stream, bodyWords: body.count)
    case .gap(let outcome):
      header.outcome = outcome
      live.gaps.add(outcome)
    }
    if decoder.wantsRearm {
      rearm(header.stream, at: header.start)
    } else if live.rearmFailed {
      live.rearmFailed = false
    }
    return decoder
  }

  private func deliver(_ header: FrameHeader, _ body: Span<UInt64>, _ live: Live) {
    guard live.layout != nil else { return }
    if header.kind == .records {
      announceLayout(live)
      for index in sinks.indices where !sinkFailed[index] {
        guarded(index) { sink throws(LBError) in try sink.records(header, body) }
      }
      return
    }
    live.steps.observe(header, body)
    if header.outcome == .complete {
      if let message = live.steps.resets(header) { report(.note, message, at: header.start) }
      for message in live.refreshes.observe(header, body) {
        report(.note, message, at: header.start)
      }
    }
    announceLayout(live)
    for index in sinks.indices where !sinkFailed[index] {
      guarded(index) { sink throws(LBError) in try sink.frame(header, body) }
    }
  }

  /// Changes the columns of a stream, and reports the change.
  private func change(_ stream: UInt16, to columns: [Column], at time: UInt64) {
    guard let (layout, change) = table.layout(stream, columns: columns), let change else { return }
    report(.layoutEpoch, "\(layout.collector): \(change)", at: time)
    use(layout)
  }

  /// Uses a layout for all records decoded from now on.
  func use(_ layout: Layout) {
    let live = live[Int(layout.stream)]
    live.layout = layout
    live.epoch = layout.epoch
    live.steps.layout(layout)
    live.refreshes.layout(layout)
  }

  /// Delivers the present layout to the sinks, unless they have it: just before its first frame, as
  /// in the replay of a stored run. A layout that was replaced before its first frame is never
  /// delivered.
  @inline(__always)
  func announceLayout(_ live: Live) {
    guard live.announced != live.epoch, let layout = live.layout else { return }
    live.announced = live.epoch
    deliver { sink throws(LBError) in try sink.layout(layout) }
  }

  // MARK: Re-arming

  /// Re-arms a stream on the arming thread, at most once a second: a source may fail to arm, or
  /// give no values afterwards.
  private func rearm(_ stream: UInt16, at now: UInt64) {
    let index = Int(stream)
    if let last = live[index].rearmedAt, now &- last < 1_000_000_000 { return }
    guard !live[index].isGivenUp, !worker.isBusy(stream) else { return }
    live[index].rearmedAt = now
    live[index].wantsRearm = false
    let arming = live[index].arming
    let isQueued = worker.submit(stream) { [self] in
      var failure: LBError?
      do throws(LBError) {
        guard try table.rearm(stream, after: arming) else { return }
      } catch {
        failure = error
      }
      rearmings.withLock { $0.append((stream, failure)) }
      signal.wake()
    }
    if !isQueued { report(.note, "\(table.name(stream)): no thread can be created to re-arm it") }
  }

  /// Reports the results of re-arming, and gives up streams whose arming hangs.
  func noteRearmings() {
    let ended = rearmings.withLock { rearmings in
      defer { rearmings = [] }
      return rearmings
    }
    for (stream, failure) in ended {
      let index = Int(stream)
      if let failure {
        // The error begins with the collector's name. A source that disappeared was reported
        // already.
        let isGone = [ENOENT, ESRCH].contains(failure.context.errno)
        if !live[index].rearmFailed, !isGone { report(.gap, "\(failure)") }
        live[index].rearmFailed = true
      } else {
        live[index].rearmFailed = false
        makeRoom(stream)
        source(of: stream)?.thread.announceMail()
      }
    }
    if let stream = worker.overdue(responseTimeout) {
      live[Int(stream)].isGivenUp = true
      report(
        .gap,
        "\(table.name(stream)): re-arming timed out after "
          + "\(Durations.text(responseTimeout)); sampling "
          + "continues with the files already open")
    }
  }

  /// Reports a note of the session.
  func note(_ message: String) { withPassLock { report(.note, message) } }

  /// Reports the intervals that threads lengthened to keep the budget, all of one pass in one
  /// event.
  func noteCadences() {
    var longer: [String] = []
    for source in sources {
      for index in source.cadences.indices {
        let cadence = source.thread.cadences[index]
        guard cadence != source.cadences[index] else { continue }
        let isLonger = cadence > source.cadences[index]
        source.cadences[index] = cadence
        // A new bracket begins with the configured intervals.
        guard isLonger else { continue }
        let name = table.name(source.thread.stream(index))
        longer.append("\(name) \(Durations.brief(cadence * source.interval))")
      }
    }
    guard !longer.isEmpty else { return }
    // Without a budget, the cause is a collector's own limit.
    let cause = budget > 0 ? "budget \(Share.text(budget))" : "the limit of what reading may cost"
    report(
      .budget, "\(cause) exceeded; intervals lengthened: " + longer.joined(separator: ", "))
  }

  /// Reports sampling threads that have been at one deadline for longer than the response timeout.
  func noteHangs() {
    let now = time.monotonic()
    for source in sources where !source.thread.isUnresponsive.load(ordering: .acquiring) {
      let lowWatermark = source.thread.lowWatermark.load(ordering: .acquiring)
      let name = "sampling thread \(source.thread.index)"
      guard lowWatermark == source.lowWatermark, lowWatermark <= now else {
        if source.hangs { report(.note, "\(name) answers again") }
        source.hangs = false
        (source.lowWatermark, source.lowWatermarkSince, source.passesAtLowWatermark) = (
          lowWatermark, now, 0
        )
        continue
      }
      source.passesAtLowWatermark += 1
      // Not in the first passes after a SIGSTOP of this process.
      guard !source.hangs, source.passesAtLowWatermark > 4,
        now &- source.lowWatermarkSince >= responseTimeout
      else {
        continue
      }
      source.hangs = true
      let stream = source.thread.reading.load(ordering: .relaxed)
      report(
        .gap,
        "\(name) has been blocked for \(Durations.text(responseTimeout)) in collector "
          + "\(table.name(stream)); its values are left out until the read returns")
    }
  }

  /// Discards the counts of all streams: a bracket that was not closed has no account. With the
  /// pass lock held.
  func discardCounts() {
    for stream in live.indices {
      _ = takeGaps(stream)
      _ = takeSteps(stream)
    }
  }

  /// Grows a ring to two seconds of a stream's acquisitions, after they became longer.
  private func fitRing(_ source: Source, _ stream: UInt16, bodyWords: Int) {
    guard
      let index = (0..<source.cadences.count).first(where: { source.thread.stream($0) == stream })
    else { return }
    let ticks = 2e9 / Double(source.interval) / Double(source.thread.cadences[index]) + 4
    let words = Double(RingRecord.stride(FrameHeader.wordCount + bodyWords)) * ticks
    let bounded = Int(min(words, Double(SamplerSession.grownCapacity)))
    if bounded > source.ring.capacity { growRing(source, atLeast: bounded) }
  }

  /// Grows the ring of a re-armed stream to hold a few of its acquisitions. With the pass lock
  /// held.
  func makeRoom(_ stream: UInt16) {
    guard let source = source(of: stream) else { return }
    let least = RingRecord.stride(FrameHeader.wordCount + table.bodyWords(stream)) * 4
    if least > source.ring.capacity { growRing(source, atLeast: least) }
  }

  private func source(of stream: UInt16) -> Source? {
    sources.first { source in
      (0..<source.cadences.count).contains { source.thread.stream($0) == stream }
    }
  }
}
