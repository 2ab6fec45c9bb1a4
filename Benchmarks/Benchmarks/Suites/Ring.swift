import Benchmark
import SampleRing

/// One thread: what the two ends cost without another CPU's cache between them. Two threads are
/// measured beside a control by `compare`.
func ringSuite() {
  for batch in [1, 64] {
    Benchmark("Ring.published-\(batch)", configuration: configuration()) {
      benchmark in
      let storage = try RingStorage(words: 1 << 12)
      var producer = storage.takeProducer()
      var consumer = storage.takeConsumer()
      var staged = 0
      var sum: UInt64 = 0
      measured(benchmark) {
        guard let record = unsafe producer.reserve(4) else { return }
        for place in 0..<4 { unsafe record[place] = UInt64(place) }
        producer.commit(4)
        staged += 1
        guard staged % batch == 0 else { return }
        producer.publish()
        guard staged == 256 else { return }
        staged = 0
        let words = unsafe consumer.unread()
        for place in words.indices { unsafe sum &+= words[place] }
        consumer.pass(words.count)
        consumer.release()
      }
      blackHole(sum)
    }
  }
}
