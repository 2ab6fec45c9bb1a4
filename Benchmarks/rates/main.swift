// What the parts behind the sampling thread do in a second, one measurement a call:
//   rates ring RECORDS BATCH PRODUCER_CPU CONSUMER_CPU   millions of 32-byte records, two threads
//   rates encode COLUMNS ROWS                            nanoseconds for each value of a chunk
//   rates decode FILE                                    millions of stored values read back
//   rates lateness FILE                  microseconds after the deadline: median, 99th percentile
//   rates store FILE SECONDS                             share of a CPU at a million values a second
import Glibc
import LinuxSystem
import RunStore
import SampleModel
import SampleRing

func fail(_ message: String) -> Never {
  print("rates: \(message)")
  exit(2)
}

let arguments = Array(CommandLine.arguments.dropFirst())

func number(_ place: Int) -> Int {
  guard place < arguments.count, let value = Int(arguments[place]), value >= 0 else {
    fail(
      "expected: ring RECORDS BATCH CPU CPU, encode COLUMNS ROWS, decode FILE, store FILE SECONDS")
  }
  return value
}

func show(_ value: Double) { print((value * 100).rounded() / 100) }

/// Writes records of four words where they stay, from registers, `batch` of them published at once.
@inline(never)
func produce(_ records: UInt64, _ batch: UInt64, into producer: inout RingProducer) {
  var untilPublished = batch
  for index in 0..<records {
    while true {
      // Safe: four words are reserved.
      if let record = unsafe producer.reserve(4) {
        unsafe record[0] = index
        unsafe record[1] = 1
        unsafe record[2] = 2
        unsafe record[3] = 3
        break
      }
      producer.publish()
    }
    producer.commit(4)
    untilPublished &-= 1
    guard untilPublished == 0 else { continue }
    untilPublished = batch
    producer.publish()
  }
  producer.publish()
}

/// Reads every word of the records where they lie, and looks again later where it found little, as
/// the control does; gives the words' sum.
@inline(never)
func consume(
  _ records: UInt64, from consumer: inout RingConsumer, _ word: borrowing FutexWord
) -> UInt64 {
  var sum: UInt64 = 0
  var seen: UInt64 = 0
  while seen < records {
    let words = unsafe consumer.unread()
    // No more at once than the control takes.
    let count = min(words.count, 1024 * 4)
    for index in 0..<count { unsafe sum &+= words[index] }
    if count > 0 {
      consumer.pass(count)
      consumer.release()
    }
    seen += UInt64(count / 4)
    if count < 256 * 4 { for _ in 0..<5000 { _ = word.load() } }
  }
  return sum
}

/// Records of four words through a ring, `batch` of them published at once.
func ring() throws {
  let records = UInt64(number(1))
  let batch = UInt64(max(1, number(2)))
  let cpus = (producer: number(3), consumer: number(4))
  // Room for as many records as the control has.
  let storage = try RingStorage(words: 1 << 17)
  let start = FutexWord()
  let producer = try SystemThread(name: "producer") {
    var producer = storage.takeProducer()
    do { try CPUSet([cpus.producer]).applyToThisThread() } catch { fail("\(error)") }
    while start.load() == 0 {}
    produce(records, batch, into: &producer)
  }
  try CPUSet([cpus.consumer]).applyToThisThread()
  var consumer = storage.takeConsumer()
  let begin = Clock.monotonic()
  start.announce(1)
  let sum = consume(records, from: &consumer, start)
  let nanoseconds = Clock.monotonic() - begin
  producer.join()
  guard sum == records * (records &- 1) / 2 &+ records &* 6 else {
    fail("records were lost")
  }
  show(Double(records) * 1000 / Double(nanoseconds))
}

/// Rows like those of a busy host: counters that grow by small amounts that change.
struct Rows {
  private var row: [UInt64]
  private var state: UInt64 = 88_172_645_463_325_252

  init(columns: Int) { row = (0..<columns).map { UInt64($0) &* 1_000_003 } }

  mutating func next() -> [UInt64] {
    for column in row.indices {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      // A third stands still, a third moves a little, a third a lot.
      let grown = [0, state & 7, state & 0xFFFF][column % 3]
      row[column] &+= grown
    }
    return row
  }
}

func encode() {
  let (columns, count) = (number(1), number(2))
  var source = Rows(columns: columns)
  let rows = (0..<count).map { _ in source.next() }
  var best = UInt64.max
  for _ in 0..<5 {
    let begin = Clock.threadCPU()
    var encoder = ColumnEncoder(width: columns)
    for row in rows { encoder.append(row.span) }
    var bytes: [UInt8] = []
    encoder.write(to: &bytes)
    best = min(best, Clock.threadCPU() - begin)
    if bytes.isEmpty { fail("nothing was encoded") }
  }
  show(Double(best) / Double(columns * count))
}

/// Counts what it is given.
final class CountingSink: SampleSink {
  private(set) var values = 0
  let bytesWritten: UInt64 = 0
  func begin(_ meta: StreamMeta) throws(LBError) {}
  func layout(_ layout: Layout) throws(LBError) {}
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    self.values += values.count
  }
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  func event(_ event: SampleEvent) throws(LBError) {}
  func commit(watermark: UInt64) throws(LBError) {}
}

