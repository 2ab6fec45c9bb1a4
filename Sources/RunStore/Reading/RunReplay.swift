package import SampleModel

/// Replays a stored run into a sink like the drain: the same frames in the same order, so that the
/// same sink writes the same numbers.
package struct RunReplay {
  /// The part of a run to replay.
  package struct Selection: Sendable {
    /// Bounds on the run's time line, which is CLOCK_MONOTONIC of its first session.
    package var from: UInt64?
    package var to: UInt64?
    /// Brackets to replay, nil for all.
    package var brackets: Set<UInt32>?
    /// Whether a column is wanted.
    package var passes: @Sendable (String) -> Bool
    /// Of each stream's data before `from`, only the last chunks are read: enough for the rates
    /// that follow, but for a column that was absent for longer. The time of a replay then depends
    /// on the selection's length, not on its place in the run.
    package var isSeeking = false
    /// Words of memory that the open chunks of all streams may take together: 512 MiB, as sixteen
    /// of the largest that writers make.
    package var mostWords = 16 * ChunkBuilder.valueLimit

    /// Everything.
    package init() { passes = { _ in true } }
  }

  let reader: RunReader
  let selection: Selection
  private let contents: Contents

  /// A replay of the selected part.
  package init(_ reader: RunReader, selection: Selection = Selection()) {
    self.init(reader, selection, Contents())
  }

  private init(_ reader: RunReader, _ selection: Selection, _ contents: Contents) {
    self.reader = reader
    self.selection = selection
    self.contents = contents
  }

  /// A replay of another part of the same run, which must have ended. Common data such as layouts
  /// and clocks are read once.
  package func selecting(_ selection: Selection) -> RunReplay {
    RunReplay(reader, selection, contents)
  }

  /// The data of a replay besides the samples.
  private struct Stored {
    let interval: UInt64
    let streams: [StreamMeta.Stream]
    let unavailable: [StreamMeta.Unavailable]
    let schemas: [RecordSchema]
    let layouts: [Layout]
    let sessions: [StoredSession]
    let events: [SampleEvent]
  }

  /// The data, once read.
  private final class Contents {
    private var stored: Stored?

    func read(_ reader: RunReader) throws(LBError) -> Stored {
      if let stored { return stored }
      let sessions = try reader.sessions()
      let read = Stored(
        interval: try reader.interval(), streams: try reader.streams(),
        unavailable: try reader.unavailable(), schemas: try reader.schemas(),
        layouts: try reader.layouts(), sessions: sessions,
        events: try reader.sampleEvents(sessions))
      stored = read
      return read
    }
  }

  /// The memory that the present chunks of all streams take together. A chunk of zeros takes two
  /// hundred times as much as its row, and a file may have a hundred thousand streams.
  private final class Memory {
    private let limit: Int
    private var words = 0

    /// Memory of at most so many words.
    init(_ limit: Int) { self.limit = limit }

    /// Gives up `old` words and takes `new` ones; throws where that is too much.
    func exchange(_ old: Int, for new: Int, of path: String) throws(LBError) {
      words += new - old
      guard words > limit else { return }
      throw LBError(
        .resultPersistence,
        "\(path): its samples need more than \(limit >> 17) MiB of memory at once, more than "
          + "lbsample uses to read a run: the file is damaged, or made to exhaust memory. "
          + "'lbsample runs show \(path)' may still work", context: ErrorContext(path: path))
    }
  }

  /// One stream's chunks of one kind, read one at a time.
  private final class Cursor {
    let reader: RunReader
    /// The offset from each session's clock to the run's time line.
    let offsets: [Int64: UInt64]
    /// The indices of the wanted columns by epoch; nil for all.
    let wanted: (UInt32) -> [Int]?
    var pending: [RunReader.ChunkLocation]
    /// The present chunk's frames or batches, with the ranges of their values in `rows`.
    var frames: [(FrameHeader, Range<Int>)] = []
    var rows: [UInt64] = []
    /// The columns of the present chunk, wanted or not.
    var columnCount = 0
    var next = 0
    /// What the present chunk takes of the memory of all cursors.
    private var words = 0
    private let memory: Memory

    init(
      reader: RunReader, chunks: [RunReader.ChunkLocation], offsets: [Int64: UInt64],
      memory: Memory, wanted: @escaping (UInt32) -> [Int]?
    ) {
      self.reader = reader
      self.offsets = offsets
      self.memory = memory
      self.wanted = wanted
      pending = chunks.reversed()
    }

    func peek() throws(LBError) -> FrameHeader? {
      while next >= frames.count {
        guard let chunk = pending.popLast() else { return nil }
        guard let offset = offsets[chunk.session] else {
          throw LBError(
            .resultPersistence,
            "\(reader.path): data chunk \(chunk.id) is of session \(chunk.session), which is "
              + "not in the file", context: ErrorContext(path: reader.path))
        }
        (frames, rows) = ([], [])
        let decoded = try reader.chunk(chunk.id, only: wanted)
        try memory.exchange(words, for: decoded.words, of: reader.path)
        words = decoded.words
        (frames, rows) = try decoded.frames()
        columnCount = decoded.columnCount
        if offset != 0 { move(by: offset) }
        next = 0
      }
      return frames[next].0
    }

    private func move(by offset: UInt64) {
      for index in frames.indices {
        // 0 means no deadline.
        if frames[index].0.deadline != 0 { frames[index].0.deadline &+= offset }
        frames[index].0.start &+= offset
        frames[index].0.end &+= offset
      }
    }

    /// The next frame, or all rows of the next batch, which have the same header; with the words of
    /// a row.
    func take() -> (FrameHeader, Range<Int>, width: Int) {
      var (header, range) = frames[next]
      let width = range.count
      next += 1
      guard header.kind == .records else { return (header, range, width) }
      while next < frames.count, frames[next].0 == header {
        range = range.lowerBound..<max(range.upperBound, frames[next].1.upperBound)
        next += 1
      }
      return (header, range, width)
    }
  }

  /// The start of the run's first sample, on the run's time line; 0 if it has none.
  package static func firstStart(_ reader: RunReader) throws(LBError) -> UInt64 {
    try reader.firstStart()
  }

  /// Nanoseconds between two samples.
  package static func interval(_ reader: RunReader) throws(LBError) -> UInt64 {
    try reader.interval()
  }

  /// The layouts of the selection with the wanted columns: first the initial ones of the streams,
  /// then later ones.
  package func layouts() throws(LBError) -> [Layout] {
    let all = try contents.read(reader).layouts.sorted {
      ($0.epoch > 1 ? 1 : 0, $0.stream, $0.epoch) < ($1.epoch > 1 ? 1 : 0, $1.stream, $1.epoch)
    }
    return all.map(filtered)
  }

  /// Replays the selection into `sink`; ends with a commit of everything. Returns the number of its
  /// frames and batches of records.
  @discardableResult
  package func play(into sink: any SampleSink) throws(LBError) -> Int {
    let stored = try contents.read(reader)
    let (streams, schemas) = (stored.streams, stored.schemas)
    guard let first = stored.sessions.first(where: { !$0.anchors.isEmpty })?.anchors.first
    else {
      let cause =
        try reader.writerIsAlive()
        ? "has no samples yet: it is still being written; try again once the first has been stored"
        : "contains no samples: its writer was killed before writing one, or the file is damaged"
      throw LBError(
        .resultPersistence, "\(reader.path) \(cause)", context: ErrorContext(path: reader.path))
    }
    // Notes from before the first sample come first.
    let notes = stored.events.prefix { $0.kind == .note && $0.time <= first.monotonic }
    var events = stored.events.dropFirst(notes.count)
    try sink.begin(
      StreamMeta(
        interval: stored.interval, streams: streams, unavailable: stored.unavailable,
        records: schemas, anchor: first, notes: notes.map(\.message)))
    var layouts: [UInt64: Layout] = [:]
    for layout in stored.layouts { layouts[Self.key(layout.stream, layout.epoch)] = layout }
    let chosen = layouts.mapValues(columnIndices)
    var announced: [UInt16: UInt32] = [:]
    for stream in streams {
      guard let layout = layouts[Self.key(stream.stream, 1)] else { continue }
      announced[stream.stream] = 1
      try sink.layout(filtered(layout))
    }
    // Like the drain before the first sample: these are the initial layouts, later ones are
    // changes. A part of a run begins with its own initial layouts.
    if selection.from == nil, selection.brackets == nil { try sink.commit(watermark: 0) }
    let cursors = try cursors(of: streams, stored.sessions) { chosen[Self.key($0, $1)] ?? [] }
    var hasBegun = false
    var committed: UInt64 = 0
    var edge: FrameHeader?
    var count = 0
    while let cursor = try earliest(cursors) {
      // Like the drain: sinks end and output their rows.
      let isEarlier = isEarlier(cursor.frames[cursor.next].0)
      if !isEarlier, cursor.frames[cursor.next].0.deadline > committed,
        let lowWatermark = try Self.lowWatermark(cursors, edge), lowWatermark > committed
      {
        committed = lowWatermark
        try sink.commit(watermark: lowWatermark)
      }
      let (header, range, width) = cursor.take()
      if header.edge != .none, !(edge?.isOfSameEdge(header) ?? false) {
        edge = header
      }
      guard isEarlier || wanted(header),
        let layout = layouts[Self.key(header.stream, header.epoch)]
      else { continue }
      if !isEarlier {
        count += 1
        while let event = events.first, event.time <= header.start {
          events.removeFirst()
          // With selected brackets, only events within them.
          let isWithin = selection.brackets == nil || hasBegun
          if isWithin, event.time >= selection.from ?? 0 {
            try sink.event(event)
          } else if let anchor = event.anchor {
            // Clock anchors concern everything that follows.
            try sink.event(
              SampleEvent(.clockAnchor, time: event.time, message: "", anchor: anchor))
          }
        }
        hasBegun = true
      }
      if announced[header.stream] != header.epoch {
        announced[header.stream] = header.epoch
        try sink.layout(filtered(layout))
      }
      let rows = cursor.rows
      if header.kind == .records {
        if isEarlier { continue }
        let fields = schemas.first { $0.stream == header.stream }?.fields.count ?? 0
        guard range.isEmpty || width == fields else {
          throw LBError(
            .resultPersistence,
            "\(reader.path): a chunk of \(layout.collector) has rows of \(width) words, its "
              + "record schema has \(fields) fields", context: ErrorContext(path: reader.path))
        }
        try sink.records(header, rows.span.extracting(range))
        continue
      }
      // Untrusted: a row must have a value for each of its layout's columns, or none.
      guard range.isEmpty || cursor.columnCount == layout.columns.count else {
        throw LBError(
          .resultPersistence,
          "\(reader.path): a chunk of \(layout.collector) has \(cursor.columnCount) columns, its "
            + "layout \(layout.columns.count)", context: ErrorContext(path: reader.path))
      }
      try Self.give(header, rows.span.extracting(range), to: sink, isEarlier)
    }
    for event in events where selection.brackets == nil {
      guard event.time >= selection.from ?? 0, event.time <= selection.to ?? .max else { continue }
      try sink.event(event)
    }
    try sink.commit(watermark: .max)
    return count
  }

  private static func key(_ stream: UInt16, _ epoch: UInt32) -> UInt64 {
    UInt64(stream) << 32 | UInt64(epoch)
  }

  /// Frames and records of every stream; those that begin at the same time are ordered like in the
  /// drain: by thread, then as written. Of frames, only the `wanted` columns are decoded.
  private func cursors(
    of streams: [StreamMeta.Stream], _ sessions: [StoredSession],
    _ wanted: @escaping (_ stream: UInt16, _ epoch: UInt32) -> [Int]
  ) throws(LBError) -> [Cursor] {
    let offsets = Dictionary(
      sessions.map { ($0.id, $0.offset) }, uniquingKeysWith: { known, _ in known })
    let memory = Memory(selection.mostWords)
    var cursors: [Cursor] = []
    for stream in streams.sorted(by: { ($0.thread, $0.stream) < ($1.thread, $1.stream) }) {
      for kind in [FrameHeader.Kind.frame, .records] {
        let chunks = needed(
          try reader.chunks(stream: stream.stream, kind: kind, brackets: selection.brackets),
          offsets)
        guard !chunks.isEmpty else { continue }
        cursors.append(
          Cursor(reader: reader, chunks: chunks, offsets: offsets, memory: memory) { epoch in
            kind == .frame ? wanted(stream.stream, epoch) : nil
          })
      }
    }
    return cursors
  }

  /// The earliest deadline of the remaining frames: earlier ticks are complete. `edge` is the first
  /// sample of the last replayed edge.
  private static func lowWatermark(_ cursors: [Cursor], _ edge: FrameHeader?) throws(LBError)
    -> UInt64?
  {
    var lowWatermark: UInt64?
    for cursor in cursors {
      guard let header = try cursor.peek() else { continue }
      lowWatermark = min(lowWatermark ?? .max, header.deadline)
      // The samples of an edge are one row, although each thread takes its own at a different time.
      if let edge, edge.isOfSameEdge(header) {
        lowWatermark = min(lowWatermark ?? .max, edge.deadline)
      }
    }
    return lowWatermark
  }

  private func earliest(_ cursors: [Cursor]) throws(LBError) -> Cursor? {
    var best: (cursor: Cursor, start: UInt64)?
    for cursor in cursors {
      guard let header = try cursor.peek() else { continue }
      if let found = best, found.start <= header.start { continue }
      best = (cursor, header.start)
    }
    return best?.cursor
  }

  private func wanted(_ header: FrameHeader) -> Bool {
    (selection.brackets?.contains(header.bracket) ?? true)
      && header.start >= selection.from ?? 0 && header.start <= selection.to ?? .max
  }

  /// Whether a frame belongs to a wanted bracket before the shown part, whose first rates are
  /// counted from it, as in the live view.
  private func isEarlier(_ header: FrameHeader) -> Bool {
    (selection.brackets?.contains(header.bracket) ?? true) && header.start < selection.from ?? 0
  }

  private static func give(
    _ header: FrameHeader, _ values: Span<UInt64>, to sink: any SampleSink, _ isEarlier: Bool
  ) throws(LBError) {
    if isEarlier { sink.pass(header, values) } else { try sink.frame(header, values) }
  }

  private func filtered(_ layout: Layout) -> Layout { layout.choosing(selection.passes) }

  /// The indices of the wanted columns.
  private func columnIndices(_ layout: Layout) -> [Int] {
    layout.kept(selection.passes).enumerated().filter(\.element).map(\.offset)
  }
}
