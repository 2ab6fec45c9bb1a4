import RunStore
import SampleModel

/// The columns that stand before the values of each row: whose it is, and when it was read.
struct RowFrame {
  let context: ExportedRun
  /// The start of the last frame with values in the present bracket; nil before the first.
  private var last: UInt64?
  private var bracket: UInt32?

  init(_ context: ExportedRun) { self.context = context }

  /// The columns, in their order.
  var columns: [ParquetColumn] {
    (context.namesRun ? [ParquetColumn("run", .text)] : []) + [
      ParquetColumn("phase", .text, isOptional: true),
      ParquetColumn("repetition", .integer, isOptional: true),
      ParquetColumn("warm_up", .flag, isOptional: true),
      ParquetColumn("attempt", .integer, isOptional: true),
      ParquetColumn(
        "edge", .text, isOptional: true,
        facts: [("meaning", "open or close: the bracket's opening or closing sample")]),
      ParquetColumn(
        "outcome", .text, facts: [("meaning", "complete, or why the row has no values")]),
      ParquetColumn("time", .timestamp, facts: [("meaning", "start of the reading, UTC")]),
      ParquetColumn(
        "time_ns", .integer,
        facts: [("unit", "ns"), ("meaning", "start of the reading since 1970, exact")]),
      ParquetColumn(
        "elapsed_ns", .integer,
        facts: [("unit", "ns"), ("meaning", "start of the reading since the run's first sample")]),
      ParquetColumn(
        "acquisition_ns", .integer, facts: [("unit", "ns"), ("meaning", "how long reading took")]),
      ParquetColumn(
        "window_ns", .integer, isOptional: true,
        facts: [
          ("unit", "ns"), ("meaning", "since the collector's previous reading in the same bracket"),
        ]),
    ]
  }

  /// What these columns have of a piece's rows.
  struct Rows {
    let bracket: UInt32
    let edges: [(edge: BracketEdge, count: Int)]
    let outcomes: [(outcome: AcquisitionOutcome, count: Int)]
    let micros: [UInt64]
    let times: [UInt64]
    let elapsed: [UInt64]
    let durations: [UInt64]
    let windows: [UInt64]
    let windowPresences: [ColumnPiece.Presence]

    var count: Int { times.count }

    /// The rows that have a value; all of them as a rule.
    func keeping(_ presences: [ColumnPiece.Presence]) -> Rows {
      guard presences.contains(where: { !$0.isPresent }) else { return self }
      let isKept = presences.flatMap { repeatElement($0.isPresent, count: $0.count) }
      func part(_ values: [UInt64]) -> [UInt64] { zip(values, isKept).filter(\.1).map(\.0) }
      let allEdges = edges.flatMap { repeatElement($0.edge, count: $0.count) }
      let allOutcomes = outcomes.flatMap { repeatElement($0.outcome, count: $0.count) }
      var (kept, position): ([UInt64], Int) = ([], 0)
      var windowed: [ColumnPiece.Presence] = []
      for (row, hasWindow)
        in windowPresences
        .flatMap({ repeatElement($0.isPresent, count: $0.count) }).enumerated()
      {
        if isKept[row] { windowed.add(hasWindow) }
        guard hasWindow else { continue }
        if isKept[row] { kept.append(windows[position]) }
        position += 1
      }
      return Rows(
        bracket: bracket, edges: zip(allEdges, isKept).filter(\.1).map { ($0.0, 1) },
        outcomes: zip(allOutcomes, isKept).filter(\.1).map { ($0.0, 1) }, micros: part(micros),
        times: part(times), elapsed: part(elapsed), durations: part(durations), windows: kept,
        windowPresences: windowed)
    }
  }

  /// The rows of a piece, which come in order.
  mutating func rows(_ piece: ColumnPiece) -> Rows {
    if bracket != piece.bracket { last = nil }
    bracket = piece.bracket
    var windows: [UInt64] = []
    var presences: [ColumnPiece.Presence] = []
    var edges: [(edge: BracketEdge, count: Int)] = []
    var outcomes: [(outcome: AcquisitionOutcome, count: Int)] = []
    for row in piece.starts.indices {
      let (edge, outcome) = (piece.edges[row], piece.outcomes[row])
      if edge == .open { last = nil }
      presences.add(outcome == .complete && last != nil)
      if outcome == .complete {
        if let last { windows.append(piece.starts[row] &- last) }
        last = piece.starts[row]
      }
      if edges.last?.edge == edge {
        edges[edges.count - 1].count += 1
      } else {
        edges.append((edge, 1))
      }
      if outcomes.last?.outcome == outcome {
        outcomes[outcomes.count - 1].count += 1
      } else {
        outcomes.append((outcome, 1))
      }
    }
    let times = context.unixTimes(piece.starts)
    return Rows(
      bracket: piece.bracket, edges: edges, outcomes: outcomes, micros: times.map { $0 / 1000 },
      times: times, elapsed: piece.starts.map { context.elapsed($0) },
      durations: zip(piece.starts, piece.ends).map { $1 &- $0 }, windows: windows,
      windowPresences: presences)
  }

  /// Adds rows to the first columns of a file; returns the number of those columns.
  func append(_ rows: Rows, to writer: ParquetWriter) -> Int {
    var column = 0
    func next() -> ColumnBuffer {
      defer { column += 1 }
      return writer[column]
    }
    if context.namesRun { next().append(context.run, count: rows.count) }
    append(rows.bracket, rows.count, next(), next(), next(), next())
    let edge = next()
    for run in rows.edges {
      switch run.edge {
      case .none: edge.appendNulls(run.count)
      case .open: edge.append("open", count: run.count)
      case .close: edge.append("close", count: run.count)
      }
    }
    let outcome = next()
    for run in rows.outcomes { outcome.append(run.outcome.word, count: run.count) }
    next().append(rows.micros.span)
    next().append(rows.times.span)
    next().append(rows.elapsed.span)
    next().append(rows.durations.span)
    next().append(rows.windows.span, rows.windowPresences)
    return column
  }

  /// Adds which repetition rows are of.
  private func append(
    _ bracket: UInt32, _ count: Int, _ phase: ColumnBuffer, _ repetition: ColumnBuffer,
    _ warmUp: ColumnBuffer, _ attempt: ColumnBuffer
  ) {
    guard let label = context.labels[bracket] else {
      for column in [phase, repetition, warmUp, attempt] { column.appendNulls(count) }
      return
    }
    phase.append(label.phase, count: count)
    repetition.append(UInt64(label.repetition), count: count)
    warmUp.append(label.warmUp ? 1 : 0, count: count)
    attempt.append(UInt64(label.attempt), count: count)
  }
}
