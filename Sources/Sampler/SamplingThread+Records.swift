import LinuxSystem
import SampleModel
import SampleRing

extension SamplingThread {
  /// Asks an armed collector for its records and pushes them as one batch.
  func pushRecords(
    _ state: UnsafeMutablePointer<StreamState>, _ header: FrameHeader
  ) -> UInt64 {
    let headerWords = FrameHeader.wordCount
    let room = unsafe state.pointee.recordWords * state.pointee.recordRows
    // Safe: the scratch has room for the largest batch beside the header, as in acquire.
    let words = unsafe UnsafeMutableBufferPointer(
      start: scratch.memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt64.self),
      count: headerWords + room)
    var rows = unsafe UnsafeMutableBufferPointer(rebasing: words[headerWords...]).mutableSpan
    let count = unsafe state.pointee.armed._withUnsafeGuaranteedRef {
      $0.sampleRecords(into: &rows)
    }
    let end = Clock.monotonic()
    unsafe state.pointee.counts.records &+= UInt64(count.rows)
    unsafe state.pointee.counts.recordsLost &+= UInt64(count.lost)
    guard count.rows > 0 else { return end }
    var header = header
    header.kind = .records
    header.start = header.end
    header.end = end
    var front = unsafe words.mutableSpan
    header.encode(into: &front)
    let message = unsafe UnsafeBufferPointer(
      start: words.baseAddress,
      count: headerWords + count.rows * state.pointee.recordWords)
    if unsafe !producer.push(message.span) {
      unsafe state.pointee.counts.recordsLost &+= UInt64(count.rows)
    }
    return end
  }
}
