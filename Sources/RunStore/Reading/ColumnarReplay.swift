package import SampleModel

/// A stretch of one stream's frames or records as the columns that are stored of it.
package struct ColumnPiece: Sendable {
  /// A number of consecutive rows that all have values, or none of which has.
  package struct Presence: Sendable, Equatable {
    package var isPresent: Bool
    package var count: Int

    /// `count` rows that have values, or have none.
    package init(isPresent: Bool, count: Int) {
      self.isPresent = isPresent
      self.count = count
    }
  }

  /// The layout of the columns.
  package let layout: Layout
  package let bracket: UInt32
  /// Of each row, on the run's time line in nanoseconds: the scheduled time (0: none), the start
  /// and the end of the acquisition.
  package private(set) var deadlines: [UInt64]
  package private(set) var starts: [UInt64]
  package private(set) var ends: [UInt64]
  package private(set) var outcomes: [AcquisitionOutcome]
  package private(set) var edges: [BracketEdge]
  /// Which rows have values.
  package private(set) var presences: [Presence]
  /// The raw values of those that have.
  package private(set) var columns: [[UInt64]]

  /// Rows, of which some may have no values.
  package var rowCount: Int { starts.count }
  /// Rows with values.
  package var valueCount: Int { presences.reduce(0) { $0 + ($1.isPresent ? $1.count : 0) } }

  fileprivate init(_ chunk: Chunk, _ layout: Layout, offset: UInt64) throws(LBError) {
    self.layout = layout
    bracket = chunk.bracket
    deadlines = chunk.headers[1]
    starts = chunk.headers[2]
    ends = chunk.headers[3]
    (outcomes, edges, presences) = ([], [], [])
    columns = chunk.values
    if offset != 0 {
      for row in starts.indices {
        if deadlines[row] != 0 { deadlines[row] &+= offset }
        starts[row] &+= offset
        ends[row] &+= offset
      }
    }
    outcomes.reserveCapacity(starts.count)
    edges.reserveCapacity(starts.count)
    var rest = columns.first?.count ?? 0
    for flags in chunk.headers[4] {
      guard let outcome = AcquisitionOutcome(rawValue: UInt8(truncatingIfNeeded: flags)),
        let edge = BracketEdge(rawValue: UInt8(truncatingIfNeeded: flags >> 8))
      else {
        throw LBError(.resultPersistence, "a chunk of stream \(chunk.stream) has unknown flags")
      }
      outcomes.append(outcome)
      edges.append(edge)
      let isPresent = outcome == .complete && rest > 0
      if isPresent { rest -= 1 }
      presences.add(isPresent)
    }
  }

  /// The rows that `isWanted`, by their starts; nil if there are none.
  fileprivate func choosing(_ isWanted: (UInt64) -> Bool) -> ColumnPiece? {
    let rows = starts.indices.filter { isWanted(starts[$0]) }
    guard !rows.isEmpty else { return nil }
    guard rows.count < starts.count else { return self }
    var position = 0
    // Of each row, where its values are.
    var positions: [Int?] = []
    for presence in presences {
      for _ in 0..<presence.count {
        positions.append(presence.isPresent ? position : nil)
        if presence.isPresent { position += 1 }
      }
    }
    var part = self
    part.deadlines = rows.map { deadlines[$0] }
    part.starts = rows.map { starts[$0] }
    part.ends = rows.map { ends[$0] }
    part.outcomes = rows.map { outcomes[$0] }
    part.edges = rows.map { edges[$0] }
    part.presences = []
    for row in rows { part.presences.add(positions[row] != nil) }
    let kept = rows.compactMap { positions[$0] }
    part.columns = columns.map { column in kept.map { column[$0] } }
    return part
  }
}

extension [ColumnPiece.Presence] {
  /// Adds one row.
  package mutating func add(_ isPresent: Bool) {
    if let last = indices.last, self[last].isPresent == isPresent {
      self[last].count += 1
    } else {
      append(ColumnPiece.Presence(isPresent: isPresent, count: 1))
    }
  }
}

