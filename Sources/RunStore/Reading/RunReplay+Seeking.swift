package import SampleModel

/// Where samples lie in time, and which chunks a part of a run needs.
extension RunReplay {
  /// Chunks before a selection that its first rates are counted from.
  private static let chunksBefore = 2

  /// Those of a stream's chunks, in order of time, that the selection needs.
  func needed(
    _ chunks: [RunReader.ChunkLocation], _ offsets: [Int64: UInt64]
  ) -> [RunReader.ChunkLocation] {
    guard selection.isSeeking else { return chunks }
    let (from, to) = (selection.from ?? 0, selection.to ?? .max)
    var needed: [RunReader.ChunkLocation] = []
    var before: [RunReader.ChunkLocation] = []
    for chunk in chunks {
      let offset = offsets[chunk.session] ?? 0
      if chunk.first &+ offset > to { continue }
      if chunk.last &+ offset >= from {
        needed.append(chunk)
      } else {
        if before.count >= Self.chunksBefore { before.removeFirst() }
        before.append(chunk)
      }
    }
    return before + needed
  }

  /// A stretch of time with samples of one bracket.
  package struct Stretch: Sendable, Hashable {
    package let bracket: UInt32
    /// The start of its first acquisition, on the run's time line.
    package let first: UInt64
    /// The end of its last one.
    package let last: UInt64
  }

  /// The selected brackets' stretches of time with samples, in order of their starts; within a
  /// bracket, stretches that are further apart than `gap` nanoseconds are told apart.
  package func stretches(gap: UInt64) throws(LBError) -> [Stretch] {
    let (streams, sessions) = (try reader.streams(), try reader.sessions())
    let offsets = Dictionary(
      sessions.map { ($0.id, $0.offset) }, uniquingKeysWith: { known, _ in known })
    var all: [Stretch] = []
    for stream in streams {
      let chunks = try reader.chunks(
        stream: stream.stream, kind: .frame, brackets: selection.brackets)
      for chunk in chunks {
        let offset = offsets[chunk.session] ?? 0
        let (first, last) = (chunk.first &+ offset, chunk.last &+ offset)
        guard first <= last else { continue }
        all.append(Stretch(bracket: chunk.bracket, first: first, last: last))
      }
    }
    all.sort { ($0.bracket, $0.first, $0.last) < ($1.bracket, $1.first, $1.last) }
    var joined: [Stretch] = []
    for stretch in all {
      if let before = joined.last, before.bracket == stretch.bracket,
        stretch.first <= before.last || stretch.first - before.last <= gap
      {
        joined[joined.count - 1] = Stretch(
          bracket: before.bracket, first: before.first, last: max(before.last, stretch.last))
      } else {
        joined.append(stretch)
      }
    }
    return joined.sorted { ($0.first, $0.bracket) < ($1.first, $1.bracket) }
  }

  /// What happened in the course of the sampling, without the clocks' anchors, on the run's time
  /// line.
  package func events() throws(LBError) -> [SampleEvent] {
    try reader.sampleEvents(try reader.sessions()).filter { $0.kind != .clockAnchor }
  }

  /// The clocks of the run, in order: they date what lies on its time line.
  package func anchors() throws(LBError) -> [ClockAnchor] {
    try reader.sessions().flatMap(\.anchors)
  }
}
