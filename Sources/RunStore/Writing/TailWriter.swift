import Foundation
import SampleModel

/// Writes a tail.
///
/// The samples also stay in memory until they are in rows: chunks are built from them, many frames
/// at a time.
final class TailWriter {
  /// The most words of a batch; a second with more samples fills whole chunks, which are written as
  /// rows immediately.
  private static let batchWords = 32 << 10
  /// Negative without a tail: everything is written as rows then.
  private let descriptor: Int32
  private let run: UInt64
  private var generation: UInt64 = 1
  /// The end of the newest acquisition handed over, and of the newest one in rows.
  private var newest: UInt64 = 0
  private var saved: UInt64 = 0
  /// The batches of this generation in the file, then the one being built.
  private var words = [UInt64](repeating: 0, count: Tail.frontWords)
  /// The index of the batch being built.
  private var start = 0

  /// A new tail of the run `id` in `path`, with this process as its only writer.
  init(ofRun id: String, in path: String) {
    run = Tail.word(ofRun: id)
    // An existing file is of a removed run.
    Tail.remove(ofRunIn: path)
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    descriptor = unsafe open(Tail.path(of: path), flags, RunWriter.mode)
    if descriptor >= 0 { flock(descriptor, LOCK_EX | LOCK_NB) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Whether rows have all samples of the file.
  private(set) var isSettled = true
  /// Whether the batch being built has messages.
  var hasPending: Bool { words.count > start + Tail.frontWords }

  /// Adds a frame or a batch of records; false if there is no room.
  func append(_ header: FrameHeader, _ body: Span<UInt64>) -> Bool {
    let length = FrameHeader.wordCount + body.count
    guard words.count - start + length < Self.batchWords,
      words.count + length < Tail.generationWords
    else { return false }
    var front: [7 of UInt64] = .init(repeating: UInt64(length))
    var span = front.mutableSpan
    var headerWords = span._mutatingExtracting(1..<1 + FrameHeader.wordCount)
    header.encode(into: &headerWords)
    // Safe: the buffers are read while their spans live.
    unsafe front.span.withUnsafeBufferPointer { unsafe words.append(contentsOf: $0) }
    unsafe body.withUnsafeBufferPointer { unsafe words.append(contentsOf: $0) }
    return true
  }

  /// Writes the batch and returns its bytes; nil on failure: rows are saved then, whose error names
  /// the cause.
  func write() -> Int? {
    // A removed tail cannot be found by readers: rows are written then.
    var facts = stat()
    guard descriptor >= 0, unsafe fstat(descriptor, &facts) == 0, facts.st_nlink > 0 else {
      return nil
    }
    complete(from: start)
    // The next batch replaces the empty one.
    let next = words.count
    words.append(contentsOf: repeatElement(0, count: Tail.frontWords))
    complete(from: next)
    let (bytes, offset, descriptor) = ((words.count - start) * 8, start * 8, descriptor)
    let written = unsafe words.withUnsafeBytes {
      unsafe pwrite(descriptor, $0.baseAddress?.advanced(by: offset), bytes, off_t(offset))
    }
    guard written == bytes else {
      words.removeLast(Tail.frontWords)
      return nil
    }
    isSettled = false
    start = next
    return bytes
  }

  /// Fills in the header of the batch from `front` to the end.
  private func complete(from front: Int) {
    words[front] = Tail.magic
    words[front + 1] = run
    words[front + 2] = generation
    words[front + 3] = UInt64(words.count - front - Tail.frontWords)
    words[front + 5] = saved
    let sum = Tail.checksum(ofBatch: words.span.extracting(front..<words.count))
    words[front + Tail.sumOffset] = sum
  }

  /// Hands over all messages in order, and begins a new generation.
  func take(_ body: (FrameHeader, Span<UInt64>) -> Void) {
    words[start + 3] = UInt64(words.count - start - Tail.frontWords)
    // Moved out of the property, to avoid overlapping accesses by `body`, and without a second
    // reference, so that the memory is reused by each generation.
    var all: [UInt64] = []
    swap(&all, &words)
    var offset = 0
    while offset + Tail.frontWords <= all.count {
      let from = offset + Tail.frontWords
      offset = from + Int(all[offset + 3])
      Tail.forEachMessage(in: all.span.extracting(from..<offset)) { header, values in
        // An empty batch of records is not in rows.
        if header.kind == .frame || values.count > 0 { newest = max(newest, header.end) }
        body(header, values)
      }
    }
    all.removeLast(all.count - Tail.frontWords)
    swap(&all, &words)
    if start > 0 { generation += 1 }
    start = 0
  }

  /// The messages handed over are in rows.
  func settle() {
    isSettled = true
    saved = newest
  }

  /// Ends the tail of an ended run. Returns whether rows have all of its samples.
  func finish() -> Bool {
    if descriptor >= 0 { flock(descriptor, LOCK_UN) }
    return isSettled
  }
}
