package import SampleModel

/// Which chunks a part of a run needs, and what lies between its samples.
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
