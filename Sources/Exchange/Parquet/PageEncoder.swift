import LinuxSystem
import RunStore
import SampleModel

/// Makes pages: levels and values, compressed, behind a header.
final class PageEncoder {
  private let layout: ParquetLayout
  private let compressor: ZstdCompressor?
  private var body: [UInt8] = []

  init(_ layout: ParquetLayout) {
    self.layout = layout
    compressor = layout.isCompressed ? ZstdCompressor() : nil
  }

  /// parquet.thrift, `CompressionCodec`.
  var codec: Int { compressor == nil ? 0 : 6 }

  /// A page's bytes with its header, and the bytes that it would have uncompressed.
  struct Page {
    var bytes: [UInt8]
    var uncompressed: Int
    var encoding: ParquetEncoding
  }

  /// fastparquet 2026.9 reads wider differences wrongly, and says nothing.
  private static let widestDelta = 28

  /// A page of numbers; `levels` has 1 for each row with a value and 0 for each without, nil if the
  /// column is not optional.
  func page(
    _ values: Span<UInt64>, rows: Int, levels: RunLengths?, _ kind: ParquetColumn.Kind
  ) throws(LBError) -> Page {
    begin(levels)
    if kind == .flag {
      packBits(values)
      return try finish(rows, .plain)
    }
    let front = body.count
    if kind != .real, !layout.isCompatible {
      if DeltaBinaryPacked.append(values, to: &body) <= Self.widestDelta {
        return try finish(rows, .delta)
      }
      body.removeLast(body.count - front)
    }
    appendWords(values)
    return try finish(rows, .plain)
  }

  /// A page of indices into the column's dictionary.
  func page(indices: RunLengths, entries: Int, rows: Int, levels: RunLengths?) throws(LBError)
    -> Page
  {
    begin(levels)
    // At least one bit: a width of 0 is legal, and was often read wrongly.
    let width = max(1, 64 - UInt64(max(0, entries - 1)).leadingZeroBitCount)
    body.append(UInt8(width))
    indices.write(width: width, to: &body)
    return try finish(rows, .dictionary)
  }

  /// A page of texts as they are.
  func page(texts: RunLengths, _ entries: [[UInt8]], rows: Int, levels: RunLengths?) throws(LBError)
    -> Page
  {
    begin(levels)
    for run in texts.runs {
      for _ in 0..<run.count { appendText(entries[Int(run.value)]) }
    }
    return try finish(rows, .plain)
  }

  /// The page of a column's distinct texts.
  func dictionary(_ entries: [[UInt8]]) throws(LBError) -> Page {
    body.removeAll(keepingCapacity: true)
    for entry in entries { appendText(entry) }
    return try finish(2, .plain) { thrift in
      thrift.structure(7) {
        $0.int32(1, entries.count)
        $0.int32(2, ParquetEncoding.plain.rawValue)
      }
    }
  }

  private func begin(_ levels: RunLengths?) {
    body.removeAll(keepingCapacity: true)
    guard let levels else { return }
    var runs: [UInt8] = []
    levels.write(width: 1, to: &runs)
    appendLength(runs.count)
    body += runs
  }

  private func finish(_ rows: Int, _ encoding: ParquetEncoding) throws(LBError) -> Page {
    try finish(0, encoding) { thrift in
      thrift.structure(5) {
        $0.int32(1, rows)
        $0.int32(2, encoding.rawValue)
        $0.int32(3, ParquetEncoding.rle.rawValue)
        $0.int32(4, ParquetEncoding.rle.rawValue)
      }
    }
  }

  /// `type` is parquet.thrift's `PageType`.
  private func finish(
    _ type: Int, _ encoding: ParquetEncoding, _ kindHeader: (inout ThriftCompact) -> Void
  ) throws(LBError)
    -> Page
  {
    var packed: [UInt8] = []
    if let compressor {
      guard compressor.append(body, to: &packed) else {
        throw LBError(.resultPersistence, "libzstd cannot compress a page: not enough memory")
      }
    } else {
      packed = body
    }
    let header = ThriftCompact.structure { thrift in
      thrift.int32(1, type)
      thrift.int32(2, body.count)
      thrift.int32(3, packed.count)
      kindHeader(&thrift)
    }
    return Page(
      bytes: header + packed, uncompressed: header.count + body.count,
      encoding: encoding)
  }

  private func appendLength(_ count: Int) {
    for byte in 0..<4 { body.append(UInt8(truncatingIfNeeded: count >> (8 * byte))) }
  }

  private func appendText(_ text: [UInt8]) {
    appendLength(text.count)
    body += text
  }

  private func packBits(_ values: Span<UInt64>) {
    var byte: UInt8 = 0
    for index in values.indices {
      byte |= UInt8(values[index] & 1) << UInt8(index % 8)
      if index % 8 == 7 {
        body.append(byte)
        byte = 0
      }
    }
    if values.count % 8 != 0 { body.append(byte) }
  }

  private func appendWords(_ values: Span<UInt64>) {
    body.reserveCapacity(body.count + values.count * 8)
    for index in values.indices {
      // Safe: a word is eight bytes, which are read while it lives.
      unsafe withUnsafeBytes(of: values[index].littleEndian) { unsafe body.append(contentsOf: $0) }
    }
  }
}
