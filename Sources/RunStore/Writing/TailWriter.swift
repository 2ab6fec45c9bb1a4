import Foundation
import SampleModel

/// The writing end of a tail.
///
/// What it has taken stays in memory until it is in rows: chunks are built from it then, many
/// frames at a time.
final class TailWriter {
  /// Words of a batch; where a second has more there is enough for whole chunks, which go into
  /// rows at once.
  private static let batchWords = 32 << 10
  /// Negative where there can be no tail: everything goes into rows then.
  private let descriptor: Int32
  private let run: UInt64
  private var generation: UInt64 = 1
  /// The end of the newest acquisition that has been handed over, and of the newest one in rows.
  private var newest: UInt64 = 0
  private var saved: UInt64 = 0
  /// The batches of this generation as they are in the file, then one that is not there yet.
  private var words = [UInt64](repeating: 0, count: Tail.frontWords)
  /// Where that one begins.
  private var start = 0

  /// A new tail of the run `id` in `path`, which nobody else writes.
  init(ofRun id: String, in path: String) {
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
    words[front + 5] = saved
    let sum = Tail.checksum(ofBatch: words.span.extracting(front..<words.count))
    words[front + Tail.sumPlace] = sum
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
      Tail.forEachMessage(in: all.span.extracting(from..<place)) { header, values in
        // A batch of no records is in no row.
        if header.kind == .frame || values.count > 0 { newest = max(newest, header.end) }
        body(header, values)
      }
    }
    all.removeLast(all.count - Tail.frontWords)
    swap(&all, &words)
    if start > 0 { generation += 1 }
    start = 0
  }

  /// What was taken is in rows.
  func settle() {
    isSettled = true
    saved = newest
  }

  /// The run is over: lets the file go. Gives whether rows hold all that it does.
  func finish() -> Bool {
    if descriptor >= 0 { flock(descriptor, LOCK_UN) }
    return isSettled
  }
}
