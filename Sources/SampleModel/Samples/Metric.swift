/// How a metric's value develops over time.
public enum MetricKind: String, Sendable, Codable {
  /// A cumulative count; rates are differences of it.
  case counter
  /// A level at the time of acquisition.
  case gauge
  /// A fixed bin of a distribution, cumulative; each bin is an instance.
  case histogram
}

/// The base unit that a metric's raw value is scaled to.
public enum MetricUnit: String, Sendable, Codable {
  case nanoseconds = "ns"
  case bytes
  case count
  /// A fraction of one.
  case ratio = "1"
  case hertz = "Hz"
  case celsius = "Cel"
  case joules = "J"
  case bitsPerSecond = "bit/s"
  /// Eight bytes of text, the first one lowest. Only in records, where fields of the same name form
  /// one text.
  case text
}

/// The exact rational factor from the kernel's integer to the base unit.
public struct Scale: Sendable, Hashable, Codable {
  /// The factor's numerator.
  public let numerator: UInt64
  /// The factor's denominator.
  public let denominator: UInt64

  /// The factor `numerator / denominator`; both at least 1.
  public init(_ numerator: UInt64, per denominator: UInt64 = 1) {
    precondition(numerator > 0 && denominator > 0, "a scale is a positive rational")
    self.numerator = numerator
    self.denominator = denominator
  }

  /// The factor of a decimal such as `2.3283064365386962890625e-10`, whose inverse may be a whole
  /// number (a power of two). Nil if it is not a positive number, or needs more than 64 bits.
  package init?(decimal text: some StringProtocol) {
    guard let value = Double(text), value.isFinite, value > 0 else { return nil }
    if value >= 1, value == value.rounded(), value < 1e18 {
      self.init(UInt64(value))
      return
    }
    let inverse = (1 / value).rounded()
    if inverse < 1e18, abs(inverse * value - 1) < 1e-14 {
      self.init(1, per: UInt64(inverse))
      return
    }
    var denominator: UInt64 = 1
    while denominator < 1_000_000_000_000 {
      let product = value * Double(denominator)
      if product > 1e6 || product == product.rounded() { break }
      denominator *= 10
    }
    let numerator = (value * Double(denominator)).rounded()
    guard numerator >= 1, numerator < 1e18 else { return nil }
    self.init(UInt64(numerator), per: denominator)
  }

  /// The raw value is already in the base unit.
  public static let identity = Scale(1)

  /// Reads a stored factor; it must be a positive rational.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    numerator = try container.decode(UInt64.self, forKey: .numerator)
    denominator = try container.decode(UInt64.self, forKey: .denominator)
    guard numerator > 0, denominator > 0 else {
      throw DecodingError.dataCorruptedError(
        forKey: .denominator, in: container,
        debugDescription: "a scale of \(numerator)/\(denominator) is no positive rational")
    }
  }

  /// `raw` in base units.
  package func apply(_ raw: Double) -> Double {
    raw * Double(numerator) / Double(denominator)
  }

  /// `raw` in base units when the result is a whole number that fits 64 bits, else nil.
  package func exactly(_ raw: UInt64) -> UInt64? {
    // The product may need more than 64 bits: numerators go up to 1e9.
    let product = raw.multipliedFullWidth(by: numerator)
    guard product.high < denominator else { return nil }
    let (quotient, remainder) = denominator.dividingFullWidth(product)
    return remainder == 0 ? quotient : nil
  }
}

/// The lifetime of an instance's counters.
public enum CounterLife: String, Sendable, Codable {
  /// While the host is up, also while not listed: CPUs, nodes, protocols.
  case kept
  /// While its row is listed: a device that returns is another one.
  case row
  /// While its row is listed and its source is readable: a control group.
  case source
  /// Like `source`, and listed from its first use on: a new row counts from 0.
  case firstUse

  /// Whether it ends when the source becomes unreadable.
  var endsWithSource: Bool { self == .source || self == .firstUse }
}

/// One row of a collector's schema.
public struct MetricDescription: Sendable, Hashable, Codable {
  /// Whether a metric has instances.
  public enum Extent: String, Sendable, Codable {
    /// One value for the host: no bracket in the name.
    case host
    /// One value for each instance, as `cpu.user[0]`.
    case instance
  }

