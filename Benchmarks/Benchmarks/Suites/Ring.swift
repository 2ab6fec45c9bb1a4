import Benchmark
import SampleRing

/// One thread: what the two ends cost without another CPU's cache between them. Two threads are
/// measured beside a control by `compare`.
func ringSuite() {
  for batch in [1, 64] {
    Benchmark("Ring.published-\(batch)", configuration: configuration()) {
      benchmark in
      let storage = RingStorage(capacity: 1 << 12)
      var producer = storage.takeProducer()
      var consumer = storage.takeConsumer()
      let record: [UInt64] = [1, 2, 3, 4]
      var buffer: [UInt64] = []
      buffer.reserveCapacity(1 << 12)
      var staged = 0
      measured(benchmark) {
        _ = producer.push(record.span)
        staged += 1
        guard staged % batch == 0 else { return }
        producer.publish()
        guard staged == 256 else { return }
        staged = 0
        buffer.removeAll(keepingCapacity: true)
        _ = consumer.take(appendingTo: &buffer)
        consumer.release()
      }
      blackHole(buffer)
    }
  }
}
