import LinuxSystem
import SampleModel

/// What is done between two brackets.
extension SamplerSession {
  /// Opens what belongs to the next bracket alone, so that its opening sample only reads. What
  /// cannot be armed anew here is tried again at the edge. Not between `start` and `stop`.
  package func prepare() {
    guard !isSilent else { return }
    welcomeBack()
    // A thread that is left alone may be reading.
    let busy = Set(
      (meta?.streams ?? []).filter { !canBeTouched($0.thread) }.map(\.stream))
    var rearmed = Set<UInt16>()
    for (stream, arming) in table.prepared(but: busy) where prepare(stream, arming) {
      rearmed.insert(stream)
      if let failure = rearm(
        stream, after: arming.number, within: configuration.answerLimit)
      {
        edgeFailure = failure
      }
    }
    guard !rearmed.isEmpty else { return }
    for (stream, arming) in table.prepared(but: busy) where rearmed.contains(stream) {
      _ = prepare(stream, arming)
    }
  }

  /// Prepares one stream on the arming thread; gives whether it is to be armed anew. One that does
  /// not come back is read no more: it may be using its source for ever.
  private func prepare(_ stream: UInt16, _ arming: Arming) -> Bool {
    let answer = JobAnswer<AcquisitionOutcome>(time)
    let limit = configuration.answerLimit
    _ = worker.run(stream, within: limit) {
      guard answer.begin() else { return }
      let outcome = arming.armed.prepare()
      if !answer.give(outcome) { arming.armed.disarm() }
    }
    let (outcome, hasBegun) = answer.take()
    // An acquisition does what was not begun.
    guard outcome == nil, hasBegun, let place = meta?.streams.first(where: { $0.stream == stream })
    else { return outcome?.needsRearm ?? false }
    threads[place.thread].disable(stream)
    table.giveUp(stream, on: threads[place.thread])
    let message =
      "\(place.collector): preparing it has not come back within \(Durations.text(limit)): a "
      + "source of it hangs, and it is read no more"
    drain?.note(message)
    if place.required, lostFailure == nil {
      lostFailure = LBError(
        .metricCollection, message, context: ErrorContext(collector: place.collector))
    }
    return false
  }
}
