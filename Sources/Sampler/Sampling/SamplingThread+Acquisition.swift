import LinuxSystem
package import SampleModel
import SampleRing
import Synchronization

/// Acquires one collector that is due.
extension SamplingThread {
  /// CLOCK_MONOTONIC of the next deadline; UInt64.max without one.
  @inline(__always)
  var nextDeadline: UInt64 {
    nextIndex == .max ? .max : bracket.base &+ nextIndex &* bracket.interval
  }

  /// One acquisition of one collector, written in place into the ring; returns the time at its end.
  @inline(__always)
  func acquire(
    _ index: Int, edge: BracketEdge, deadlineIndex: UInt64, deadline: UInt64, at start: UInt64
  ) -> UInt64 {
    let state = unsafe streams.baseAddress.unsafelyUnwrapped + index
    let isRaw = unsafe state.pointee.isRaw
    // Relaxed: only names the collector of a hanging thread, and orders nothing.
    reading.store(unsafe state.pointee.stream, ordering: .relaxed)
    pushed &+= 1
    guard let record = unsafe producer.pointee.reserve(Self.need(state)) else {
      return unsafe findNoRoom(state, edge, deadlineIndex, deadline, at: start)
    }
    let room = unsafe record + FrameHeader.wordCount
    var outcome = AcquisitionOutcome.complete
    var words = 0
    // Unmanaged: the stream table keeps the collector alive, and no reference to it is counted.
    if isRaw {
      // The text may have grown by any amount: use the room that the drain released meanwhile.
      if unsafe producer.pointee.reservable * 2 < producer.pointee.capacity {
        _ = unsafe producer.pointee.refill()
      }
      // Safe: the body ends with the free words.
      let free = unsafe min(producer.pointee.reservable, RingRecord.longest)
      var body = unsafe RawBody(room, capacity: free &- FrameHeader.wordCount)
      unsafe state.pointee.armed._withUnsafeGuaranteedRef {
        $0.edge = edge
        $0.read(into: &body)
      }
      unsafe state.pointee.counts.systemCalls &+= body.systemCalls
      words = body.count
      if body.isCut {
        // If the ring is full, room will be released; otherwise it is too small.
        guard unsafe producer.pointee.reservable * 2 >= producer.pointee.capacity else {
          dropped &+= 1
          return time.monotonic()
        }
        outcome = .truncated
        words = 0
      } else {
        unsafe state.pointee.bodyWords = words
      }
    } else {
      // Safe: these words are reserved.
      var values = unsafe UnsafeMutableBufferPointer(start: room, count: state.pointee.bodyWords)
        .mutableSpan
      outcome = unsafe state.pointee.armed._withUnsafeGuaranteedRef {
        $0.edge = edge
        return $0.sample(into: &values)
      }
      unsafe state.pointee.counts.systemCalls &+= state.pointee.armed._withUnsafeGuaranteedRef {
        $0.systemCallsOfSample
      }
      if outcome == .complete { words = unsafe state.pointee.bodyWords }
    }
    let end = time.monotonic()
    let header = unsafe FrameHeader(
      outcome: outcome, edge: edge, stream: state.pointee.stream, epoch: state.pointee.arming,
      bracket: bracket.number, deadlineIndex: deadlineIndex, deadline: deadline, start: start,
      end: end)
    unsafe finish(record, header, isRaw: isRaw, bodyWords: words)
    unsafe state.pointee.lastOutcome = outcome
    unsafe state.pointee.counts.acquisitions &+= 1
    unsafe state.pointee.counts.nanoseconds &+= end &- start
    unsafe state.pointee.spent &+= end &- start
    if outcome != .complete {
      if !isRaw { unsafe state.pointee.counts.gaps.add(outcome) }
    } else if unsafe state.pointee.recordWords > 0 {
      return unsafe acquireRecords(state, header)
    }
    return end
  }

  /// Handles an acquisition that does not fit. A ring that can hold two of them is full, and the
  /// acquisition is dropped. A smaller ring is too small for the text: a truncated frame asks the
  /// drain for a larger one.
  @inline(never)
  private func findNoRoom(
    _ state: UnsafeMutablePointer<StreamState>, _ edge: BracketEdge, _ deadlineIndex: UInt64,
    _ deadline: UInt64, at start: UInt64
  ) -> UInt64 {
    guard unsafe state.pointee.isRaw, unsafe Self.need(state) &* 2 > producer.pointee.capacity,
      let record = unsafe producer.pointee.reserve(RingRecord.stride(FrameHeader.wordCount))
    else {
      dropped &+= 1
      return start
    }
    let header = unsafe FrameHeader(
      outcome: .truncated, edge: edge, stream: state.pointee.stream,
      epoch: state.pointee.arming, bracket: bracket.number, deadlineIndex: deadlineIndex,
      deadline: deadline, start: start, end: start)
    unsafe finish(record, header, isRaw: true, bodyWords: 0)
    unsafe state.pointee.lastOutcome = .truncated
    unsafe state.pointee.counts.acquisitions &+= 1
    return start
  }