/// Reads a stored run by columns, stream by stream: what files of columns are made of. `RunReplay`
/// is its counterpart by rows, over all streams in order of time.
package struct ColumnarReplay {
  private let reader: RunReader
  private let selection: RunReplay.Selection
  private let sessions: [StoredSession]
  private let layoutsByKey: [UInt64: Layout]

  /// The sampled collectors.
  package let streams: [StreamMeta.Stream]
  /// The kinds of records.
  package let schemas: [RecordSchema]
  /// The clock readings, in order of the run's time line.
  package let anchors: [ClockAnchor]
  /// The events of the drain, without clock readings, on the run's time line.
  package let events: [SampleEvent]
  /// The start of the first sample on the run's time line.
  package let origin: UInt64

  /// A replay of the selected part.
  package init(
    _ reader: RunReader, selection: RunReplay.Selection = RunReplay.Selection()
  ) throws(LBError) {
    self.reader = reader
    self.selection = selection
    sessions = try reader.sessions()
    streams = try reader.streams()
    schemas = try reader.schemas()
    anchors = sessions.flatMap(\.anchors)
    events = try reader.sampleEvents(sessions).filter { $0.kind != .clockAnchor }
    origin = try reader.firstStart()
    var known: [UInt64: Layout] = [:]
    for layout in try reader.layouts() { known[Self.key(layout.stream, layout.epoch)] = layout }
    layoutsByKey = known
  }

  private static func key(_ stream: UInt16, _ epoch: UInt32) -> UInt64 {
    UInt64(stream) << 32 | UInt64(epoch)
  }

  /// The layouts of a stream, in order, with all their columns.
  package func layouts(of stream: UInt16) -> [Layout] {
    layoutsByKey.values.filter { $0.stream == stream }.sorted { $0.epoch < $1.epoch }
  }

  /// Whether a column or formula of this name is selected.
  package func passes(_ name: String) -> Bool { selection.passes(name) }

  /// Gives the selected pieces of one stream in order, frames or records.
  package func forEachPiece(
    of stream: UInt16, kind: FrameHeader.Kind = .frame,
    _ body: (ColumnPiece) throws(LBError) -> Void
  ) throws(LBError) {
    let offsets = Dictionary(
      sessions.map { ($0.id, $0.offset) }, uniquingKeysWith: { known, _ in known })
    let width = schemas.first { $0.stream == stream }?.fields.count ?? 0
    let isWhole = selection.from == nil && selection.to == nil
    for location in try reader.chunks(stream: stream, kind: kind, brackets: selection.brackets) {
      let chunk = try reader.chunk(location.id)
      guard let offset = offsets[location.session] else {
        throw damage("a data chunk is of session \(location.session), which is not in the file")
      }
      guard let layout = layoutsByKey[Self.key(stream, chunk.epoch)] else {
        throw damage("a data chunk of stream \(stream) is of layout \(chunk.epoch), which is none")
      }
      // Untrusted: a chunk must have the columns of its layout, or none.
      let expected = kind == .records ? width : layout.columns.count
      guard chunk.values.isEmpty || chunk.values.count == expected else {
        throw damage(
          "a chunk of \(layout.collector) has \(chunk.values.count) columns instead of \(expected)")
      }
      let piece = try ColumnPiece(chunk, layout, offset: offset)
      if isWhole {
        try body(piece)
      } else if let part = piece.choosing({ isWanted($0) }) {
        try body(part)
      }
    }
  }

  private func isWanted(_ start: UInt64) -> Bool {
    start >= selection.from ?? 0 && start <= selection.to ?? .max
  }

  private func damage(_ what: String) -> LBError {
    LBError(
      .resultPersistence, "\(reader.path): \(what)", context: ErrorContext(path: reader.path))
  }
}
