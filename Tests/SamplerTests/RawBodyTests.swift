import Glibc
import LinuxSystem
import Sampler
import TestSupport
import Testing

/// What of a file comes into the ring, however the kernel hands it out.
@Suite struct RawBodyTests {
  private func read(_ path: String, _ delivery: RawBody.Delivery) throws -> (
    bytes: [UInt8], failure: Int32, calls: UInt64
  ) {
    let file = try OwnedDescriptor(open: path, O_RDONLY)
    let (words, calls) = RawBody.collect(atLeast: 0) { $0.text(file.number, delivery) }
    var parts = RawParts()
    guard let part = parts.next(of: words.span) else { return ([], -1, calls) }
    let bytes = words.span.withBytes(of: part) { span in span.indices.map { span[$0] } }
    let hasMore = parts.next(of: words.span) != nil
    #expect(!hasMore)
    return (bytes, part.failure, calls)
  }

  /// A seq_file of many pages comes in pieces of at most one page, whatever room there is.
  @Test func aTableOfManyPagesIsReadToItsEnd() throws {
    let pieces = try read("/proc/kallsyms", .pieces)
    #expect(pieces.failure == 0 && pieces.bytes.last == UInt8(ascii: "\n"))
    #expect(pieces.bytes.count > 100_000)
    #expect(pieces.calls > UInt64(pieces.bytes.count) / 8192, "in pieces indeed")
    let records = try read("/proc/kallsyms", .shortRecords)
    #expect(records.bytes == pieces.bytes && records.calls == pieces.calls)
    // One read is what `whole` makes: it is for files that come whole.
    let whole = try read("/proc/kallsyms", .whole)
    #expect(whole.calls == 1 && whole.bytes.count < pieces.bytes.count)
    #expect(pieces.bytes.starts(with: whole.bytes))
  }

  /// A table whose first page is not half full is whole with it: the second read is saved.
  @Test func aShortTableTakesOneRead() throws {
    let records = try read("/proc/net/sockstat", .shortRecords)
    #expect(records.calls == 1 && records.bytes.count < RawBody.shortReadLimit)
    let pieces = try read("/proc/net/sockstat", .pieces)
    #expect(pieces.calls == 2 && pieces.bytes.count > 0)
  }

  /// The files of /proc/sys refuse to be asked for 4 MiB, and take longer the more they are asked
  /// for.
  @Test(arguments: [RawBody.Delivery.whole, .shortRecords, .pieces])
  func aSettingIsReadIntoAnyRoom(_ delivery: RawBody.Delivery) throws {
    let file = try OwnedDescriptor(open: "/proc/sys/fs/file-nr", O_RDONLY)
    let (words, _) = RawBody.collect(atLeast: 1 << 20) { $0.text(file.number, delivery) }
    var parts = RawParts()
    let part = parts.next(of: words.span)
    #expect(part?.failure == 0 && (part?.bytes ?? 0) > 4)
  }

  /// A whole file of any size takes one read, where there is room.
  @Test(arguments: [0, 1, 7, 8, 9, 4096, 100_000])
  func aFileOfAnySizeIsWhole(size: Int) throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "x", count: size)
    let path = try folder.write("file", text)
    for delivery in [RawBody.Delivery.whole, .shortRecords, .pieces] {
      #expect(try read(path, delivery).bytes == Array(text.utf8))
    }
  }

  /// What does not fit is cut, and says so; what fits to the last byte may have been cut.
  @Test func aFullRoomIsCut() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("file", String(repeating: "y", count: 64))
    let file = try OwnedDescriptor(open: path, O_RDONLY)
    for (capacity, isCut) in [(0, true), (2, true), (9, true), (10, true), (11, false)] {
      var memory = [UInt64](repeating: 0, count: 64)
      let cut = unsafe memory.withUnsafeMutableBufferPointer { words in
        guard let start = words.baseAddress else { return false }
        var body = unsafe RawBody(start, capacity: capacity)
        body.text(file.number, .pieces)
        #expect(body.count <= capacity)
        return body.isCut
      }
      #expect(cut == isCut, "\(capacity) words for 64 bytes")
      #expect(memory[capacity...].allSatisfy { $0 == 0 }, "nothing is written behind the room")
    }
  }

  @Test func aFailureIsKeptWithItsErrno() throws {
    // A directory opens and does not read.
    let (bytes, failure, calls) = try read("/proc/self", .pieces)
    #expect(bytes.isEmpty && failure == EISDIR && calls == 1)
    let (words, _) = RawBody.collect(atLeast: 0) { body in
      body.number(0, failure: EACCES)
      body.number(42)
    }
    var parts = RawParts()
    let denied = parts.next(of: words.span)
    let number = parts.next(of: words.span)
    let isOver = parts.next(of: words.span) == nil
    #expect(denied?.failure == EACCES && number?.failure == 0 && isOver)
    #expect(number.map { words[$0.start] } == 42)
  }

  /// A part that claims more bytes than there are is none.
  @Test func aDamagedBodyEndsItsParts() {
    for words in [[9], [8, 1], [17, 1, 2], [UInt64.max, 0]] as [[UInt64]] {
      var parts = RawParts()
      let isNone = parts.next(of: words.span) == nil
      #expect(isNone)
    }
  }
}