  /// The kernel's own field name, without the collector's.
  public let name: String
  /// The base unit that `scale` leads to.
  public let unit: MetricUnit
  /// How values develop over time.
  public let kind: MetricKind
  /// The exact factor from raw to base unit.
  public let scale: Scale
  /// Bits after which the kernel's counter wraps.
  public let width: UInt8
  /// Whether it has instances.
  public let extent: Extent
  /// The kernel lets this counter fall by a small amount; such a step back counts as no change.
  public let mayStepBack: Bool
  /// The most raw units by which it may step back; a greater fall is a reset. Nil for one second
  /// for times, and 100 for others.
  public let stepBackLimit: UInt64?
  /// The raw value is a two's complement.
  public let isSigned: Bool
  /// The least time between two changes in nanoseconds, nil if it may change at any time: the
  /// kernel counts CPU time in ticks and updates averages periodically.
  public let resolution: UInt64?
  /// Its source may update it less often than it is read, as network drivers do; detected while
  /// sampling.
  public let mayLag: Bool
  /// It is a sum of counters of `width` bits, one of which may wrap or disappear with its CPU; or a
  /// count that restarts when armed. It continues in another layout if its column has the same
  /// parts (`Column.identity`).
  public let isSum: Bool
  /// The lifetime of this counter.
  public let life: CounterLife
  /// One line for `lbsample collectors`, with the kernel version a younger column came with.
  public let meaning: String

  /// A schema row; every argument but the name, unit, kind and meaning has the usual default.
  public init(
    _ name: String, _ unit: MetricUnit, _ kind: MetricKind, scale: Scale = .identity,
    width: UInt8 = 64, extent: Extent = .instance, mayStepBack: Bool = false,
    stepBackLimit: UInt64? = nil,
    isSigned: Bool = false, resolution: UInt64? = nil, mayLag: Bool = false, isSum: Bool = false,
    life: CounterLife = .kept, meaning: String
  ) {
    self.life = life
    self.isSum = isSum
    self.mayLag = mayLag
    self.resolution = resolution
    self.name = name
    self.unit = unit
    self.kind = kind
    self.scale = scale
    self.width = width
    self.extent = extent
    self.mayStepBack = mayStepBack
    self.stepBackLimit = stepBackLimit
    self.isSigned = isSigned
    self.meaning = meaning
  }
}

extension MetricDescription {
  /// Reads a stored description, also of an earlier version with fewer fields; an invalid width is
  /// refused.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let width = try container.decode(UInt8.self, forKey: .width)
    guard (1...64).contains(width) else {
      throw DecodingError.dataCorruptedError(
        forKey: .width, in: container, debugDescription: "no counter is \(width) bits wide")
    }
    self.init(
      try container.decode(String.self, forKey: .name),
      try container.decode(MetricUnit.self, forKey: .unit),
      try container.decode(MetricKind.self, forKey: .kind),
      scale: try container.decode(Scale.self, forKey: .scale), width: width,
      extent: try container.decode(Extent.self, forKey: .extent),
      mayStepBack: try container.decode(Bool.self, forKey: .mayStepBack),
      stepBackLimit: try container.decodeIfPresent(UInt64.self, forKey: .stepBackLimit),
      isSigned: try container.decodeIfPresent(Bool.self, forKey: .isSigned) ?? false,
      resolution: try container.decodeIfPresent(UInt64.self, forKey: .resolution),
      mayLag: try container.decodeIfPresent(Bool.self, forKey: .mayLag) ?? false,
      isSum: try container.decodeIfPresent(Bool.self, forKey: .isSum) ?? false,
      // Earlier versions had no lifetime: all were `kept`.
      life: try container.decodeIfPresent(CounterLife.self, forKey: .life) ?? .kept,
      meaning: try container.decode(String.self, forKey: .meaning))
  }
}

extension MetricDescription {
  /// The description with another lifetime.
  package func living(_ life: CounterLife) -> MetricDescription {
    MetricDescription(
      name, unit, kind, scale: scale, width: width, extent: extent, mayStepBack: mayStepBack,
      stepBackLimit: stepBackLimit, isSigned: isSigned, resolution: resolution, mayLag: mayLag,
      isSum: isSum, life: life, meaning: meaning)
  }

