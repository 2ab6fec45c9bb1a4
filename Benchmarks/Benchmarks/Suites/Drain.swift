import Benchmark
import SampleModel
import SampleRing

/// What a pass of the drain does with each frame: out of the ring, decoded, made rates of.
func drainSuite() {
  for columns in [40, 1000] {
    Benchmark(
      "Drain.\(columns)-columns",
      configuration: configuration([], scaling: .one)
    ) { benchmark in
      let metric = MetricDescription("value", .count, .counter, meaning: "a number")
      var derivation = Derivation(raw: false)
      derivation.layout(
        Layout(
          collector: "c", stream: 0, epoch: 1,
          columns: (0..<columns).map { Column(collector: "c", metric: metric, instance: "\($0)") }))
      let storage = try RingStorage(words: 1 << 12)
      var producer = storage.takeProducer()
      var consumer = storage.takeConsumer()
      var message = [UInt64](repeating: 0, count: FrameHeader.wordCount + columns)
      var tick: UInt64 = 0
      benchmark.startMeasurement()
      for _ in benchmark.scaledIterations {
        tick += 1
        let time = tick * 1_000_000
        var span = message.mutableSpan
        FrameHeader(
          outcome: .complete, edge: .none, stream: 0, epoch: 1, bracket: 1, deadlineIndex: tick,
          deadline: time, start: time, end: time + 1000
        ).encode(into: &span)
        for column in 0..<columns { message[FrameHeader.wordCount + column] += tick & 7 }
        guard let record = unsafe producer.reserve(message.count) else { return }
        unsafe record.update(from: message, count: message.count)
        producer.commit(message.count)
        producer.publish()
        let words = unsafe consumer.unread()
        guard let header = FrameHeader(decoding: unsafe words.span) else { return }
        blackHole(
          derivation.derive(header, unsafe words.span.extracting(FrameHeader.wordCount...)))
        consumer.pass(words.count)
        consumer.release()
      }
      benchmark.stopMeasurement()
    }
  }
}
