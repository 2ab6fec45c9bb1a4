import Foundation
import GRDB
import SampleModel

/// The samples since the open chunks were last saved, in a file beside the run's.
///
/// The samples of a second must survive this process. As rows they would cost a statement and
/// several pages for each stream; here they cost one write. Readers of the tail skip samples that
/// are in rows already.
///
/// The file is a sequence of batches: six words (the letters `LBT2`, the run's word, the
/// generation, the number of following words, the checksum of all of these, the end of the newest
/// acquisition in rows when the generation began), then messages, each a number of words followed
/// by a frame header and its values. The batches of one generation follow one another from the
/// file's start; an empty batch ends them, and the rest of the file is from earlier generations.
/// (Batches of `LBT1`, of earlier versions, have no empty one, no sixth word, and a checksum of the
/// messages only.)
///
/// After a power failure the file may have a generation whose predecessor is neither here nor in
/// rows: the sixth word reveals that.
///
/// A writer holds a lock on the file (flock(2)), which ends with its process, and is also visible
/// from other PID namespaces.
enum Tail {
  static let magic: UInt64 = 0x3254_424C  // "LBT2"
  private static let firstMagic: UInt64 = 0x3154_424C  // "LBT1"
  static let frontWords = 6
  private static let firstFrontWords = 5
  /// The index of the checksum in a batch's header.
  static let sumOffset = 4
  /// Words after which everything is saved in rows, and the file is written from its start again.
  static let generationWords = 128 << 10

  /// The path of the tail of the run in `path`.
  static func path(of path: String) -> String { path + "-tail" }