  /// A raw level in base units.
  package func level(_ raw: UInt64) -> Double { ValueRule(self).level(raw) }
}

/// How much one acquisition of a collector costs, as an order of magnitude.
package enum CostClass: String, Sendable, Codable {
  /// Up to about 10 µs on a small host: fit for 1 kHz.
  case cheap
  /// Up to about 100 µs.
  case moderate
  /// Above that, or growing with the host.
  case expensive
  /// Hundreds of µs and thousands of values.
  case heavy

  /// The default minimum interval in nanoseconds.
  public var minimumInterval: UInt64 {
    switch self {
    case .cheap: 0
    case .moderate: 500_000_000
    case .expensive: 1_000_000_000
    case .heavy: 10_000_000_000
    }
  }
}

/// How fast a collector's values change: values that stay the same for seconds are read less often.
package enum ChangePace: String, Sendable, Codable {
  /// At any time.
  case fast
  /// Levels of the whole host that change over seconds: open files, free space, averages.
  case slow
  /// Settings of an administrator or the state of a device.
  case setting

  /// The default minimum interval in nanoseconds.
  public var minimumInterval: UInt64 {
    switch self {
    case .fast: 0
    case .slow: 1_000_000_000
    case .setting: 10_000_000_000
    }
  }
}

/// The static description of a collector: the only schema there is.
package struct CollectorDescription: Sendable, Codable {
  /// The collector's name.
  public let name: String
  /// The first part of every metric's name: the collector's, but for `protocol` of `protocols`.
  public let prefix: String
  /// One line: what is measured.
  public let summary: String
  /// The kernel files or calls it reads, relative to the mount roots.
  public let source: String
  /// The first Linux version that has the source.
  public let minimumKernel: String
  /// The privilege that the kernel requires: `none` or a capability.
  public let privilege: String
  /// The cost class of one acquisition.
  public let cost: CostClass
  /// How fast its values change.
  public let pace: ChangePace
  /// System calls of one acquisition.
  public let systemCallsPerSample: Int
  /// The schema, in layout order.
  public let metrics: [MetricDescription]
  /// Whether the kernel has fields beyond `metrics`, which differ by version; those get columns
  /// under their own names.
  public let isOpen: Bool

  /// A description; `metrics` in the order in which a layout lists them.
  public init(
    name: String, summary: String, source: String, minimumKernel: String, privilege: String,
    cost: CostClass, pace: ChangePace = .fast, systemCallsPerSample: Int = 1,
    prefix: String? = nil, isOpen: Bool = false, metrics: [MetricDescription]
  ) {
    self.name = name
    self.pace = pace
    self.prefix = prefix ?? name
    self.isOpen = isOpen
    self.summary = summary
    self.source = source
    self.minimumKernel = minimumKernel
    self.privilege = privilege
    self.cost = cost
    self.systemCallsPerSample = systemCallsPerSample
    self.metrics = metrics
  }
}

extension CollectorDescription {
  /// The default minimum interval in nanoseconds, by cost and pace.
  public var minimumInterval: UInt64 { max(cost.minimumInterval, pace.minimumInterval) }

  /// The source with paths from the root.
  package var sourceFromRoot: String {
    source.split(separator: " ").map { word in
      word.hasPrefix("proc/") || word.hasPrefix("sys/") ? "/\(word)" : "\(word)"
    }.joined(separator: " ")
  }
}

/// The result of a probe.
package enum Availability: Sendable, Equatable {
  case available
  /// The kernel is too old or built without it.
  case unsupported(reason: String)
  /// The kernel refuses access; `fix` is the command that grants it.
  case denied(reason: String, fix: String)
  /// This host has no such source.
  case absent(reason: String)

  /// The outcome in one word, as in results.
  public var word: String {
    switch self {
    case .available: "available"
    case .unsupported: "unsupported"
    case .denied: "denied"
    case .absent: "absent"
    }
  }

  /// Why it is unavailable, and the remedy.
  package var reasonAndFix: String {
    if case .denied(let reason, let fix) = self { return "\(reason); \(fix)" }
    return reason
  }

  /// Why it is unavailable; empty if it is available.
  public var reason: String {
    switch self {
    case .available: ""
    case .unsupported(let reason), .absent(let reason), .denied(let reason, _): reason
    }
  }
}
