import LinuxSystem
import RunAnalysis
import RunStore
import SampleModel
import Testing

@testable import Exchange

/// Bytes that were worked out by hand from the specifications.
@Suite struct ParquetEncodingTests {
  /// thrift-compact-protocol.md: a field's header has the step from the field before it, or is
  /// followed by its number where that is more than 15; whole numbers are zigzag varints.
  @Test func structuresAreThriftsCompactOnes() {
    let bytes = ThriftCompact.structure { thrift in
      thrift.int32(1, 2)
      thrift.int64(3, -1)
      thrift.text(4, "ab")
      thrift.flag(5, true)
      thrift.flag(6, false)
      thrift.byte(7, 64)
      thrift.structure(8) { $0.int32(1, 150) }
      thrift.int32(30, 0)
    }
    #expect(
      bytes == [
        0x15, 0x04, 0x26, 0x01, 0x18, 0x02, 0x61, 0x62, 0x11, 0x12, 0x13, 0x40, 0x1C, 0x15, 0xAC,
        0x02, 0x00, 0x05, 0x3C, 0x00, 0x00,
      ])
  }

  @Test func listsHaveTheirLengthInTheHeaderUpToFourteen() {
    let short = ThriftCompact.structure {
      $0.list(1, of: .int32, [1, 2]) { $0.element(int32: $1) }
    }
    #expect(short == [0x19, 0x25, 0x02, 0x04, 0x00])
    let long = ThriftCompact.structure { thrift in
      thrift.list(1, of: .yes, Array(repeating: true, count: 15)) { $0.element(flag: $1) }
    }
    #expect(long == [0x19, 0xF1, 0x0F] + Array(repeating: 1, count: 15) + [0])
  }

  /// Encodings.md, DELTA_BINARY_PACKED, example 1: five values whose differences are all 1.
  @Test func deltasOfTheFirstExample() {
    var bytes: [UInt8] = []
    DeltaBinaryPacked.append([1, 2, 3, 4, 5].span, to: &bytes)
    #expect(bytes == [0x80, 0x01, 0x04, 0x05, 0x02, 0x02, 0, 0, 0, 0])
  }

  /// Encodings.md, example 2: 7, 5, 3, 1, 2, 3, 4, 5. Differences −2 −2 −2 1 1 1 1, the least −2,
  /// which leaves 0 0 0 3 3 3 3 in two bits each, from the lowest bit on: 0b11000000 0b00111111.
  @Test func deltasOfTheSecondExample() {
    var bytes: [UInt8] = []
    DeltaBinaryPacked.append([7, 5, 3, 1, 2, 3, 4, 5].span, to: &bytes)
    #expect(
      bytes == [0x80, 0x01, 0x04, 0x08, 0x0E, 0x03, 2, 0, 0, 0, 0b1100_0000, 0b0011_1111]
        + Array(repeating: 0, count: 6))
  }

  /// As a chunk of a result file has them, by another encoder, for every length of the last block.
  @Test func deltasAreThoseOfChunks() throws {
    var random = SplitMix64(seed: 27)
    for count in [0, 1, 2, 33, 128, 129, 130, 257, 512, 700] {
      for shift in [0, 20, 50, 63] as [UInt64] {
        let values = (0..<count).map { _ in random.next() >> shift }
        var bytes: [UInt8] = []
        DeltaBinaryPacked.append(values.span, to: &bytes)
        #expect(try DeltaBinaryPacked.decode(bytes.span, limit: count) == values)
      }
    }
  }

  /// Encodings.md, RLE: the header of a run is twice its length, then the value in whole bytes.
  @Test func runsAreParquetsRunLengths() {
    var runs = RunLengths()
    runs.append(1, count: 100)
    runs.append(1, count: 28)
    runs.append(0, count: 1)
    var bytes: [UInt8] = []
    runs.write(width: 1, to: &bytes)
    #expect(bytes == [0x80, 0x02, 0x01, 0x02, 0x00])
    var wide = RunLengths()
    wide.append(0x102, count: 2)
    bytes = []
    wide.write(width: 9, to: &bytes)
    #expect(bytes == [0x04, 0x02, 0x01])
  }

  @Test func aPageHasLevelsThenValues() throws {
    var layout = ParquetLayout()
    layout.isCompressed = false
    let encoder = PageEncoder(layout)
    var levels = RunLengths()
    levels.append(1, count: 1)
    levels.append(0, count: 2)
    let page = try encoder.page([0x3FF0_0000_0000_0000].span, rows: 3, levels: levels, .real)
    // PageHeader: type 0, sizes 16 and 16, then DataPageHeader 3 values, PLAIN, RLE, RLE.
    let header: [UInt8] = [
      0x15, 0x00, 0x15, 0x20, 0x15, 0x20, 0x2C, 0x15, 0x06, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06, 0,
      0,
    ]
    // Four bytes of length, a run of one 1 and one of two 0; then 1.0 from its lowest byte on.
    #expect(
      page.bytes == header + [4, 0, 0, 0, 2, 1, 4, 0] + [0, 0, 0, 0, 0, 0, 0xF0, 0x3F])
    #expect(page.uncompressed == page.bytes.count)
  }

  @Test func flagsAreBitsFromTheLowestOn() throws {
    var layout = ParquetLayout()
    layout.isCompressed = false
    let page = try PageEncoder(layout).page(
      [1, 0, 1, 1, 0, 0, 0, 0, 1].span, rows: 9, levels: nil, .flag)
    #expect(page.bytes.suffix(2) == [0b0000_1101, 1])
  }

  @Test func textsAreIndicesIntoTheirDictionary() throws {
    var layout = ParquetLayout()
    layout.isCompressed = false
    let encoder = PageEncoder(layout)
    #expect(
      try encoder.dictionary([Array("eth0".utf8), Array("lo".utf8)]).bytes.suffix(14)
        == [4, 0, 0, 0] + Array("eth0".utf8) + [2, 0, 0, 0] + Array("lo".utf8))
    var indices = RunLengths()
    indices.append(1, count: 3)
    indices.append(0, count: 1)
    let page = try encoder.page(indices: indices, entries: 2, rows: 4, levels: nil)
    #expect(page.bytes.suffix(5) == [1, 6, 1, 2, 0])
  }
}

