import Glibc
import LinuxSystem
import SampleModel
import SampleRing
import Synchronization

/// What becomes of one record: decoded, counted, and handed to the sinks.
extension Drain {
  /// What is known of one stream. A class: a record then costs one reference, and no copy.
  final class Live {
    /// Number of the arming that its records come from, and what decodes them.
    var arming: UInt32 = 0
    var decoder: RawDecoder?
    var layout: Layout?
    /// The layout's, 0 before there is one, and that of the last one that sinks were given.
    var epoch: UInt32 = 0
    var announced: UInt32 = 0
    let steps = StepWatch()
    var refreshes = RefreshWatch()
    /// Acquisitions that could not be decoded.
    var gaps = GapCounts()
    /// Arming anew was tried last at this time, and failed then.
    var rearmedAt: UInt64?
    /// An acquisition asked for it, and it has not been begun yet.
    var wantsRearm = false
    var rearmFailed = false
    /// It is not armed anew any more: an arming of it hangs.
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
        // Taken out of the property: a span of it may not outlive an access.
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
    // Also of the one that it was armed with first: what it was measured by may have had others.
    let columns = arming.armed.decoder?.columns ?? arming.armed.columns
    change(header.stream, to: columns, at: header.start)
    if !retired.isEmpty {
      // What closes its sources may wait for them.
      let isClosed = worker.submit(header.stream, isClosing: true) {
        for old in retired { old.armed.disarm() }
      }
      if !isClosed { for old in retired { old.armed.disarm() } }
    }
    return true
  }

  /// Decodes what an acquisition has read; gives what has the values, and the header then has the
  /// outcome.
  private func decode(
    _ body: Span<UInt64>, _ header: inout FrameHeader, _ live: Live, _ source: Source
  ) -> RawDecoder? {
    guard header.outcome == .complete, let decoder = live.decoder else {
      live.gaps.add(header.outcome)
      if header.outcome == .truncated { growRing(source) }
      return nil
    }
    let outcome = decoder.decode(body)
    // The cause before what follows from it.
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

  /// The columns of a stream from now on, reported where they are others than before.
  private func change(_ stream: UInt16, to columns: [Column], at time: UInt64) {
    guard let (layout, change) = table.layout(stream, columns: columns), let change else { return }
    report(.layoutEpoch, "\(layout.collector): \(change)", at: time)
    use(layout)
  }

  /// Takes a layout into force for what is decoded from now on.
  func use(_ layout: Layout) {
    let live = live[Int(layout.stream)]
    live.layout = layout
    live.epoch = layout.epoch
    live.steps.layout(layout)
    live.refreshes.layout(layout)
  }

  /// Gives the sinks the layout in force, unless they have it: just before its first frame, as a
  /// stored run is played back. One that another has replaced before a frame came is never given.
  @inline(__always)
  func announceLayout(_ live: Live) {
    guard live.announced != live.epoch, let layout = live.layout else { return }
    live.announced = live.epoch
    deliver { sink throws(LBError) in try sink.layout(layout) }
  }

  // MARK: Arming anew

  /// Has a stream armed anew on the arming thread: once a second is enough for a source that does
  /// not arm, or gives no values armed.
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

  /// Reports what arming anew came to, and gives up what does not come back.
  func noteRearmings() {
    let ended = rearmings.withLock { rearmings in
      defer { rearmings = [] }
      return rearmings
    }
    for (stream, failure) in ended {
      let index = Int(stream)
      if let failure {
        // An arming's error begins with its collector. That its source is gone is known already.
        let isGone = [ENOENT, ESRCH].contains(failure.context.errno)
        if !live[index].rearmFailed, !isGone { report(.gap, "\(failure)") }
        live[index].rearmFailed = true
      } else {
        live[index].rearmFailed = false
        makeRoom(stream)
        source(of: stream)?.thread.announceMail()
      }
    }
    if let stream = worker.overdue(answerLimit) {
      live[Int(stream)].isGivenUp = true
      report(
        .gap,
        "\(table.name(stream)): re-arming timed out after \(Durations.text(answerLimit)); sampling "
          + "continues with the files already open")
    }
  }

  /// Reports something that the session has found out.
  func note(_ message: String) { inTurn { report(.note, message) } }

  /// Reports what threads changed to keep the budget, all of a pass together.
  func noteCadences() {
    var longer: [String] = []
    for source in sources {
      for index in source.cadences.indices {
        let cadence = source.thread.cadences[index]
        guard cadence != source.cadences[index] else { continue }
        let isLonger = cadence > source.cadences[index]
        source.cadences[index] = cadence
        // A new bracket begins as it was asked for.
        guard isLonger else { continue }
        let name = table.name(source.thread.stream(index))
        longer.append("\(name) \(Durations.brief(cadence * source.interval))")
      }
    }
    guard !longer.isEmpty else { return }
    // Without a budget it is a collector that has a limit of its own.
    let cause = budget > 0 ? "budget \(Share.text(budget))" : "the limit of what reading may cost"
    report(
      .budget, "\(cause) exceeded; intervals lengthened: " + longer.joined(separator: ", "))
  }

  /// Reports sampling threads that have been at one deadline for longer than a collector may take.
  func noteHangs() {
    let now = time.monotonic()
    for source in sources where !source.thread.isLeftAlone.load(ordering: .acquiring) {
      let floor = source.thread.floor.load(ordering: .acquiring)
      let name = "sampling thread \(source.thread.index)"
      guard floor == source.floor, floor <= now else {
        if source.hangs { report(.note, "\(name) answers again") }
        source.hangs = false
        (source.floor, source.floorSince, source.passesAtFloor) = (floor, now, 0)
        continue
      }
      source.passesAtFloor += 1
      // Not at the first passes behind a SIGSTOP of this process.
      guard !source.hangs, source.passesAtFloor > 4, now &- source.floorSince >= answerLimit else {
        continue
      }
      source.hangs = true
      let stream = source.thread.reading.load(ordering: .relaxed)
      report(
        .gap,
        "\(name) has been blocked for \(Durations.text(answerLimit)) in collector "
          + "\(table.name(stream)); its values are left out until the read returns")
    }
  }

  /// Forgets what it has counted of streams: a bracket that was not closed has no account. In turn.
  func forgetCounts() {
    for stream in live.indices {
      _ = takeGaps(stream)
      _ = takeSteps(stream)
    }
  }

  /// Gives a ring two seconds of a stream's acquisitions again, when they have become longer.
  private func fitRing(_ source: Source, _ stream: UInt16, bodyWords: Int) {
    guard
      let index = (0..<source.cadences.count).first(where: { source.thread.stream($0) == stream })
    else { return }
    let ticks = 2e9 / Double(source.interval) / Double(source.thread.cadences[index]) + 4
    let words = Double(RingRecord.stride(FrameHeader.wordCount + bodyWords)) * ticks
    let bounded = Int(min(words, Double(SamplerSession.grownCapacity)))
    if bounded > source.ring.capacity { growRing(source, atLeast: bounded) }
  }

  /// Gives the ring of a stream that was armed anew room for a few of its acquisitions. In turn.
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
