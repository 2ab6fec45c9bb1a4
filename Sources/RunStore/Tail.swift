import Foundation
import GRDB
import SampleModel

/// What has been sampled since the open chunks were last saved, in a file beside the run's.
///
/// A second's samples only have to outlive this process. As rows they cost a statement and some
/// pages for each stream; here they cost one write. What a row holds by now is skipped by whoever
/// reads the tail.
///
/// The file is a sequence of batches: five words (the letters `LBT2`, the run's, the generation,
/// the number of words behind, the checksum of all of these), then messages, each a number of words
/// followed by a frame header and its values. Batches of one generation stand one behind the other
/// from the file's start, and behind the last one an empty one, which tells that there is no more:
/// what stands behind that was left by an earlier generation. (Those of `LBT1` have no empty one,
/// and a checksum of the messages only.)
///
/// A writer holds a lock on the file (flock(2)), which ends with its process, also where that has
/// another number for whoever looks.
enum Tail {
  static let magic: UInt64 = 0x3254_424C  // "LBT2"
  private static let firstMagic: UInt64 = 0x3154_424C  // "LBT1"
  static let frontWords = 5
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
    for index in words.indices where index >= frontWords || !isFirst && index < frontWords - 1 {
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

  /// The messages of the newest generation in the file that are whole, and how many words of it are
  /// not: damaged ones, wherever they stand, or a last batch that was not written to its end.
  static func messages(
    in words: Span<UInt64>, ofRun id: String
  ) -> (words: [UInt64], unread: Int) {
    let word = word(ofRun: id)
    /// The generation and the length of what looks like a batch.
    func front(_ place: Int) -> (generation: UInt64, length: UInt64)? {
      guard place + frontWords <= words.count, [magic, firstMagic].contains(words[place]),
        words[place + 1] == word
      else { return nil }
      return (words[place + 2], words[place + 3])
    }
    var batches: [(generation: UInt64, front: Int, body: Range<Int>)] = []
    var place = 0
    while place < words.count {
      guard let (generation, length) = front(place),
        length <= UInt64(words.count - place - frontWords)
      else {
        place += 1
        continue
      }
      let body = place + frontWords..<place + frontWords + Int(length)
      guard checksum(ofBatch: words.extracting(place..<body.upperBound)) == words[place + 4] else {
        place += 1
        continue
      }
      batches.append((generation, place, body))
      place = body.upperBound
    }
    let newest = batches.map(\.generation).max() ?? 1
    var found: [UInt64] = []
    var (end, unread) = (0, 0)
    var isEnded = false
    for batch in batches where batch.generation == newest {
      unread += batch.front - end
      for index in batch.body { found.append(words[index]) }
      end = batch.body.upperBound
      isEnded = batch.body.isEmpty || words[batch.front] == firstMagic
    }
    // Behind the last one there may be anything of earlier generations, but not of the first.
    if newest == 1 {
      unread += words.count - end
    } else if let (generation, length) = front(end), generation == newest {
      unread += min(words.count - end, frontWords + Int(min(length, UInt64(generationWords))))
    }
    // What ends it is missing: it was cut off there, or that is damaged too.
    if unread == 0, !isEnded, !words.isEmpty { unread = frontWords }
    return (found, unread)
  }

  private static func words(_ file: borrowing File) -> [UInt64] {
    let room = 2 * generationWords
    let descriptor = file.descriptor
    return unsafe [UInt64](unsafeUninitializedCapacity: room) { buffer, initialized in
      let read = unsafe pread(descriptor, buffer.baseAddress, room * 8, 0)
      initialized = max(0, read) / 8
    }
  }

  /// What the tail holds and the rows of `db` do not, as chunks; with the bytes in it that cannot
  /// be read: damaged, or of a layout that is in no row.
  static func chunks(
    ofRunIn path: String, _ db: Database
  ) throws -> (chunks: OpenChunks, unreadBytes: Int) {
    var chunks = OpenChunks()
    guard let file = File(ofRunIn: path),
      let id = try String.fetchOne(db, sql: "SELECT id FROM run NOT INDEXED")
    else { return (chunks, 0) }
    var (words, unread) = messages(in: self.words(file).span, ofRun: id)
    guard !words.isEmpty else { return (chunks, unread * 8) }
    struct Series: Hashable {
      let stream: UInt16
      let kind: UInt8
      let bracket: UInt32
    }
    var saved: [Series: UInt64] = [:]
    for row in try Row.fetchAll(
      db,
      sql: """
        SELECT stream, kind, bracket, max(last_ns) AS last FROM chunk NOT INDEXED GROUP BY 1, 2, 3
        """)
    {
      saved[
        Series(
          stream: try row.value("stream"), kind: try row.value("kind"),
          bracket: try row.value("bracket"))] =
        UInt64(bitPattern: try row.value("last"))
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
    return (chunks, unread * 8)
  }

  /// Tables from which it is told what of the tail stands in no row, and of which session it is.
  static let tables = ["run", "session", "chunk", "layout", "record_schema"]

  /// Saves what the tail holds as rows; gives the bytes that cannot be read. `letGo` follows when
  /// that has been committed. The seal of the file, where it has one, must be right, and follows.
  static func absorb(ofRunIn path: String, _ db: Database) throws -> Int {
    if try db.tableExists(Seal.table) {
      try Seal.check(tables, db, path)
      try Seal.arm(db)
    }
    let (chunks, unread) = try chunks(ofRunIn: path, db)
    _ = try chunks.save(db, session: EarlierTables.lastSession(db))
    return unread
  }

  /// The tail has been absorbed: removes it, or where `unreadBytes` of it could not be read keeps
  /// it under another name, which is given.
  @discardableResult
  static func letGo(ofRunIn path: String, unreadBytes: Int) -> String? {
    guard unreadBytes > 0 else {
      remove(ofRunIn: path)
      return nil
    }
    let tail = self.path(of: path)
    let aside = tail + ".damaged"
    // An earlier one stays: the tail does too then.
    guard unsafe link(tail, aside) == 0 else { return tail }
    remove(ofRunIn: path)
    return aside
  }

  /// Puts what the tail still holds of an ended run into its rows, and removes it. What cannot be
  /// saved stays where it is: every reader sees it there.
  static func settle(ofRunIn path: String, _ queue: DatabaseQueue) {
    guard let file = File(ofRunIn: path), !file.isHeld() else { return }
    do {
      let unread = try queue.write { db in try absorb(ofRunIn: path, db) }
      letGo(ofRunIn: path, unreadBytes: unread)
    } catch {
      return
    }
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
  private let path: String
  /// Negative where there can be no tail: everything goes into rows then.
  private let descriptor: Int32
  private let run: UInt64
  private var generation: UInt64 = 1
  /// The batches of this generation as they are in the file, then one that is not there yet.
  private var words = [UInt64](repeating: 0, count: Tail.frontWords)
  /// Where that one begins.
  private var start = 0

  /// A new tail of the run `id` in `path`, which nobody else writes.
  init(ofRun id: String, in path: String) {
    self.path = path
    run = Tail.word(ofRun: id)
    // Whatever stands there is of a run that is gone.
    Tail.remove(ofRunIn: path)
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    descriptor = unsafe open(Tail.path(of: path), flags, RunWriter.mode)
    if descriptor >= 0 { flock(descriptor, LOCK_EX | LOCK_NB) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Whether the file holds nothing that no row does.
  private(set) var isSettled = true
  /// Whether anything waits to be written.
  var hasPending: Bool { words.count > start + Tail.frontWords }

  /// Adds a frame or a batch of records; false when there is no room for it.
  func append(_ header: FrameHeader, _ body: Span<UInt64>) -> Bool {
    let length = FrameHeader.wordCount + body.count
    guard words.count - start + length < Self.batchWords,
      words.count + length < Tail.generationWords
    else { return false }
    var front: [7 of UInt64] = .init(repeating: UInt64(length))
    var span = front.mutableSpan
    var behind = span._mutatingExtracting(1..<1 + FrameHeader.wordCount)
    header.encode(into: &behind)
    // Safe: the buffers are read while their spans live.
    unsafe front.span.withUnsafeBufferPointer { unsafe words.append(contentsOf: $0) }
    unsafe body.withUnsafeBufferPointer { unsafe words.append(contentsOf: $0) }
    return true
  }

  /// Writes what waits and gives its bytes; nil when it could not be. The rows are saved then,
  /// whose error says why.
  func write() -> Int? {
    // One that has lost its name is nobody's: rows are written then.
    var facts = stat()
    guard descriptor >= 0, unsafe fstat(descriptor, &facts) == 0, facts.st_nlink > 0 else {
      return nil
    }
    complete(from: start)
    // The next batch takes the place of the empty one.
    let next = words.count
    words.append(contentsOf: repeatElement(0, count: Tail.frontWords))
    complete(from: next)
    let (bytes, place, descriptor) = ((words.count - start) * 8, start * 8, descriptor)
    let written = unsafe words.withUnsafeBytes {
      unsafe pwrite(descriptor, $0.baseAddress?.advanced(by: place), bytes, off_t(place))
    }
    guard written == bytes else {
      words.removeLast(Tail.frontWords)
      return nil
    }
    isSettled = false
    start = next
    return bytes
  }

  /// Fills in the front of the batch that begins at `front` and goes to the end.
  private func complete(from front: Int) {
    words[front] = Tail.magic
    words[front + 1] = run
    words[front + 2] = generation
    words[front + 3] = UInt64(words.count - front - Tail.frontWords)
    words[front + 4] = Tail.checksum(ofBatch: words.span.extracting(front..<words.count))
  }

  /// Hands over everything that it holds, in order, and begins a new generation.
  func take(_ body: (FrameHeader, Span<UInt64>) -> Void) {
    words[start + 3] = UInt64(words.count - start - Tail.frontWords)
    // Out of the property, so that `body` meets no access of it, and without a second reference,
    // which would have the room given up and grown anew for each generation.
    var all: [UInt64] = []
    swap(&all, &words)
    var place = 0
    while place + Tail.frontWords <= all.count {
      let from = place + Tail.frontWords
      place = from + Int(all[place + 3])
      Tail.forEachMessage(in: all.span.extracting(from..<place), body)
    }
    all.removeLast(all.count - Tail.frontWords)
    swap(&all, &words)
    if start > 0 { generation += 1 }
    start = 0
  }

  /// What was taken is in rows.
  func settle() { isSettled = true }

  /// The run is over: lets the file go, and removes it unless it holds what no row does.
  func finish() {
    if descriptor >= 0 { flock(descriptor, LOCK_UN) }
    if isSettled { Tail.remove(ofRunIn: path) }
  }
}
