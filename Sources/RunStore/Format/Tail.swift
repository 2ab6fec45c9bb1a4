import Foundation
import GRDB
import SampleModel

/// What has been sampled since the open chunks were last saved, in a file beside the run's.
///
/// A second's samples only have to outlive this process. As rows they cost a statement and some
/// pages for each stream; here they cost one write. What a row holds by now is skipped by whoever
/// reads the tail.
///
/// The file is a sequence of batches: six words (the letters `LBT2`, the run's, the generation, the
/// number of words behind, the checksum of all of these, the end of the newest acquisition that
/// rows held when the generation began), then messages, each a number of words followed by a frame
/// header and its values. Batches of one generation stand one behind the other from the file's
/// start, and behind the last one an empty one, which tells that there is no more: what stands
/// behind that was left by an earlier generation. (Those of `LBT1`, which earlier versions wrote,
/// have no empty one, no sixth word, and a checksum of the messages only.)
///
/// After a power failure the file may hold a generation whose predecessor is neither here nor in a
/// row: the sixth word tells.
///
/// A writer holds a lock on the file (flock(2)), which ends with its process, also where that has
/// another number for whoever looks.
enum Tail {
  static let magic: UInt64 = 0x3254_424C  // "LBT2"
  private static let firstMagic: UInt64 = 0x3154_424C  // "LBT1"
  static let frontWords = 6
  private static let firstFrontWords = 5
  /// Where in a front the checksum stands.
  static let sumPlace = 4
  /// Words after which everything is saved in rows, and the file written from its start again.
  static let generationWords = 128 << 10

  /// Where the tail of the run in `path` is.
  static func path(of path: String) -> String { path + "-tail" }

  /// The word of a run in each batch (FNV-1a of its id).
  static func word(ofRun id: String) -> UInt64 {
    id.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// A sum of words that tells a torn or damaged batch from a whole one: of all of it but the word
  /// in front where the sum stands.
  static func checksum(ofBatch words: Span<UInt64>) -> UInt64 {
    let isFirst = words[0] == firstMagic
    var sum: UInt64 = 0x9E37_79B9_7F4A_7C15
    for index in words.indices
    where isFirst ? index >= firstFrontWords : index != sumPlace {
      sum = (sum ^ words[index]) &* 0xFF51_AFD7_ED55_8CCD
      sum ^= sum >> 32
    }
    return sum
  }

  /// What stands in front of a batch's messages.
  private struct Front {
    let generation: UInt64
    /// Words of the messages.
    let length: UInt64
    /// The end of the newest acquisition that was in rows when the generation began.
    let saved: UInt64
    let sum: UInt64
    /// Where it stands, and where the messages begin.
    let place: Int
    let body: Int
    /// Whether an empty batch has to stand behind the last one.
    let hasEnd: Bool

    /// The one at `place`, of the run with this word; nil where there is none.
    init?(_ words: Span<UInt64>, at place: Int, ofRun run: UInt64) {
      guard place + Tail.firstFrontWords <= words.count,
        [Tail.magic, Tail.firstMagic].contains(words[place]), words[place + 1] == run
      else { return nil }
      hasEnd = words[place] == Tail.magic
      body = place + (hasEnd ? Tail.frontWords : Tail.firstFrontWords)
      guard body <= words.count else { return nil }
      self.place = place
      generation = words[place + 2]
      length = words[place + 3]
      sum = words[place + Tail.sumPlace]
      saved = hasEnd ? words[place + 5] : 0
    }
  }

  /// What of the last samples is lost.
  struct Loss {
    /// Bytes of the tail that cannot be read: damaged, or of a layout that is in no row.
    var bytes = 0
    /// Whether samples in front of those of the tail were in rows that are not there.
    var lacksRows = false
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

  /// A tail that is there, open for reading.
  struct File: ~Copyable {
    fileprivate let descriptor: Int32

    /// The tail of the run in `path`; nil where there is none that is a plain file.
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

    /// Whether a writer holds it. If not, nobody else takes it as long as this value lives.
    func isHeld() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK }
  }

  /// The messages of the newest generation in the file that are whole; how many words of it are
  /// not: damaged ones, wherever they stand, or a last batch that was not written to its end; and
  /// the end of the newest acquisition that was in rows when it began.
  static func messages(
    in words: Span<UInt64>, ofRun id: String
  ) -> (words: [UInt64], unread: Int, saved: UInt64) {
    let run = word(ofRun: id)
    var batches: [(front: Front, body: Range<Int>)] = []
    var place = 0
    while place < words.count {
      guard let front = Front(words, at: place, ofRun: run),
        front.length <= UInt64(words.count - front.body)
      else {
        place += 1
        continue
      }
      let body = front.body..<front.body + Int(front.length)
      guard checksum(ofBatch: words.extracting(place..<body.upperBound)) == front.sum else {
        place += 1
        continue
      }
      batches.append((front, body))
      place = body.upperBound
    }
    let newest = batches.map(\.front.generation).max() ?? 1
    var found: [UInt64] = []
    var (end, unread, saved) = (0, 0, 0 as UInt64)
    var isEnded = false
    for batch in batches where batch.front.generation == newest {
      unread += batch.front.place - end
      for index in batch.body { found.append(words[index]) }
      end = batch.body.upperBound
      saved = batch.front.saved
      isEnded = batch.body.isEmpty || !batch.front.hasEnd
    }
    // Behind the last one there may be anything of earlier generations, but not of the first.
    if newest == 1 {
      unread += words.count - end
    } else if let front = Front(words, at: end, ofRun: run), front.generation == newest {
      unread += min(words.count - end, frontWords + Int(min(front.length, UInt64(generationWords))))
    }
    // What ends it is missing: it was cut off there, or that is damaged too.
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

  /// What the tail holds and the rows of `db` do not, as chunks; with what is lost.
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
    // Other sessions may have had another clock.
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
      // A layout that was not committed any more, or whose log is gone.
      guard let width, header.kind == .records || body.isEmpty || body.count == width else {
        unread += 1 + FrameHeader.wordCount + body.count
        return
      }
      chunks.append(header, body, columns: width)
    }
    // Where rows hold all of it, and the run has come to its end, only the removal of the file was
    // lost: what cannot be read of it any more is in rows too.
    let isInRows = chunks.chunks.isEmpty
    return (
      chunks,
      Loss(
        bytes: isOver && isInRows ? 0 : unread * 8,
        lacksRows: !isOver && !isInRows && before > newest)
    )
  }