  /// Words to reserve for the next acquisition, with slack for a text that grows, and with its
  /// records.
  @inline(__always)
  private static func need(_ state: UnsafeMutablePointer<StreamState>) -> Int {
    let words = unsafe state.pointee.bodyWords
    let slack = unsafe state.pointee.isRaw ? words / 8 &+ 64 : 0
    let frame = RingRecord.stride(FrameHeader.wordCount &+ words &+ slack)
    let rows = unsafe state.pointee.recordWords &* state.pointee.recordRows
    return rows == 0 ? frame : frame &+ RingRecord.stride(FrameHeader.wordCount &+ rows)
  }

  /// Writes the header and commits the record.
  @inline(__always)
  private func finish(
    _ record: UnsafeMutablePointer<UInt64>, _ header: FrameHeader, isRaw: Bool, bodyWords: Int
  ) {
    let length = FrameHeader.wordCount &+ bodyWords
    // Safe: a record has more words than a header.
    var front = unsafe UnsafeMutableBufferPointer(start: record, count: FrameHeader.wordCount)
      .mutableSpan
    header.encode(into: &front)
    front[0] |= RingRecord.mark(isRaw: isRaw, length: length)
    unsafe producer.pointee.commit(RingRecord.stride(length))
  }

  /// Takes the records of an armed collector and commits them as one batch; returns the time at its
  /// end.
  private func acquireRecords(
    _ state: UnsafeMutablePointer<StreamState>, _ header: FrameHeader
  ) -> UInt64 {
    let rowWords = unsafe state.pointee.recordWords
    let room = unsafe rowWords * state.pointee.recordRows
    // Reserved with the frame's words.
    guard
      let record = unsafe producer.pointee.reserve(RingRecord.stride(FrameHeader.wordCount + room))
    else { return header.end }
    // Safe: these words are reserved.
    var rows = unsafe UnsafeMutableBufferPointer(
      start: record + FrameHeader.wordCount, count: room
    ).mutableSpan
    let count = unsafe state.pointee.armed._withUnsafeGuaranteedRef {
      $0.sampleRecords(into: &rows)
    }
    let end = time.monotonic()
    unsafe state.pointee.counts.records &+= UInt64(count.rows)
    unsafe state.pointee.counts.recordsLost &+= UInt64(count.lost)
    guard count.rows > 0 else { return end }
    pushed &+= 1
    var header = header
    header.kind = .records
    header.start = header.end
    header.end = end
    unsafe finish(record, header, isRaw: false, bodyWords: count.rows * rowWords)
    return end
  }
}

/// Makes single acquisitions outside a session: to measure their cost, and for tests.
package final class SingleAcquisition {
  private let armed: ArmedCollector
  /// The columns and values of the last one.
  package private(set) var columns: [Column]
  package private(set) var values: [UInt64]
  /// Bytes of text read, nil if the source is not text.
  package private(set) var bytes: Int?
  package private(set) var systemCalls: UInt64 = 0

  /// Acquisitions of `armed`, which must not be used elsewhere meanwhile.
  package init(_ armed: ArmedCollector) {
    self.armed = armed
    columns = armed.columns
    values = Array(repeating: 0, count: columns.count)
  }

  /// Nanoseconds of one acquisition of `armed`: the median of several, without the first.
  static func cost(of armed: ArmedCollector, _ time: TimeSource) -> UInt64 {
    let acquisition = SingleAcquisition(armed)
    var times: [UInt64] = []
    for _ in 0..<6 {
      let start = time.monotonic()
      _ = acquisition.take()
      times.append(time.monotonic() - start)
    }
    return times.dropFirst().sorted()[2]
  }

  /// Makes one acquisition and decodes it.
  package func take() -> AcquisitionOutcome {
    guard let decoder = armed.decoder else {
      var span = values.mutableSpan
      let outcome = armed.sample(into: &span)
      systemCalls = armed.systemCallsOfSample
      return outcome
    }
    let words = read()
    let outcome = decoder.decode(words.span)
    columns = decoder.columns
    values = decoder.values
    if case .gap(let cause) = outcome { return cause }
    return .complete
  }

  /// Makes one acquisition without decoding it; false for a collector without a decoder.
  package func readOnly() -> Bool {
    guard armed.decoder != nil else { return false }
    _ = read()
    return true
  }

  /// The values of the last acquisition by column name.
  package var named: [String: UInt64] {
    Dictionary(zip(columns.map(\.name), values)) { first, _ in first }
  }

  private func read() -> [UInt64] {
    let reading = RawBody.collect(atLeast: armed.readingWords) { armed.read(into: &$0) }
    systemCalls = reading.systemCalls
    var parts = RawParts()
    var total = 0
    while let part = parts.next(of: reading.words.span) { total += part.bytes }
    bytes = total
    return reading.words
  }
}
