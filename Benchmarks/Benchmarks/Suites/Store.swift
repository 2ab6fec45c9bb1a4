import Benchmark
import RunStore

/// Counters of which a third stands still, a third moves a little and a third a lot; the same at
/// each start.
private func rows(_ count: Int, columns: Int) -> [[UInt64]] {
  var state: UInt64 = 88_172_645_463_325_252
  var row = (0..<columns).map { UInt64($0) &* 1_000_003 }
  return (0..<count).map { _ in
    for column in row.indices {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      row[column] &+= [0, state & 7, state & 0xFFFF][column % 3]
    }
    return row
  }
}

func storeSuite() {
  let count = 512
  let columns = 100
  Benchmark(
    "Store.encode",
    configuration: configuration([.bytes], scaling: .one)
  ) { benchmark in
    let rows = rows(count, columns: columns)
    var bytes: [UInt8] = []
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations {
      var encoder = ColumnEncoder(width: columns)
      for row in rows { encoder.append(row.span) }
      bytes.removeAll(keepingCapacity: true)
      encoder.write(to: &bytes)
    }
    benchmark.stopMeasurement()
    benchmark.measurement(.bytes, bytes.count / count)
  }
}
