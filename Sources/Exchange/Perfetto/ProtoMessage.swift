import RunStore

/// A message in the wire format of Protocol Buffers, as far as traces need it.
///
/// https://protobuf.dev/programming-guides/encoding/
struct ProtoMessage {
  /// How a field's value is encoded.
  private enum Wire: UInt64 {
    case varint = 0
    case fixed64 = 1
    case length = 2
  }

  private(set) var bytes: [UInt8] = []

  private mutating func begin(_ field: Int, _ wire: Wire) {
    Varint.append(UInt64(field) << 3 | wire.rawValue, to: &bytes)
  }

  /// uint32, uint64 and enumerations.
  mutating func number(_ field: Int, _ value: UInt64) {
    begin(field, .varint)
    Varint.append(value, to: &bytes)
  }

  /// int32 and int64: a negative number is ten bytes of its two's complement.
  mutating func signed(_ field: Int, _ value: Int64) {
    number(field, UInt64(bitPattern: value))
  }

  mutating func flag(_ field: Int, _ value: Bool) { number(field, value ? 1 : 0) }

  mutating func fixed(_ field: Int, _ value: UInt64) {
    begin(field, .fixed64)
    for shift in 0..<8 as Range<UInt64> {
      bytes.append(UInt8(truncatingIfNeeded: value >> (8 * shift)))
    }
  }

  mutating func real(_ field: Int, _ value: Double) { fixed(field, value.bitPattern) }

  mutating func text(_ field: Int, _ value: String) {
    begin(field, .length)
    Varint.append(UInt64(value.utf8.count), to: &bytes)
    bytes += value.utf8
  }

  /// A message within this one, whose length is written in front of it.
  mutating func message(_ field: Int, _ value: ProtoMessage) {
    begin(field, .length)
    Varint.append(UInt64(value.bytes.count), to: &bytes)
    bytes += value.bytes
  }

  /// A message within this one, which `body` writes.
  mutating func message(_ field: Int, _ body: (inout ProtoMessage) -> Void) {
    var value = ProtoMessage()
    body(&value)
    message(field, value)
  }

  /// Removes everything, and keeps the memory.
  mutating func clear() { bytes.removeAll(keepingCapacity: true) }
}
