/// A value of a plan, as TOML and JSON have them.
public enum PlanValue: Sendable, Hashable {
  /// `true` or `false`.
  case boolean(Bool)
  /// A whole number.
  case integer(Int)
  /// Any other number.
  case number(Double)
  /// Text; lengths of time (`"500ms"`) and shares (`"1%"`) too.
  case text(String)
  /// Values in order.
  case list([PlanValue])
  /// Values by key.
  case table([String: PlanValue])

  /// The value as a word of a command line, without quotes; nil for lists and tables.
  package var plain: String? {
    switch self {
    case .boolean(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value):
      value == value.rounded() && value.magnitude < 1e15 ? "\(Int(value))" : "\(value)"
    case .text(let value): value
    case .list, .table: nil
    }
  }

  /// A copy with `fill` applied to every text in it.
  func filled(_ fill: (String) -> String) -> PlanValue {
    switch self {
    case .text(let text): .text(fill(text))
    case .list(let values): .list(values.map { $0.filled(fill) })
    case .table(let values): .table(values.mapValues { $0.filled(fill) })
    case .boolean, .integer, .number: self
    }
  }

  /// The type of the value in words.
  var form: String {
    switch self {
    case .boolean: "true or false"
    case .integer, .number: "a number"
    case .text: "text"
    case .list: "a list"
    case .table: "a table"
    }
  }
}

extension PlanValue: Codable {
  /// Decodes a value of any type.
  public init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    // The first type that fits: a whole number is not a boolean, a number with a point not an
    // integer.
    if let boolean = Self.attempt({ try value.decode(Bool.self) }) {
      self = .boolean(boolean)
    } else if let integer = Self.attempt({ try value.decode(Int.self) }) {
      self = .integer(integer)
    } else if let number = Self.attempt({ try value.decode(Double.self) }) {
      self = .number(number)
    } else if let text = Self.attempt({ try value.decode(String.self) }) {
      self = .text(text)
    } else if let list = Self.attempt({ try value.decode([PlanValue].self) }) {
      self = .list(list)
    } else {
      self = .table(try value.decode([String: PlanValue].self))
    }
  }

  private static func attempt<Value>(_ decode: () throws -> Value) -> Value? {
    do { return try decode() } catch { return nil }
  }

  /// Encodes the value as its own type.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .boolean(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    case .list(let value): try container.encode(value)
    case .table(let value): try container.encode(value)
    }
  }
}

extension PlanValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  /// Text.
  public init(stringLiteral value: String) { self = .text(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  /// A list.
  public init(arrayLiteral elements: PlanValue...) { self = .list(elements) }
  /// A table; for a duplicate key the last value counts.
  public init(dictionaryLiteral elements: (String, PlanValue)...) {
    self = .table(Dictionary(elements, uniquingKeysWith: { $1 }))
  }
}
