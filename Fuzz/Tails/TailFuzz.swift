// Linked with the command's own modules by Scripts/fuzz.
import Foundation
import SampleModel
@testable import RunStore

private let folder = String(cString: getenv("LBSAMPLE_FUZZ_FOLDER"))
private func contents(_ suffix: String) -> Data? {
  FileManager.default.contents(atPath: "\(folder)/killed.lbsample\(suffix)")
}
private let parts = ["", "-wal", "-tail"].map { ($0, contents($0)) }

/// The first byte picks a width of rows, the second the file that is changed; what follows are the
/// words of messages, and bytes behind their places for the file. Messages of a tail are taken into
/// chunks that decode to as many rows; the file is read, or what is wrong with it is told.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  guard count > 6 else { return 0 }
  let changes = Array(UnsafeBufferPointer(start: data + 2, count: count - 2))
  takeMessages(changes, width: Int(data[0] % 9))
  let path = "\(folder)/changed-\(getpid()).lbsample"
  for suffix in ["", "-tail", "-wal", "-shm", "-tail.damaged"] { unlink(path + suffix) }
  let changed = ["-tail", "-tail", "-tail", "-wal"][Int(data[1] & 3)]
  for (suffix, whole) in parts {
    guard let whole else { continue }
    var bytes = [UInt8](whole)
    if suffix == changed, !bytes.isEmpty {
      for start in stride(from: 0, to: changes.count - 3, by: 4) {
        let place = changes[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
        bytes[place % bytes.count] = changes[start + 3]
      }
      if data[1] & 4 == 4 { bytes.removeLast(bytes.count / 32 * Int(data[1] >> 3)) }
    }
    guard FileManager.default.createFile(atPath: path + suffix, contents: Data(bytes)) else {
      abort()
    }
  }
  do throws(LBError) {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    _ = try reader.finishIfAbandoned()
    _ = try reader.damageOfTail()
    _ = try reader.frameCount()
  } catch {
    precondition(error.message.contains(path), "\(error)")
  }
  return 0
}

private func takeMessages(_ bytes: [UInt8], width: Int) {
  let words = stride(from: 0, to: bytes.count - 7, by: 8).map { start in
    (0..<8).reduce(0 as UInt64) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
  }
  var chunks = OpenChunks()
  Tail.forEachMessage(in: words.span) { header, body in
    guard header.kind == .records || body.isEmpty || body.count == width else { return }
    chunks.append(header, body, columns: width)
  }
  for builder in chunks.chunks {
    do throws(Chunk.Malformed) {
      let chunk = try Chunk(
        decoding: builder.encoded(), stream: builder.stream, epoch: builder.epoch,
        bracket: builder.bracket)
      precondition(chunk.rowCount == builder.rowCount, "rows are lost")
    } catch {
      preconditionFailure("a chunk does not decode: \(error.reason)")
    }
  }
}