/// parquet.thrift, `Statistics` and `ColumnIndex`.
@Suite struct ColumnBoundsTests {
  private func bounds(
    _ values: [UInt64], _ kind: ParquetColumn.Kind
  ) -> (least: [UInt8], greatest: [UInt8])? {
    var bounds = ColumnBounds()
    bounds.add(values.span, kind)
    return bounds.encoded(kind)
  }

  private func bytes(_ word: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
  }

  @Test func numbersCompareAsTheirKind() throws {
    let minusOne = UInt64.max
    let signed = try #require(bounds([5, minusOne, 7], .integer))
    #expect(signed.least == bytes(minusOne) && signed.greatest == bytes(7))
    let unsigned = try #require(bounds([5, minusOne, 7], .unsigned))
    #expect(unsigned.least == bytes(5) && unsigned.greatest == bytes(minusOne))
  }

  @Test func realsHaveNoNaNAndZerosOfBothSigns() throws {
    func reals(_ values: [Double]) -> (least: [UInt8], greatest: [UInt8])? {
      bounds(values.map(\.bitPattern), .real)
    }
    let some = try #require(reals([1.5, -2, .nan]))
    #expect(some.least == bytes((-2.0).bitPattern) && some.greatest == bytes(1.5.bitPattern))
    let zero = try #require(reals([0, 0]))
    #expect(zero.least == bytes((-0.0).bitPattern) && zero.greatest == bytes(0.0.bitPattern))
    let negative = try #require(reals([-0.0, -1]))
    #expect(negative.greatest == bytes(0.0.bitPattern))
    #expect(reals([.nan]) == nil)
  }

  @Test func textsCompareByTheirBytesAndLongOnesHaveNone() throws {
    var bounds = ColumnBounds()
    for text in ["b", "é", "a", "ab"] { bounds.add(Array(text.utf8)) }
    let found = try #require(bounds.encoded(.text))
    #expect(found.least == Array("a".utf8) && found.greatest == Array("é".utf8))
    bounds.add(Array(repeating: 97, count: 257))
    #expect(bounds.encoded(.text) == nil)
  }
}
