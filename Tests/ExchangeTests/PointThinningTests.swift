import RunAnalysis
import SampleModel
import Testing

@testable import Exchange

@Suite struct PointThinningTests {
  private func points(_ values: [UInt64?], size: Int = 0) -> [[UInt64?]] {
    var thinning = PointThinning(size: size)
    var written: [TracePoint] = []
    for (time, value) in values.enumerated() {
      written += thinning.add(
        TracePoint(time: UInt64(time), value: value.map { .integer($0) } ?? .absent))
    }
    written += thinning.end()
    return written.map { point in
      if case .integer(let value) = point.value { return [point.time, value] }
      return [point.time, nil]
    }
  }

  @Test func aValueIsWrittenWhereItChanges() {
    #expect(points([5, 5, 6, 6, 5]) == [[0, 5], [2, 6], [4, 5]])
  }

  /// The same value behind an absence is a point of its own, and what is absent is never 0.
  @Test func anAbsenceIsAPointWithoutAValue() {
    #expect(points([nil, 0, nil, nil, 0]) == [[0, nil], [1, 0], [2, nil], [4, 0]])
  }

  @Test func aNumberThatIsNoneIsAbsent() {
    var thinning = PointThinning()
    #expect(thinning.add(TracePoint(time: 1, value: .real(.nan))).map(\.value) == [.absent])
    #expect(thinning.add(TracePoint(time: 2, value: .real(.infinity))).isEmpty)
    #expect(!thinning.isPresent)
  }

  /// What lost its values together with its collector has them again by a point.
  @Test func aValueComesBackAfterAGap() {
    var thinning = PointThinning()
    let point = TracePoint(time: 1, value: .integer(3))
    #expect(thinning.add(point) == [point])
    thinning.lose()
    let again = TracePoint(time: 9, value: .integer(3))
    #expect(thinning.add(again) == [again])
  }

  @Test func groupsKeepTheirExtremesAtTheirTimes() {
    #expect(points([3, 9, 1, 4, 2, 5, 7], size: 4) == [[1, 9], [2, 1], [4, 2], [6, 7]])
    // One value, and one that is the least and the greatest.
    #expect(points([8, nil, 8], size: 8) == [[0, 8], [1, nil]])
  }

  @Test func extremesOfTheWholeRemain() {
    var random = SplitMix64(seed: 5)
    for size in [3, 7, 100, 5000] {
      let values = (0..<3000).map { _ in random.next() >> 20 }
      let written = points(values.map { $0 }, size: size).compactMap { $0[1] }
      #expect(written.max() == values.max() && written.min() == values.min())
      #expect(written.count <= (values.count / size + 1) * PointThinning.kept)
    }
  }

  /// Only what has many points is thinned, and all together remain within the limit.
  @Test func theLimitIsSharedByTheCountersWithMostPoints() {
    #expect(PointThinning.sizes([10, 20, 30], limit: 60) == [0, 0, 0])
    var random = SplitMix64(seed: 8)
    for limit in [100, 1000, 5000] {
      let counts = (0..<20).map { _ in Int(random.next() % 3000) }
      let sizes = PointThinning.sizes(counts, limit: limit)
      var rest = 0
      for (count, size) in zip(counts, sizes) {
        rest += size == 0 ? count : (count + size - 1) / size * PointThinning.kept
      }
      #expect(rest <= limit)
      let thinned = zip(counts, sizes).filter { $0.1 > 0 }.map(\.0).min() ?? 0
      #expect(zip(counts, sizes).allSatisfy { $0.1 > 0 || $0.0 <= thinned })
    }
  }
}