func decode() throws {
  guard arguments.count > 1 else { fail("decode FILE") }
  var best = 0.0
  for _ in 0..<3 {
    let reader = try RunReader(path: arguments[1])
    let sink = CountingSink()
    let begin = Clock.threadCPU()
    try RunReplay(reader).play(into: sink)
    best = max(best, Double(sink.values) * 1000 / Double(Clock.threadCPU() - begin))
  }
  show(best)
}

/// Keeps how long after its deadline each tick's first acquisition began.
final class LatenessSink: SampleSink {
  private(set) var lateness: [UInt64] = []
  let bytesWritten: UInt64 = 0
  func begin(_ meta: StreamMeta) throws(LBError) {}
  func layout(_ layout: Layout) throws(LBError) {}
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    if header.stream == 0, header.edge == .none { lateness.append(header.start - header.deadline) }
  }
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {}
  func event(_ event: SampleEvent) throws(LBError) {}
  func commit(watermark: UInt64) throws(LBError) {}
}

func lateness() throws {
  guard arguments.count > 1 else { fail("lateness FILE") }
  let sink = LatenessSink()
  try RunReplay(try RunReader(path: arguments[1])).play(into: sink)
  let sorted = sink.lateness.sorted()
  guard !sorted.isEmpty else { fail("no samples") }
  show(Double(sorted[sorted.count / 2]) / 1000)
  show(Double(sorted[min(sorted.count - 1, sorted.count * 99 / 100)]) / 1000)
}

/// A thousand rows of a thousand values a second, from a ring to committed chunks.
func store() throws {
  guard arguments.count > 1 else { fail("store FILE SECONDS") }
  let seconds = number(2)
  let columns = 1000
  let writer = try RunWriter(
    path: arguments[1],
    identity: RunWriter.Identity(
      runID: "rates", name: "rates", kind: "sample", version: "0", interval: 1_000_000,
      startUnixNanoseconds: 0), host: [], configuration: [], labels: [:])
  let sink = StoreSink(writer, now: Clock.monotonic)
  let metric = MetricDescription("value", .count, .counter, meaning: "a number")
  let layout = Layout(
    collector: "rates", stream: 0, epoch: 1,
    columns: (0..<columns).map {
      Column(collector: "rates", metric: metric, instance: "\($0)")
    })
  try sink.begin(
    StreamMeta(
      interval: 1_000_000,
      streams: [
        StreamMeta.Stream(
          collector: "rates", stream: 0, thread: 0, cpu: nil, cadence: 1, required: true)
      ], unavailable: [], records: [],
      anchor: ClockAnchor(monotonic: Clock.monotonic(), realtime: 0, boottime: 0), notes: []))
  try sink.layout(layout)
  let storage = try RingStorage(words: 1 << 18)
  var producer = storage.takeProducer()
  var consumer = storage.takeConsumer()
  var source = Rows(columns: columns)
  // Made beforehand: making numbers up is no part of it.
  let rows = (0..<1000).map { _ in source.next() }
  var message = [UInt64](repeating: 0, count: FrameHeader.wordCount + columns)
  var cpu: UInt64 = 0
  let begin = Clock.monotonic()
  var tick: UInt64 = 0
  while tick < UInt64(seconds) * 1000 {
    // A pass of the drain each tenth of a second.
    _ = Poll.wait(readable: [], until: begin + (tick / 100 + 1) * 100_000_000)
    for _ in 0..<100 {
      let time = begin + tick * 1_000_000
      let header = FrameHeader(
        outcome: .complete, edge: .none, stream: 0, epoch: 1, bracket: 1, deadlineIndex: tick,
        deadline: time, start: time, end: time + 10_000)
      var span = message.mutableSpan
      header.encode(into: &span)
      for (place, value) in rows[Int(tick % 1000)].enumerated() {
        message[FrameHeader.wordCount + place] = value
      }
      guard let record = unsafe producer.reserve(message.count) else { fail("the ring is full") }
      // Safe: so many words are reserved.
      unsafe record.update(from: message, count: message.count)
      producer.commit(message.count)
      tick += 1
    }
    producer.publish()
    let before = Clock.threadCPU()
    let words = unsafe consumer.unread()
    for first in stride(from: 0, to: words.count, by: message.count) {
      let frame = unsafe UnsafeBufferPointer(rebasing: words[first..<first + message.count])
      guard let header = FrameHeader(decoding: unsafe frame.span) else {
        fail("a frame without header")
      }
      try sink.frame(header, unsafe frame.span.extracting(FrameHeader.wordCount...))
    }
    consumer.pass(words.count)
    consumer.release()
    try sink.commit(watermark: begin + tick * 1_000_000)
    cpu += Clock.threadCPU() - before
  }
  show(Double(cpu) / Double(seconds) / 1e9)
  writer.close()
}

switch arguments.first {
case "ring": try ring()
case "encode": encode()
case "decode": try decode()
case "lateness": try lateness()
case "store": try store()
default: _ = number(0)
}
