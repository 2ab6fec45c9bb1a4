import Foundation
import GRDB
import SampleModel

/// What has been sampled since the open chunks were last saved, in a file beside the run's.
///
/// A second's samples only have to outlive this process. As rows they cost a statement and some
/// pages for each stream; here they cost one write. What a row holds by now is skipped by whoever
/// reads the tail.
///
/// The file is a sequence of batches: four words (the letters `LBT1`, the generation, the number
/// of words behind, their checksum), then messages, each a number of words followed by a frame
/// header and its values. Batches of one generation stand one behind the other from the file's
/// start; what does not continue them was left by an earlier generation or a killed writer.
enum Tail {
  static let magic: UInt64 = 0x3154_424C  // "LBT1"
  static let frontWords = 4

  /// Where the tail of the run in `path` is.
  static func path(of path: String) -> String { path + "-tail" }

  /// A sum of words that tells a torn batch from a whole one.
  static func checksum(_ words: Span<UInt64>) -> UInt64 {
    var sum: UInt64 = 0x9E37_79B9_7F4A_7C15
    for index in words.indices {
      sum = (sum ^ words[index]) &* 0xFF51_AFD7_ED55_8CCD
      sum ^= sum >> 32
    }
    return sum
  }

  /// Calls `body` with each message of a batch.
  static func forEachMessage(
    in words: Span<UInt64>, _ body: (FrameHeader, Span<UInt64>) -> Void
  ) {
    var place = 0
    while place < words.count {
      let length = words[place]
      guard length <= UInt64(words.count - place - 1) else { return }
      let message = words.extracting(place + 1..<place + 1 + Int(length))
      if let header = FrameHeader(decoding: message) {
        body(header, message.extracting(FrameHeader.wordCount..<message.count))
      }
      place += 1 + Int(length)
    }
  }

  /// The messages of the file's first generation, as far as they are whole; none without a file.
  private static func messages(_ path: String) throws(LBError) -> [UInt64] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      // Gone since: its writer has saved everything and ended.
      guard FileManager.default.fileExists(atPath: path) else { return [] }
      throw LBError(
        .resultPersistence, "\(path): the last samples of the run cannot be read",
        context: ErrorContext(path: path), causes: [String(describing: error)])
    }
    let count = data.count / 8
    let words = unsafe [UInt64](unsafeUninitializedCapacity: count) { buffer, initialized in
      _ = unsafe data.copyBytes(to: UnsafeMutableRawBufferPointer(buffer), count: count * 8)
      initialized = count
    }
    var found: [UInt64] = []
    var place = 0
    while place + frontWords <= count, words[place] == magic, words[place + 1] == words[1],
      words[place + 2] <= UInt64(count - place - frontWords)
    {
      let start = place + frontWords
      let end = start + Int(words[place + 2])
      guard checksum(words.span.extracting(start..<end)) == words[place + 3] else { break }
      found += words[start..<end]
      place = end
    }
    return found
  }

  /// What the tail holds and the rows of `db` do not, as chunks.
  static func chunks(ofRunIn path: String, _ db: Database) throws -> OpenChunks {
    let words = try messages(self.path(of: path))
    var chunks = OpenChunks()
    guard !words.isEmpty else { return chunks }
    struct Series: Hashable {
      let stream: UInt16
      let kind: UInt8
      let bracket: UInt32
    }
    var saved: [Series: UInt64] = [:]
    for row in try Row.fetchAll(
      db, sql: "SELECT stream, kind, bracket, max(last_ns) AS last FROM chunk GROUP BY 1, 2, 3")
    {
      saved[Series(stream: row["stream"], kind: row["kind"], bracket: row["bracket"])] =
        UInt64(bitPattern: row["last"])
    }
    var widths: [UInt64: Int] = [:]
    for row in try Row.fetchAll(db, sql: "SELECT stream, epoch, definition FROM layout") {
      let layout = try JSON.value(Layout.self, row["definition"])
      widths[UInt64(layout.stream) << 32 | UInt64(layout.epoch)] = layout.columns.count
    }
    var schemas: [UInt16: Int] = [:]
    for text in try String.fetchAll(db, sql: "SELECT definition FROM record_schema") {
      let schema = try JSON.value(RecordSchema.self, text)
      schemas[schema.stream] = schema.fields.count
    }
    forEachMessage(in: words.span) { header, body in
      let series = Series(
        stream: header.stream, kind: header.kind.rawValue, bracket: header.bracket)
      if let last = saved[series], header.end <= last { return }
      let width =
        header.kind == .records
        ? schemas[header.stream] : widths[UInt64(header.stream) << 32 | UInt64(header.epoch)]
      // A layout that was not committed any more: its frames cannot be read either.
      guard let width, header.kind == .records || body.isEmpty || body.count == width else {
        return
      }
      chunks.append(header, body, columns: width)
    }
    return chunks
  }

  /// Saves what the tail holds as rows. `remove` follows when that has been committed.
  static func absorb(ofRunIn path: String, _ db: Database) throws {
    var chunks = try chunks(ofRunIn: path, db)
    _ = try chunks.save(db)
  }

  /// Removes the tail of the run in `path`, if there is one.
  static func remove(ofRunIn path: String) { _ = unsafe unlink(self.path(of: path)) }
}

