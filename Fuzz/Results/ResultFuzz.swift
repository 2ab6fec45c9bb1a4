// Linked with the command's own modules by Scripts/fuzz.
import Foundation
import GRDB
import Output
import RunStore
import SampleModel

/// Takes everything that a file has.
private final class Nowhere: SampleSink {
  let bytesWritten: UInt64 = 0
  private var sum: UInt64 = 0

  func begin(_ meta: StreamMeta) throws(LBError) {}
  func layout(_ layout: Layout) throws(LBError) {}
  func frame(_ header: FrameHeader, _ values: Span<UInt64>) throws(LBError) {
    for index in values.indices { sum &+= values[index] }
  }
  func records(_ header: FrameHeader, _ rows: Span<UInt64>) throws(LBError) {
    for index in rows.indices { sum &+= rows[index] }
  }
  func event(_ event: SampleEvent) throws(LBError) {}
  func commit(watermark: UInt64) throws(LBError) {}
}

private let folder = String(cString: getenv("LBSAMPLE_FUZZ_FOLDER"))
private let original = [UInt8](
  FileManager.default.contents(atPath: folder + "/run.lbsample") ?? Data())
private let values = [
  "-1", "0", "1", "4294967296", "9223372036854775807", "-9223372036854775808", "0.5", "1e30",
  "9e999", "NULL", "''", "'x'", "'[1'", "'{}'", "'../x'", "char(27)", "x'00ff'",
  "cast(x'fffe' AS TEXT)", "printf('%.*c', 70000, 'x')", "'completed'", "'running'",
]
/// Every column of every table.
private let columns: [(table: String, column: String)] = {
  do {
    return try DatabaseQueue(path: folder + "/run.lbsample").read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c
          WHERE m.type = 'table' ORDER BY 1, c.cid
          """
      ).map { (table: $0["t"] as String, column: $0["c"] as String) }
    }
  } catch {
    preconditionFailure("\(folder)/run.lbsample: \(error)")
  }
}()

/// The first byte says how a result file is changed: by the SQL that three bytes each pick, or by
/// bytes behind their places. It is read, or what is wrong with it is told.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  guard count > 4 else { return 0 }
  let changes = Array(UnsafeBufferPointer(start: data + 1, count: count - 1))
  let path = "\(folder)/changed-\(getpid()).lbsample"
  var bytes = original
  let isSQL = data[0] & 1 == 1
  if !isSQL {
    for start in stride(from: 0, to: changes.count - 3, by: 4) {
      let place = changes[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
      bytes[place % bytes.count] = changes[start + 3]
    }
    if data[0] & 2 == 2 { bytes.removeLast(bytes.count / 256 * Int(data[0] >> 2)) }
  }
  for suffix in ["", "-tail", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
  guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else { abort() }
  if isSQL {
    var settings = GRDB.Configuration()
    settings.foreignKeysEnabled = false
    do {
      let queue = try DatabaseQueue(path: path, configuration: settings)
      for start in stride(from: 0, to: changes.count - 2, by: 3) {
        let (table, column) = columns[
          (Int(changes[start]) << 8 | Int(changes[start + 1])) % columns.count]
        let value = values[Int(changes[start + 2]) % values.count]
        try queue.write { db in
          try db.execute(sql: "UPDATE \"\(table)\" SET \"\(column)\" = \(value)")
        }
      }
      try queue.close()
      // Readers get to the values: the checksums are right again.
      try Seal.renew(inFile: path)
    } catch {
      // SQLite refuses it: the file is read as it is.
    }
  }
  do throws(LBError) {
    let reader = try RunReader(path: path)
    defer { reader.close() }
    let result = try reader.result()
    precondition(!RunReport.text(result, all: true).isEmpty)
    _ = try reader.frameCount()
    _ = try RunReplay(reader).play(into: Nowhere())
    try RunReplay(reader).play(
      into: CSVSink(
        reader: StreamReader(raw: false), writer: { _ throws(LBError) in }, notice: { _ in }))
  } catch {
    precondition(error.message.contains(path), "\(error)")
  }
  return 0
}
