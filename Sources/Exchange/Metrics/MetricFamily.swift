import SampleModel

/// What Prometheus calls a family: all series of one name, with one type and one unit.
package struct MetricFamily: Sendable, Hashable {
  /// The types that lbsample has.
  package enum Kind: String, Sendable {
    case counter
    case gauge
  }

  /// The name with its unit, without `_total`: `lbsample_cpu_user_seconds`.
  package let name: String
  package let kind: Kind
  /// Prometheus' base unit, with which the name ends: `seconds`; nil for plain numbers.
  package let unit: String?
  package let help: String

  /// A family of this name, which ends with the unit where there is one.
  package init(_ name: String, _ kind: Kind, unit: String? = nil, help: String) {
    self.name = name
    self.kind = kind
    self.unit = unit
    self.help = help
  }

  /// The name of its series: `lbsample_cpu_user_seconds_total`.
  package var sampleName: String { kind == .counter ? name + "_total" : name }
}

/// A value in base units of a family.
package enum ExposedValue: Sendable, Equatable {
  case integer(UInt64)
  /// Nanoseconds of a family in seconds: written exactly, as a decimal.
  case nanoseconds(UInt64)
  case real(Double)

  /// A level or sum in the base unit of a layout, as Prometheus' base unit has it.
  init(_ value: DerivedValue, _ unit: MetricUnit) {
    switch (value, unit) {
    case (.integer(let number), .nanoseconds): self = .nanoseconds(number)
    case (.integer(let number), .bitsPerSecond):
      self = number % 8 == 0 ? .integer(number / 8) : .real(Double(number) / 8)
    case (.integer(let number), _): self = .integer(number)
    case (.real(let number), .nanoseconds): self = .real(number / 1e9)
    case (.real(let number), .bitsPerSecond): self = .real(number / 8)
    case (.real(let number), _): self = .real(number)
    case (.absent, _): self = .real(.nan)
    }
  }
}