/// The writing end of a tail.
///
/// What it has taken stays in memory until it is in rows: chunks are built from it then, many
/// frames at a time.
final class TailWriter {
  /// Words of a batch; where a second has more there is enough for whole chunks, which go into
  /// rows at once.
  private static let batchWords = 32 << 10
  /// Words after which everything is saved in rows, and the file written from its start again.
  private static let generationWords = 128 << 10

  private let path: String
  private var descriptor: Int32 = -1
  private var generation: UInt64 = 1
  /// The batches of this generation as they are in the file, then one that is not there yet.
  private var words = [UInt64](repeating: 0, count: Tail.frontWords)
  /// Where that one begins.
  private var start = 0

  /// The tail of the run in `path`; a file is made at the first batch.
  init(ofRunIn path: String) { self.path = Tail.path(of: path) }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Whether the file holds nothing that no row does.
  private(set) var isSettled = true
  /// Whether anything waits to be written.
  var hasPending: Bool { words.count > start + Tail.frontWords }

  /// Adds a frame or a batch of records; false when there is no room for it.
  func append(_ header: FrameHeader, _ body: Span<UInt64>) -> Bool {
    let length = FrameHeader.wordCount + body.count
    guard words.count - start + length < Self.batchWords,
      words.count + length < Self.generationWords
    else { return false }
    words.append(UInt64(length))
    var front: [6 of UInt64] = .init(repeating: 0)
    var span = front.mutableSpan
    header.encode(into: &span)
    for index in front.indices { words.append(front[index]) }
    // Safe: the buffer is read while the span lives.
    unsafe body.withUnsafeBufferPointer { unsafe words.append(contentsOf: $0) }
    return true
  }

  /// Writes what waits and gives its bytes; nil when it could not be. The rows are saved then,
  /// whose error says why.
  func write() -> Int? {
    if descriptor < 0 {
      descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    }
    guard descriptor >= 0 else { return nil }
    let body = start + Tail.frontWords
    words[start] = Tail.magic
    words[start + 1] = generation
    words[start + 2] = UInt64(words.count - body)
    words[start + 3] = Tail.checksum(words.span.extracting(body..<words.count))
    let (bytes, place, descriptor) = ((words.count - start) * 8, start * 8, descriptor)
    let written = unsafe words.withUnsafeBytes {
      unsafe pwrite(descriptor, $0.baseAddress?.advanced(by: place), bytes, off_t(place))
    }
    guard written == bytes else { return nil }
    isSettled = false
    start = words.count
    words.append(contentsOf: repeatElement(0, count: Tail.frontWords))
    return bytes
  }

  /// Hands over everything that it holds, in order, and begins a new generation.
  func take(_ body: (FrameHeader, Span<UInt64>) -> Void) {
    words[start + 2] = UInt64(words.count - start - Tail.frontWords)
    let all = words
    var place = 0
    while place + Tail.frontWords <= all.count {
      let from = place + Tail.frontWords
      place = from + Int(all[place + 2])
      Tail.forEachMessage(in: all.span.extracting(from..<place), body)
    }
    words.removeLast(words.count - Tail.frontWords)
    if start > 0 { generation += 1 }
    start = 0
  }

  /// What was taken is in rows.
  func settle() { isSettled = true }
}