  /// The word of a run in each batch (FNV-1a of its id).
  static func word(ofRun id: String) -> UInt64 {
    id.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// The checksum of a batch, over all words but its own: detects torn or damaged batches.
  static func checksum(ofBatch words: Span<UInt64>) -> UInt64 {
    let isFirst = words[0] == firstMagic
    var sum: UInt64 = 0x9E37_79B9_7F4A_7C15
    for index in words.indices
    where isFirst ? index >= firstFrontWords : index != sumOffset {
      sum = (sum ^ words[index]) &* 0xFF51_AFD7_ED55_8CCD
      sum ^= sum >> 32
    }
    return sum
  }

  /// The header of a batch.
  private struct Front {
    let generation: UInt64
    /// Words of the messages.
    let length: UInt64
    /// The end of the newest acquisition in rows when the generation began.
    let saved: UInt64
    let sum: UInt64
    /// Its offset, and that of its messages.
    let offset: Int
    let body: Int
    /// Whether an empty batch must follow the last one.
    let hasEnd: Bool

    /// Reads the header at `offset`, of the run with this word; nil if there is none.
    init?(_ words: Span<UInt64>, at offset: Int, ofRun run: UInt64) {
      guard offset + Tail.firstFrontWords <= words.count,
        [Tail.magic, Tail.firstMagic].contains(words[offset]), words[offset + 1] == run
      else { return nil }
      hasEnd = words[offset] == Tail.magic
      body = offset + (hasEnd ? Tail.frontWords : Tail.firstFrontWords)
      guard body <= words.count else { return nil }
      self.offset = offset
      generation = words[offset + 2]
      length = words[offset + 3]
      sum = words[offset + Tail.sumOffset]
      saved = hasEnd ? words[offset + 5] : 0
    }
  }

  /// The loss of last samples.
  struct Loss {
    /// Unreadable bytes of the tail: damaged, or of a layout that is not in rows.
    var bytes = 0
    /// Whether samples before those of the tail were in rows that are missing.
    var lacksRows = false
  }

  /// Calls `body` with each message of a batch.
  static func forEachMessage(
    in words: Span<UInt64>, _ body: (FrameHeader, Span<UInt64>) -> Void
  ) {
    var offset = 0
    while offset < words.count {
      let length = words[offset]
      guard length <= UInt64(words.count - offset - 1) else { return }
      let message = words.extracting(offset + 1..<offset + 1 + Int(length))
      if let header = FrameHeader(decoding: message) {
        body(header, message.extracting(FrameHeader.wordCount..<message.count))
      }
      offset += 1 + Int(length)
    }
  }

  /// An existing tail, open for reading.
  struct File: ~Copyable {
    fileprivate let descriptor: Int32

    /// The tail of the run in `path`; nil if there is no regular file.
    init?(ofRunIn path: String) {
      let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
      descriptor = unsafe open(Tail.path(of: path), flags)
      var facts = stat()
      guard descriptor >= 0 else { return nil }
      guard unsafe fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
        Foundation.close(descriptor)
        return nil
      }
    }

    deinit { Foundation.close(descriptor) }

    /// Whether a writer holds its lock. If not, this value holds the lock.
    func isHeld() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK }
  }

  /// The complete messages of the newest generation in the file; the number of its unreadable words
  /// (damaged ones, or an incomplete last batch); and the end of the newest acquisition in rows
  /// when it began.
  static func messages(
    in words: Span<UInt64>, ofRun id: String
  ) -> (words: [UInt64], unread: Int, saved: UInt64) {
    let run = word(ofRun: id)
    var batches: [(front: Front, body: Range<Int>)] = []
    var offset = 0
    while offset < words.count {
      guard let front = Front(words, at: offset, ofRun: run),
        front.length <= UInt64(words.count - front.body)
      else {
        offset += 1
        continue
      }
      let body = front.body..<front.body + Int(front.length)
      guard checksum(ofBatch: words.extracting(offset..<body.upperBound)) == front.sum else {
        offset += 1
        continue
      }
      batches.append((front, body))
      offset = body.upperBound
    }
    let newest = batches.map(\.front.generation).max() ?? 1
    var found: [UInt64] = []
    var (end, unread, saved) = (0, 0, 0 as UInt64)
    var isEnded = false
    for batch in batches where batch.front.generation == newest {
      unread += batch.front.offset - end
      for index in batch.body { found.append(words[index]) }
      end = batch.body.upperBound
      saved = batch.front.saved
      isEnded = batch.body.isEmpty || !batch.front.hasEnd
    }
    // After the last one there may be remains of earlier generations, but not with the first.
    if newest == 1 {
      unread += words.count - end
    } else if let front = Front(words, at: end, ofRun: run), front.generation == newest {
      unread += min(words.count - end, frontWords + Int(min(front.length, UInt64(generationWords))))
    }
    // The final batch is missing: the file was cut off, or that batch is damaged too.
    if unread == 0, !isEnded, !words.isEmpty { unread = frontWords }
    return (found, unread, saved)
  }

  private static func words(_ file: borrowing File) -> [UInt64] {
    let room = 2 * generationWords
    let descriptor = file.descriptor
    return unsafe [UInt64](unsafeUninitializedCapacity: room) { buffer, initialized in
      let read = unsafe pread(descriptor, buffer.baseAddress, room * 8, 0)
      initialized = max(0, read) / 8
    }
  }

  /// The samples of the tail that are not in the rows of `db`, as chunks; with the loss.
  static func chunks(
    ofRunIn path: String, _ db: Database
  ) throws -> (chunks: OpenChunks, loss: Loss) {
    var chunks = OpenChunks()
    guard let file = File(ofRunIn: path),
      let run = try Row.fetchOne(db, sql: "SELECT id, status FROM run NOT INDEXED")
    else { return (chunks, Loss()) }
    let id: String = try run.value("id")
    let status: String = try run.value("status")
    let isOver = [RunStatus.completed, .failed, .timeout, .interrupted].map(\.rawValue)
      .contains(status)
    var (words, unread, before) = messages(in: self.words(file).span, ofRun: id)
    guard !words.isEmpty else { return (chunks, Loss(bytes: isOver ? 0 : unread * 8)) }
    struct Series: Hashable {
      let stream: UInt16
      let kind: UInt8
      let bracket: UInt32
    }
    var saved: [Series: UInt64] = [:]
    // Other sessions may have another clock.
    let session = try EarlierTables.lastSession(db) ?? 1
    var newest: UInt64 = 0
    for row in try Row.fetchAll(
      db,
      sql: """
        SELECT stream, kind, bracket, max(last_ns) AS last, max(session) AS session
          FROM chunk NOT INDEXED GROUP BY 1, 2, 3
        """)
    {
      let last = UInt64(bitPattern: try row.value("last"))
      saved[
        Series(
          stream: try row.value("stream"), kind: try row.value("kind"),
          bracket: try row.value("bracket"))] = last
      let own: Int64 = try row.value("session")
      if own == session { newest = max(newest, last) }
    }
    var widths: [UInt64: Int] = [:]
    for layout in try Layout.all(db) {
      widths[UInt64(layout.stream) << 32 | UInt64(layout.epoch)] = layout.columns.count
    }
    var schemas: [UInt16: Int] = [:]
    for schema in try RecordSchema.all(db) {
      schemas[schema.stream] = schema.fields.count
    }
    forEachMessage(in: words.span) { header, body in
      let series = Series(
        stream: header.stream, kind: header.kind.rawValue, bracket: header.bracket)
      if let last = saved[series], header.end <= last { return }
      let width =
        header.kind == .records
        ? schemas[header.stream] : widths[UInt64(header.stream) << 32 | UInt64(header.epoch)]
      // The layout was not committed, or its log is missing.
      guard let width, header.kind == .records || body.isEmpty || body.count == width else {
        unread += 1 + FrameHeader.wordCount + body.count
        return
      }
      chunks.append(header, body, columns: width)
    }
    // If rows have all of it and the run has ended, only the removal of the file was lost:
    // unreadable bytes are in rows too.
    let isInRows = chunks.chunks.isEmpty
    return (
      chunks,
      Loss(
        bytes: isOver && isInRows ? 0 : unread * 8,
        lacksRows: !isOver && !isInRows && before > newest)
    )
  }

  /// Tables needed to determine the samples that are not in rows, and their session.
  static let tables = ["run", "session", "chunk", "layout", "record_schema"]

  /// Saves the tail's samples as rows; returns the loss. `letGo` must follow when the rows are
  /// flushed. The file's seal, if any, must match, and is updated.
  static func absorb(ofRunIn path: String, _ db: Database) throws -> Loss {
    if try db.tableExists(Seal.table) {
      try Seal.check(tables, db, path)
      try Seal.arm(db)
    }
    let (chunks, loss) = try chunks(ofRunIn: path, db)
    _ = try chunks.save(db, session: EarlierTables.lastSession(db))
    return loss
  }

  /// The name under which an unreadable tail is kept.
  private static func aside(ofRunIn path: String) -> String { self.path(of: path) + ".damaged" }

  /// After `absorb`: removes the tail, or keeps it under another name, which is returned, if bytes
  /// of it could not be read.
  @discardableResult
  static func letGo(ofRunIn path: String, _ loss: Loss) -> String? {
    guard loss.bytes > 0 else {
      remove(ofRunIn: path)
      return nil
    }
    let tail = self.path(of: path)
    let aside = self.aside(ofRunIn: path)
    // If there is an earlier copy, the tail is kept too.
    guard unsafe link(tail, aside) == 0 else { return tail }
    remove(ofRunIn: path)
    return aside
  }

  /// Saves the tail of an ended run as rows, and removes it once they are flushed. If it cannot be
  /// saved it is kept, and readers use it.
  static func settle(ofRunIn path: String, _ queue: DatabaseQueue) {
    guard let file = File(ofRunIn: path), !file.isHeld() else { return }
    do {
      var loss = Loss()
      try queue.writeThrough { db in loss = try absorb(ofRunIn: path, db) }
      // Samples in rows are not lost. If another tail is kept aside, this one may have been kept
      // for its unreadable bytes.
      guard loss.bytes > 0 || FileMark(self.aside(ofRunIn: path)) == nil else { return }
      letGo(ofRunIn: path, loss)
    } catch {
      return
    }
  }

  /// Removes the tail of the run in `path`, if there is one.
  static func remove(ofRunIn path: String) { _ = unsafe unlink(self.path(of: path)) }
}
