import RunStore

/// Thrift's compact protocol, as far as Parquet's metadata need it.
///
/// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
struct ThriftCompact {
  /// The kinds of fields and elements.
  enum Kind: UInt8 {
    case yes = 1
    case no = 2
    case byte = 3
    case int32 = 5
    case int64 = 6
    case binary = 8
    case list = 9
    case structure = 12
  }

  private(set) var bytes: [UInt8] = []
  private var last = 0

  /// The bytes of one structure.
  static func structure(_ body: (inout Self) -> Void) -> [UInt8] {
    var thrift = Self()
    thrift.nested(body)
    return thrift.bytes
  }

  private mutating func begin(_ field: Int, _ kind: Kind) {
    let step = field - last
    if (1...15).contains(step) {
      bytes.append(UInt8(step) << 4 | kind.rawValue)
    } else {
      bytes.append(kind.rawValue)
      append(field)
    }
    last = field
  }

  private mutating func append(_ number: Int) {
    Varint.append(Varint.zigzag(Int64(number)), to: &bytes)
  }

  mutating func flag(_ field: Int, _ value: Bool) { begin(field, value ? .yes : .no) }

  mutating func byte(_ field: Int, _ value: Int8) {
    begin(field, .byte)
    bytes.append(UInt8(bitPattern: value))
  }

  mutating func int32(_ field: Int, _ value: Int) {
    begin(field, .int32)
    append(value)
  }

  mutating func int64(_ field: Int, _ value: Int) {
    begin(field, .int64)
    append(value)
  }

  mutating func binary(_ field: Int, _ value: [UInt8]) {
    begin(field, .binary)
    element(binary: value)
  }

  mutating func text(_ field: Int, _ value: String) { binary(field, Array(value.utf8)) }

  mutating func structure(_ field: Int, _ body: (inout Self) -> Void) {
    begin(field, .structure)
    nested(body)
  }

  mutating func structure(_ field: Int, encoded: [UInt8]) {
    begin(field, .structure)
    bytes += encoded
  }

  /// A structure without a field's header, as an element of a list.
  mutating func nested(_ body: (inout Self) -> Void) {
    let outer = last
    last = 0
    body(&self)
    bytes.append(0)
    last = outer
  }

  mutating func list<Elements: Collection>(
    _ field: Int, of kind: Kind, _ elements: Elements,
    _ body: (inout Self, Elements.Element) -> Void
  ) {
    begin(field, .list)
    if elements.count < 15 {
      bytes.append(UInt8(elements.count) << 4 | kind.rawValue)
    } else {
      bytes.append(0xF0 | kind.rawValue)
      Varint.append(UInt64(elements.count), to: &bytes)
    }
    for element in elements { body(&self, element) }
  }

  mutating func element(int32 value: Int) { append(value) }
  mutating func element(int64 value: Int) { append(value) }
  mutating func element(flag value: Bool) { bytes.append(value ? 1 : 2) }

  mutating func element(binary value: [UInt8]) {
    Varint.append(UInt64(value.count), to: &bytes)
    bytes += value
  }

  /// An element that is encoded already.
  mutating func element(encoded value: [UInt8]) { bytes += value }
}
