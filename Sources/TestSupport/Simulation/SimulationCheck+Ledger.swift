import SampleModel
import Sampler

/// The accounts of brackets, against the frames.
extension SimulationCheck {
  /// One bracket's account.
  mutating func check(_ bracket: SimulationRecord.Bracket) {
    let number = bracket.account.number
    let ledger = bracket.account.ledger
    expect(ledger.isExact, "bracket \(number): the ledger is not exact: \(ledger.threads)")
    for line in ledger.threads {
      let name = "bracket \(number), thread \(line.thread)"
      let ticks = line.ticks
      expect(ticks.deadlines <= plan.limit ?? .max, "\(name): more deadlines than the limit")
      count("dropped records", Int(line.ring.dropped))
      count("deadlines", Int(ticks.deadlines))
      count("late deadlines", Int(ticks.late))
      count("skipped deadlines", Int(ticks.skipped))
      let mine = frames.filter {
        $0.header.bracket == number && threads[$0.header.stream] == line.thread
      }
      if !leftAlone.contains(line.thread) {
        checkCollectors(line, mine, name)
        checkTicks(line, mine, number, name)
        checkEdges(line, mine, bracket, name)
      }
      for frame in mine where frame.header.edge == .none {
        expect(frame.header.start >= frame.header.deadline, "\(name): a frame before its time")
        expect(
          frame.header.end >= frame.header.start, "\(name): a frame that ends before it begins")
      }
    }
  }

  /// What the ledger says of each collector is what was delivered.
  private mutating func checkCollectors(_ line: ThreadLedger, _ mine: [Delivered], _ name: String) {
    var delivered = mine.count
    for collector in line.collectors {
      let stream = record.meta?.streams.first { $0.collector == collector.collector }?.stream
      let frames = mine.filter { $0.header.stream == stream }
      expect(
        collector.acquisitions == UInt64(frames.count),
        "\(name): \(collector.acquisitions) acquisitions of \(collector.collector) in the ledger, "
          + "\(frames.count) frames")
      for outcome in AcquisitionOutcome.allCases where outcome != .complete {
        let gaps = frames.count { $0.header.outcome == outcome }
        expect(
          collector.gaps[outcome.word] ?? 0 == UInt64(gaps),
          "\(name): \(collector.gaps) gaps of \(collector.collector), \(gaps) \(outcome.word)")
      }
      var rows = 0
      for (header, words) in batches
      where header.stream == stream && header.bracket == frames.first?.header.bracket {
        rows += words / 2
        delivered += 1
      }
      expect(
        collector.records == UInt64(rows),
        "\(name): \(collector.records) records of \(collector.collector), \(rows) delivered")
    }
    expect(
      line.ring.drained == UInt64(delivered),
      "\(name): \(line.ring.drained) records drained, \(delivered) delivered")
  }

  /// The deadlines are on time, late and skipped as their frames say.
  private mutating func checkTicks(
    _ line: ThreadLedger, _ mine: [Delivered], _ number: UInt32, _ name: String
  ) {
    let ticks = line.ticks
    var leads: [UInt64: UInt64] = [:]
    for frame in mine where frame.header.edge == .none {
      let lateness = frame.header.start - frame.header.deadline
      let index = frame.header.deadlineIndex
      leads[index] = min(leads[index] ?? .max, lateness)
    }
    expect(
      leads.count <= Int(ticks.onTime + ticks.late),
      "\(name): frames of \(leads.count) deadlines, \(ticks) in the ledger")
    expect(leads.keys.allSatisfy { $0 <= ticks.deadlines }, "\(name): a frame behind the end")
    // A frame that was dropped says nothing of its deadline.
    guard line.ring.dropped == 0 else { return }
    expect(
      leads.values.allSatisfy { $0 < plan.interval }, "\(name): a deadline later than the next")
    let late = leads.values.count { $0 * 2 > plan.interval }
    // The limit's own deadline is waited for also where nothing is due.
    let hasIdle = leads.count < Int(ticks.onTime + ticks.late)
    expect(
      hasIdle ? late <= Int(ticks.late) : late == Int(ticks.late),
      "\(name): \(late) late frames, \(ticks) in the ledger")
    if let last = leads.values.max() {
      expect(last <= ticks.latenessMaximum, "\(name): lateness \(last), \(ticks) in the ledger")
    }
    guard plan.budget == nil else { return }
    for stream in record.meta?.streams ?? [] where stream.thread == line.thread {
      let indices = mine.filter { $0.header.stream == stream.stream && $0.header.edge == .none }
        .map(\.header.deadlineIndex)
      var last: UInt64 = 0
      for index in indices {
        expect(
          index / stream.cadence > last / stream.cadence,
          "\(name): \(stream.collector), every \(stream.cadence), is read at \(last) and \(index)")
        last = index
      }
      let isRead = record.disabled[stream.collector] ?? .max > number
      if ticks.skipped == 0, isRead {
        expect(
          indices.count == Int(ticks.deadlines / stream.cadence),
          "\(name): \(stream.collector), every \(stream.cadence), is read \(indices.count) times "
            + "at \(ticks.deadlines) deadlines")
      }
    }
  }

  /// Every stream that is read has its edges.
  private mutating func checkEdges(
    _ line: ThreadLedger, _ mine: [Delivered], _ bracket: SimulationRecord.Bracket, _ name: String
  ) {
    guard line.ring.dropped == 0 else { return }
    for stream in record.meta?.streams ?? [] where stream.thread == line.thread {
      if record.disabled[stream.collector] ?? .max <= bracket.account.number { continue }
      let edges = mine.filter { $0.header.stream == stream.stream }.map(\.header.edge)
      expect(edges.first == .open, "\(name): \(stream.collector) has no opening edge")
      expect(
        !bracket.hasClose || edges.last == .close,
        "\(name): \(stream.collector) has no closing edge")
      // An opening edge that is taken again may come after a tick.
      let closing = edges.drop { $0 != .close }
      expect(
        closing.allSatisfy { $0 == .close }, "\(name): \(stream.collector): edges in disorder")
    }
    for frame in mine where frame.header.edge == .close {
      expect(
        frame.header.deadlineIndex == line.ticks.deadlines,
        "\(name): a closing edge behind deadline \(frame.header.deadlineIndex) of \(line.ticks)")
    }
  }
}
