import SampleModel
import Testing

@testable import RunAnalysis

/// What a history makes of stored runs.
@Suite struct RunHistoryTests {
  private func run(_ number: Int, command: [String] = ["work"]) -> RunHistory.Run {
    RunHistory.Run(
      run: "r\(number)", startUnixNanoseconds: UInt64(number), status: "completed", host: "h",
      command: command)
  }

  private func phase(
    _ run: Int, _ values: [[String: Double]], named name: String = "main",
    contaminated: Set<Int> = [],
    units: [String: String] = ["wall_time": "ns"], summaries: [MetricSummary] = []
  ) -> RunHistory.Phase {
    let repetitions = values.enumerated().map { place, values in
      ComparedRepetition(
        number: place + 1, values: values,
        contamination: contaminated.contains(place + 1) ? ["steal 4 %"] : [])
    }
    return RunHistory.Phase(
      ComparedPhase(run: "r\(run)", phase: name, repetitions: repetitions, units: units),
      summaries: summaries)
  }

  /// Runs of one repetition each.
  private func history(
    _ walls: [Double], command: (Int) -> [String] = { _ in ["work"] }
  ) -> RunHistory {
    RunHistory(
      walls.indices.map { run($0, command: command($0)) },
      phases: walls.enumerated().map { [phase($0, [["wall_time": $1]])] }, metrics: { _ in true })
  }

  @Test func aChangeNamesTheRunWhereItBeginsAndItsSize() throws {
    var walls: [Double] = []
    for run in 0..<30 { walls.append((run < 18 ? 100 : 105) + Double(run * 7 % 5) / 10) }
    let series = try #require(history(walls) { [$0 < 18 ? "old" : "new"] }.series.first)
    let change = try #require(series.changes.first)
    #expect(series.changes.count == 1 && series.unit == "ns" && series.unexamined == 0)
    #expect(change.point == 18 && change.changesCommand)
    #expect(change.before == 100.2 && change.after == 105.2)
    #expect((try #require(change.share) - 0.0499).magnitude < 1e-4)
    #expect(change.p == 0.001)
    let sunk = history(walls.map { $0 - 105 }).series.first?.changes.first
    #expect(sunk?.share == nil && sunk?.changesCommand == false)
    #expect((try #require(sunk?.difference) - 5).magnitude < 1e-9)
  }

  @Test func eachRunIsTheMedianOfItsRepetitions() throws {
    let walls = [5.0, 1, 3, 9, 2, 100].map { ["wall_time": $0] }
    let made = RunHistory(
      [run(0), run(1)], phases: [[phase(0, walls, contaminated: [6])], []], metrics: { _ in true })
    let point = try #require(made.series.first?.points.first)
    #expect(point == RunHistory.Point(run: 0, count: 5, leftOut: 1, median: 3, interval: nil))
    #expect(made.series.first?.points.count == 1 && made.runs.count == 2)
    var settings = RunHistory.Settings()
    settings.includesContaminated = true
    let all = RunHistory(
      [run(0)], phases: [[phase(0, walls, contaminated: [6])]], settings: settings,
      metrics: { _ in true })
    let whole = try #require(all.series.first?.points.first)
    #expect(whole.count == 6 && whole.leftOut == 0 && whole.median == 4)
    #expect(whole.interval == Statistics.Interval(low: 1, high: 100))
  }

  /// An interval that was looked at several times is wider, or none: the stored one holds.
  @Test func theIntervalThatIsStoredHolds() throws {
    let walls = [1.0, 2, 3, 4, 5, 6].map { ["wall_time": $0] }
    func interval(_ count: Int, _ low: Double?) -> Statistics.Interval? {
      let stored = MetricSummary(
        metric: "wall_time", unit: "ns", count: count, median: 3.5, minimum: 1, maximum: 6,
        medianAbsoluteDeviation: 1.5, medianLow: low, medianHigh: low.map { $0 + 9 })
      let made = RunHistory(
        [run(0)], phases: [[phase(0, walls, summaries: [stored])]], metrics: { _ in true })
      return made.series.first?.points.first?.interval
    }
    #expect(interval(6, 0.5) == Statistics.Interval(low: 0.5, high: 9.5))
    #expect(interval(6, nil) == nil)
    #expect(interval(7, 0.5) == Statistics.Interval(low: 1, high: 6), "it is of other values")
  }

  @Test func seriesStandInOrderAndAskEachRunForAllNames() throws {
    let first = [
      phase(0, [["cpu.user": 2, "wall_time": 1, "level.max": 7, "x": 0]], named: "b"),
      phase(0, [["wall_time": 3]], named: "a"),
    ]
    // The level stood still: it has no maximum of its own.
    let second = [
      phase(1, [["wall_time": 2, "level": 6]], named: "b", units: ["level.max": "bytes"])
    ]
    let made = RunHistory([run(0), run(1)], phases: [first, second]) {
      ["wall_time", "cpu.user", "level.max"].contains($0)
    }
    #expect(made.series.map(\.phase) == ["b", "b", "b", "a"])
    #expect(made.series.map(\.metric) == ["wall_time", "cpu.user", "level.max", "wall_time"])
    #expect(made.series[2].points.map(\.median) == [7, 6])
    #expect(made.series[2].unit == "bytes", "the run that has a unit gives it")
    #expect(made.series[1].points.map(\.run) == [0])
  }

  @Test func onlyTheNewestOfVeryManyRunsAreSearched() throws {
    var walls: [Double] = []
    for run in 0..<(ChangePoints.longest + 50) {
      walls.append(Double(run < 40 ? 1000 : run * 7 % 5))
    }
    let series = try #require(history(walls).series.first)
    #expect(series.unexamined == 50 && series.changes.isEmpty)
    #expect(series.points.count == ChangePoints.longest + 50)
  }
}
