/// A column of a Parquet file.
package struct ParquetColumn: Sendable {
  /// What its values are.
  package enum Kind: Sendable, Equatable {
    /// Whole numbers with a sign, in 64 bits.
    case integer
    /// Whole numbers without a sign that need all 64 bits.
    case unsigned
    case real
    case flag
    case text
    /// Microseconds since 1970 in UTC.
    case timestamp
  }

  package let name: String
  package let kind: Kind
  /// Whether rows may have no value.
  package let isOptional: Bool
  /// Facts for readers: unit, kind, meaning.
  package let facts: [(name: String, value: String)]

  /// A column; the others of its table have other names.
  package init(
    _ name: String, _ kind: Kind, isOptional: Bool = false,
    facts: [(name: String, value: String)] = []
  ) {
    self.name = name
    self.kind = kind
    self.isOptional = isOptional
    self.facts = facts
  }

  /// parquet.thrift, `Type`.
  var physicalType: Int {
    switch kind {
    case .flag: 0
    case .integer, .unsigned, .timestamp: 2
    case .real: 5
    case .text: 6
    }
  }

  /// parquet.thrift, `SchemaElement`.
  func write(_ thrift: inout ThriftCompact) {
    thrift.int32(1, physicalType)
    thrift.int32(3, isOptional ? 1 : 0)
    thrift.text(4, name)
    switch kind {
    case .text:
      thrift.int32(6, 0)
      thrift.structure(10) { $0.structure(1) { _ in } }
    case .timestamp:
      thrift.int32(6, 10)
      thrift.structure(10) {
        $0.structure(8) {
          $0.flag(1, true)
          $0.structure(2) { $0.structure(2) { _ in } }
        }
      }
    case .unsigned:
      thrift.int32(6, 14)
      thrift.structure(10) {
        $0.structure(10) {
          $0.byte(1, 64)
          $0.flag(2, false)
        }
      }
    case .integer, .real, .flag: break
    }
  }
}

/// parquet.thrift, `Encoding`.
enum ParquetEncoding: Int {
  case plain = 0
  case rle = 3
  case delta = 5
  case dictionary = 8
}

/// How a Parquet file is laid out.
package struct ParquetLayout: Sendable {
  /// Rows after which a page ends; one that has many columns has fewer.
  package var pageRows = 20_000
  /// Rows after which a row group may end.
  package var groupRows = 122_880
  /// Encoded bytes from which it then does.
  package var groupBytes = 8 << 20
  /// Rows after which it ends whatever its size.
  package var groupRowLimit = 1 << 20
  /// Only encodings that every reader has.
  package var isCompatible = false
  /// Whether pages are compressed with zstd, where the library is there.
  package var isCompressed = true

  /// The usual layout.
  package init() {}
}
