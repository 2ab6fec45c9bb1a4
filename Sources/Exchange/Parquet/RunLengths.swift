import RunStore

/// Parquet's hybrid of run lengths and packed bits, of which only run lengths are written: levels
/// and indices of samples come in long runs.
///
/// https://parquet.apache.org/docs/file-format/data-pages/encodings/ (RLE = 3).
struct RunLengths {
  /// Consecutive equal numbers.
  struct Run: Equatable {
    var value: UInt32
    var count: Int
  }

  private(set) var runs: [Run] = []
  private(set) var count = 0

  mutating func append(_ value: UInt32, count more: Int) {
    guard more > 0 else { return }
    count += more
    if let last = runs.indices.last, runs[last].value == value {
      runs[last].count += more
    } else {
      runs.append(Run(value: value, count: more))
    }
  }

  mutating func clear() {
    runs.removeAll(keepingCapacity: true)
    count = 0
  }

  /// Appends the runs, with values of `width` bits.
  func write(width: Int, to bytes: inout [UInt8]) {
    let size = (width + 7) / 8
    for run in runs {
      Varint.append(UInt64(run.count) << 1, to: &bytes)
      for byte in 0..<size { bytes.append(UInt8(truncatingIfNeeded: run.value >> (8 * byte))) }
    }
  }
}
