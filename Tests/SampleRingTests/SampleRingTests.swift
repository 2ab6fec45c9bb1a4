import Glibc
import LinuxSystem
import SampleRing
import Testing

@Suite struct SampleRingTests {
  /// Every message size at every offset of a small ring, with indices that overflow on the way.
  @Test(
    arguments: [0, 1, UInt64.max - 100, UInt64.max - 16, UInt64.max - 1, UInt64.max], [16, 1, 21])
  func everySizeAtEveryOffset(_ firstIndex: UInt64, _ capacity: Int) {
    for offset in 0..<capacity {
      for size in 0..<capacity {
        let ring = RingStorage(capacity: capacity, firstIndex: firstIndex &+ UInt64(offset))
        var producer = ring.takeProducer()
        var consumer = ring.takeConsumer()
        let message = (0..<size).map { UInt64($0 * 31 + offset) }
        for round in 0..<3 {
          #expect(
            producer.push(message.span) == true, "size \(size) offset \(offset) round \(round)")
          var received: [UInt64] = []
          #expect(consumer.take(appendingTo: &received) == 0, "visible before publication")
          producer.publish()
          #expect(consumer.take(appendingTo: &received) == 1)
          #expect(received == [UInt64(size)] + message)
          consumer.release()
        }
        #expect(producer.pushed == 3)
        #expect(producer.dropped == 0)
        #expect(consumer.drained == 3)
      }
    }
  }

  @Test func aFullRingDropsAndCountsAndRecovers() {
    let ring = RingStorage(capacity: 16, firstIndex: .max - 3)
    var producer = ring.takeProducer()
    var consumer = ring.takeConsumer()
    #expect(producer.push([UInt64](repeating: 1, count: 16).span) == false, "larger than it")
    var accepted: UInt64 = 0
    for value in 0..<10 as Range<UInt64> where producer.push([value, value].span) { accepted += 1 }
    producer.publish()
    #expect(accepted == 5)
    #expect(producer.pushed == 11)
    #expect(producer.dropped == 6)
    var received: [UInt64] = []
    #expect(consumer.take(appendingTo: &received) == 5)
    #expect(producer.push([9, 9].span) == false, "room that was not released")
    consumer.release()
    #expect(producer.push([9, 9].span) == true)
    producer.publish()
    #expect(consumer.take(appendingTo: &received) == 1)
    #expect(received == [2, 0, 0, 2, 1, 1, 2, 2, 2, 2, 3, 3, 2, 4, 4, 2, 9, 9])
    #expect(producer.pushed == consumer.drained + producer.dropped)
  }

  @Test func severalMessagesArePublishedAtOnce() {
    let ring = RingStorage(capacity: 64)
    var producer = ring.takeProducer()
    var consumer = ring.takeConsumer()
    for value in 0..<8 as Range<UInt64> { _ = producer.push([value].span) }
    var received: [UInt64] = []
    #expect(consumer.take(appendingTo: &received) == 0)
    producer.publish()
    #expect(consumer.take(appendingTo: &received) == 8)
    #expect(received == (0..<8).flatMap { [1, $0] })
  }

  @Test func wholeMessagesAreTakenUpToALimit() {
    // Indices that wrap around, as after a long run.
    let ring = RingStorage(capacity: 61, firstIndex: .max - 20)
    var producer = ring.takeProducer()
    var consumer = ring.takeConsumer()
    for value in 0..<10 as Range<UInt64> { _ = producer.push([value, value, value].span) }
    producer.publish()
    #expect(consumer.waiting == 40)
    var received: [UInt64] = []
    // Four words each: what does not fit stays, but one is always taken.
    for (limit, count) in [(11, 2), (1, 1), (12, 3), (4, 1), (100, 3), (100, 0)] {
      let before = received.count
      #expect(consumer.take(upTo: limit, appendingTo: &received) == count)
      #expect(received.count - before == count * 4)
      consumer.release()
    }
    #expect(received == (0..<10).flatMap { [3, $0, $0, $0] })
    #expect(consumer.waiting == 0 && consumer.drained == 10)
  }

  @Test func indicesAreTwoCacheLinePairsApart() throws {
    let mapping = try Mapping(
      bytes: RingStorage.byteCount(capacity: 64), purpose: "test", wishes: .init(locked: false))
    let ring = unsafe RingStorage(capacity: 64, memory: mapping.memory, owner: mapping)
    #expect(ring.capacity == 64)
    #expect(RingStorage.byteCount(capacity: 64) == 2 * 128 + 64 * 8)
  }

  /// Two threads, messages of changing size with a checksum, drops allowed and counted:
  /// 10^7 words, or as many as LBSAMPLE_STRESS_WORDS says.
  @Test func twoThreadsAgreeOnEveryWord() throws {
    let words =
      unsafe getenv("LBSAMPLE_STRESS_WORDS").flatMap { unsafe UInt64(String(cString: $0)) }
      ?? 10_000_000
    let ring = RingStorage(capacity: 1_021, firstIndex: .max - 50_000)
    let outcome = Outcome()
    let writer = try SystemThread(name: "producer") {
      var producer = ring.takeProducer()
      var message: [UInt64] = []
      var sent: UInt64 = 0
      var number: UInt64 = 0
      while sent < words {
        message.removeAll(keepingCapacity: true)
        let size = Int(number % 29)
        var sum = number
        message.append(number)
        for index in 0..<size {
          let word = number &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(index)
          message.append(word)
          sum ^= word
        }
        message.append(sum)
        if !producer.push(message.span) { sched_yield() }
        if number % 5 == 0 { producer.publish() }
        sent += UInt64(message.count)
        number += 1
      }
      producer.publish()
      outcome.pushed = producer.pushed
      outcome.dropped = producer.dropped
      outcome.done.store(1)
    }
    var consumer = ring.takeConsumer()
    var buffer: [UInt64] = []
    var last: UInt64?
    var faults = 0
    while true {
      let isDone = outcome.done.load() == 1
      buffer.removeAll(keepingCapacity: true)
      let taken = consumer.take(appendingTo: &buffer)
      var place = 0
      while place < buffer.count {
        let count = Int(buffer[place])
        let message = buffer[place + 1..<place + 1 + count]
        place += count + 1
        let sum = message.dropLast().reduce(0, ^)
        guard let number = message.first, let check = message.last else {
          faults += 1
          continue
        }
        if sum != check || count != Int(number % 29) + 2 { faults += 1 }
        if let last, number <= last { faults += 1 }
        last = number
      }
      consumer.release()
      if isDone && taken == 0 { break }
    }
    writer.join()
    #expect(faults == 0)
    #expect(outcome.pushed == consumer.drained + outcome.dropped)
    #expect(consumer.drained > 1000)
  }
}

private final class Outcome: @unchecked Sendable {
  // Sendable: the futex word orders the two plain counts.
  let done = FutexWord()
  var pushed: UInt64 = 0
  var dropped: UInt64 = 0
}
