import Glibc
import LinuxSystem
import Testing

@testable import SampleRing

@Suite struct SampleRingTests {
  /// Words of one page: the smallest ring.
  private static let page = 512

  private func ring(_ firstIndex: UInt64 = 0, words: Int = page) throws -> RingStorage {
    try RingStorage(words: words, firstIndex: firstIndex)
  }

  /// Writes `words` as one record; false when there is no room.
  private func write(_ words: [UInt64], _ producer: inout RingProducer) -> Bool {
    guard let record = unsafe producer.reserve(words.count) else { return false }
    for (place, word) in words.enumerated() { unsafe record[place] = word }
    producer.commit(words.count)
    return true
  }

  private func unread(_ consumer: borrowing RingConsumer) -> [UInt64] {
    unsafe Array(consumer.unread())
  }

  /// Records of many sizes at every offset, contiguous over the end, with indices that overflow.
  @Test(arguments: [0, 1, UInt64.max - 511, UInt64.max - 5, UInt64.max])
  func recordsAreContiguousAtEveryOffset(_ firstIndex: UInt64) throws {
    for offset in 0..<Self.page {
      let ring = try ring(firstIndex &+ UInt64(offset))
      var producer = ring.takeProducer()
      var consumer = ring.takeConsumer()
      for size in [1, 2, 7, 64, 511, 512] {
        let message = (0..<size).map { UInt64($0 * 31 + offset) }
        #expect(write(message, &producer), "size \(size) offset \(offset)")
        #expect(unread(consumer).isEmpty, "visible before publication")
        producer.publish()
        #expect(unread(consumer) == message)
        consumer.pass(size)
        consumer.release()
      }
    }
  }

  @Test func aFullRingRefusesAndRecovers() throws {
    let ring = try ring(.max - 3)
    var producer = ring.takeProducer()
    var consumer = ring.takeConsumer()
    #expect(!write([UInt64](repeating: 1, count: Self.page + 1), &producer), "larger than it")
    var accepted = 0
    while write([UInt64](repeating: UInt64(accepted), count: 8), &producer) { accepted += 1 }
    #expect(accepted == Self.page / 8)
    #expect(unsafe producer.reserve(1) == nil)
    producer.publish()
    #expect(unread(consumer) == (0..<Self.page).map { UInt64($0 / 8) })
    consumer.pass(24)
    #expect(unsafe producer.reserve(1) == nil, "room that was not released")
    consumer.release()
    #expect(unsafe producer.reserve(25) == nil)
    #expect(write([9, 9], &producer))
    producer.publish()
    #expect(unread(consumer).suffix(10) == [63, 63, 63, 63, 63, 63, 63, 63, 9, 9])
  }

  @Test func whatIsReservedAndNotCommittedIsGivenAgain() throws {
    let ring = try ring()
    var producer = ring.takeProducer()
    let consumer = ring.takeConsumer()
    let first = try unsafe #require(producer.reserve(100))
    let second = try unsafe #require(producer.reserve(3))
    #expect(unsafe first == second)
    unsafe second[0] = 7
    producer.commit(1)
    producer.publish()
    #expect(unread(consumer) == [7])
    #expect(producer.refill() == Self.page - 1)
  }

  @Test func severalRecordsArePublishedAtOnce() throws {
    let ring = try ring()
    var producer = ring.takeProducer()
    let consumer = ring.takeConsumer()
    for value in 0..<8 as Range<UInt64> { #expect(write([value, value], &producer)) }
    #expect(unread(consumer).isEmpty)
    producer.publish()
    #expect(unread(consumer) == (0..<16).map { UInt64($0 / 2) })
  }

  @Test func theIndicesAreTwoCacheLinePairsApartAndTheWordsOnAPageOfTheirOwn() throws {
    let ring = try ring(words: 700)
    #expect(ring.capacity == 1024, "whole pages")
    #expect(ring.byteCount == 4096 + 1024 * 8)
    let (head, tail) = unsafe (UInt(bitPattern: ring.published), UInt(bitPattern: ring.consumed))
    #expect(tail - head == 128 && head % 128 == 0)
    #expect(unsafe UInt(bitPattern: ring.words) - head == 4096)
  }

  /// The second mapping is the first one's memory.
  @Test func theWordsStandTwice() throws {
    let ring = try ring()
    for place in [0, 1, 511] {
      unsafe ring.words[place] = UInt64(place + 1)
      #expect(unsafe ring.words[place + Self.page] == UInt64(place + 1))
      unsafe ring.words[place + Self.page] = 77
      #expect(unsafe ring.words[place] == 77)
    }
  }

  /// Two threads, records of changing size with a checksum, drops allowed and counted:
  /// 10^7 words, or as many as LBSAMPLE_STRESS_WORDS says.
  @Test func twoThreadsAgreeOnEveryWord() throws {
    let words =
      unsafe getenv("LBSAMPLE_STRESS_WORDS").flatMap { unsafe UInt64(String(cString: $0)) }
      ?? 10_000_000
    let ring = try RingStorage(words: 1024, firstIndex: .max - 50_000)
    let outcome = Outcome()
    let writer = try SystemThread(name: "producer") {
      var producer = ring.takeProducer()
      var sent: UInt64 = 0
      var number: UInt64 = 0
      while sent < words {
        let size = Int(number % 29)
        outcome.pushed += 1
        if let record = unsafe producer.reserve(size + 3) {
          var sum = number
          unsafe record[0] = UInt64(size + 3)
          unsafe record[1] = number
          for index in 0..<size {
            let word = number &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(index)
            unsafe record[2 + index] = word
            sum ^= word
          }
          unsafe record[2 + size] = sum
          producer.commit(size + 3)
        } else {
          outcome.dropped += 1
          sched_yield()
        }
        if number % 5 == 0 { producer.publish() }
        sent += UInt64(size + 2)
        number += 1
      }
      producer.publish()
      outcome.done.store(1)
    }
    var consumer = ring.takeConsumer()
    var last: UInt64?
    var faults = 0
    var drained: UInt64 = 0
    while true {
      let isDone = outcome.done.load() == 1
      let words = unread(consumer)
      var place = 0
      while place < words.count {
        let record = words[place..<place + Int(words[place])]
        let number = record[place + 1]
        if let last, number <= last { faults += 1 }
        last = number
        if record.dropFirst().reduce(0, ^) != 0 { faults += 1 }
        place += record.count
        drained += 1
      }
      consumer.pass(words.count)
      consumer.release()
      if isDone && words.isEmpty { break }
    }
    writer.join()
    #expect(faults == 0)
    #expect(drained > 0)
    #expect(outcome.pushed == drained + outcome.dropped)
  }

  private final class Outcome: @unchecked Sendable {
    // Sendable: the writer's until `done`, then the reader's.
    var pushed: UInt64 = 0
    var dropped: UInt64 = 0
    let done = FutexWord()
  }
}
