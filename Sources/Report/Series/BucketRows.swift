import SampleModel

/// The values of a collector in the current bucket: a row for each acquisition, with a value for
/// each of the collector's series.
///
/// Series are added and never removed. If a layout no longer has the column of a series, its value
/// is absent in the rows that follow.
struct BucketRows {
  /// The number of rows up to which the median is exact. When there are more, every second value of
  /// each series, in order of size, is dropped. The minimum and the maximum stay exact.
  static let most = 1024

  /// The collector's series, in the order of the values in a row.
  private(set) var series: [Int] = []
  /// The positions in a row, by series.
  private var positionOfSeries: [Int: Int] = [:]
  /// The position in a row of each column of the layout; -1 for a column that is left out.
  private var positionOfColumn: [Int] = []
  /// The rows, one after the other; NaN where a value is absent.
  private var rows: [Double] = []
  private var count = 0
  /// The minimum and maximum of each series before values were dropped; empty if none were.
  private var extremes: [(low: Double, high: Double)] = []
  private var scratch: [Double] = []

  /// Sets the layout: the series of each column, nil for a column that is left out.
  mutating func columns(_ columns: [Int?]) {
    let before = series.count
    positionOfColumn = columns.map { index in
      guard let index else { return -1 }
      if let known = positionOfSeries[index] { return known }
      positionOfSeries[index] = series.count
      series.append(index)
      return series.count - 1
    }
    if series.count > before { widen(from: before) }
  }

  /// Makes room for new series in the existing rows.
  private mutating func widen(from before: Int) {
    if !extremes.isEmpty {
      extremes += Array(repeating: (.infinity, -.infinity), count: series.count - before)
    }
    var wide = [Double](repeating: .nan, count: count * series.count)
    for row in 0..<count {
      for position in 0..<before {
        wide[row * series.count + position] = rows[row * before + position]
      }
    }
    rows = wide
  }

  /// Adds a frame's values, in the order of the layout's columns.
  mutating func append(_ values: [DerivedValue]) {
    if count >= Self.most { thin() }
    let start = rows.count
    rows.append(contentsOf: repeatElement(.nan, count: series.count))
    count += 1
    // Through spans, which avoid a uniqueness check for each value.
    let columns = positionOfColumn
    let positions = columns.span
    var out = rows.mutableSpan
    for column in 0..<min(values.count, positions.count) where positions[column] >= 0 {
      switch values[column] {
      case .absent: break
      case .integer(let number): out[start + positions[column]] = Double(number)
      case .real(let number): if number.isFinite { out[start + positions[column]] = number }
      }
    }
  }

  /// Drops every second value of each series, in order of size.
  private mutating func thin() {
    if extremes.isEmpty { extremes = series.map { _ in (.infinity, -.infinity) } }
    let kept = count / 2
    var half = [Double](repeating: .nan, count: kept * series.count)
    for position in series.indices {
      let range = gather(position)
      extremes[position] = (
        min(extremes[position].low, range.low), max(extremes[position].high, range.high)
      )
      scratch.sort()
      for row in 0..<scratch.count / 2 {
        half[row * series.count + position] = scratch[row * 2 + 1]
      }
    }
    (rows, count) = (half, kept)
  }

  /// Copies the values of a series to `scratch`; returns their minimum and maximum, which are
  /// infinite if there are none.
  private mutating func gather(_ position: Int) -> (low: Double, high: Double) {
    scratch.removeAll(keepingCapacity: true)
    var (low, high) = (Double.infinity, -Double.infinity)
    let all = rows
    let values = all.span
    let width = series.count
    var at = position
    for _ in 0..<count {
      let value = values[at]
      at += width
      guard !value.isNaN else { continue }
      low = min(low, value)
      high = max(high, value)
      scratch.append(value)
    }
    return (low, high)
  }

  /// Writes the bucket to the envelopes of the collector's series, and removes all rows.
  mutating func end(_ bucket: Int, of all: inout [Series]) {
    for position in series.indices {
      var (low, high) = gather(position)
      if !extremes.isEmpty, extremes[position].low <= extremes[position].high {
        (low, high) = (min(low, extremes[position].low), max(high, extremes[position].high))
        scratch.append(extremes[position].low)
        scratch.append(extremes[position].high)
      }
      if scratch.isEmpty {
        all[series[position]].envelope.setAbsent(bucket)
      } else {
        all[series[position]].envelope.set(
          bucket, minimum: low, median: low == high ? low : scratch.medianByMoving(), maximum: high)
      }
    }
    rows.removeAll(keepingCapacity: true)
    (count, extremes) = (0, [])
  }
}

extension [Double] {
  /// The median, in linear time; of an even number of elements the mean of the middle two. Reorders
  /// the elements. There must be at least one, and no NaN.
  mutating func medianByMoving() -> Double {
    let middle = count / 2
    moveRank(middle)
    guard count % 2 == 0 else { return self[middle] }
    var below = self[0]
    for index in 1..<Swift.max(1, middle) { below = Swift.max(below, self[index]) }
    return below / 2 + self[middle] / 2
  }

  /// Moves the element of this rank to its index in sorted order, with no greater elements before
  /// it and no smaller ones after it (Hoare's quickselect).
  private mutating func moveRank(_ rank: Int) {
    var (low, high) = (0, count - 1)
    // After 40 rounds the order must be adversarial: the rest is sorted.
    for _ in 0..<40 where high - low > 8 {
      let (first, middle, last) = (self[low], self[(low + high) / 2], self[high])
      let pivot = Swift.max(
        Swift.min(first, middle), Swift.min(Swift.max(first, middle), last))
      var (left, right) = (low, high)
      while left <= right {
        while self[left] < pivot { left += 1 }
        while pivot < self[right] { right -= 1 }
        if left <= right {
          swapAt(left, right)
          (left, right) = (left + 1, right - 1)
        }
      }
      if rank <= right {
        high = right
      } else if rank >= left {
        low = left
      } else {
        return
      }
    }
    self[low...high].sort()
  }
}