  /// Tables from which it is told what of the tail stands in no row, and of which session it is.
  static let tables = ["run", "session", "chunk", "layout", "record_schema"]

  /// Saves what the tail holds as rows; gives what is lost. `letGo` follows when that is on the
  /// disk. The seal of the file, where it has one, must be right, and follows.
  static func absorb(ofRunIn path: String, _ db: Database) throws -> Loss {
    if try db.tableExists(Seal.table) {
      try Seal.check(tables, db, path)
      try Seal.arm(db)
    }
    let (chunks, loss) = try chunks(ofRunIn: path, db)
    _ = try chunks.save(db, session: EarlierTables.lastSession(db))
    return loss
  }

  /// The name under which a tail is kept of which something could not be read.
  private static func aside(ofRunIn path: String) -> String { self.path(of: path) + ".damaged" }

  /// The tail has been absorbed: removes it, or where bytes of it could not be read keeps it under
  /// another name, which is given.
  @discardableResult
  static func letGo(ofRunIn path: String, _ loss: Loss) -> String? {
    guard loss.bytes > 0 else {
      remove(ofRunIn: path)
      return nil
    }
    let tail = self.path(of: path)
    let aside = self.aside(ofRunIn: path)
    // An earlier one stays: the tail does too then.
    guard unsafe link(tail, aside) == 0 else { return tail }
    remove(ofRunIn: path)
    return aside
  }

  /// Puts what the tail still holds of an ended run into its rows, and removes it once they are on
  /// the disk. What cannot be saved stays where it is: every reader sees it there.
  static func settle(ofRunIn path: String, _ queue: DatabaseQueue) {
    guard let file = File(ofRunIn: path), !file.isHeld() else { return }
    do {
      var loss = Loss()
      try queue.writeThrough { db in loss = try absorb(ofRunIn: path, db) }
      // What is in rows is no loss any more: where another one is kept aside, this one may have
      // stayed for what could not be read of it.
      guard loss.bytes > 0 || FileMark(self.aside(ofRunIn: path)) == nil else { return }
      letGo(ofRunIn: path, loss)
    } catch {
      return
    }
  }

  /// Removes the tail of the run in `path`, if there is one.
  static func remove(ofRunIn path: String) { _ = unsafe unlink(self.path(of: path)) }
}
