import Output
import SampleModel

/// An axis with ticks at round numbers.
struct Axis: Equatable {
  struct Tick: Equatable {
    /// In the axis' own unit.
    let value: Double
    let text: String
  }

  let range: ClosedRange<Double>
  let ticks: [Tick]

  /// Nanoseconds between the ticks of a time axis.
  private static let timeSteps: [Double] = {
    let seconds: [Double] = [1, 2, 5, 10, 20, 30]
    let short = (0..<9).flatMap { power in
      [1.0, 2, 5].map { $0 * Self.power(10, power) }
    }
    return short + seconds.map { $0 * 1e9 } + seconds.map { $0 * 60e9 }
      + [1, 2, 4, 6, 12, 24, 48, 96, 240, 480].map { $0 * 3600e9 }
  }()

  private static func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { value, _ in value * base }
  }

  /// A time axis from zero to `length` nanoseconds with at most `most` steps.
  init(timeUpTo length: UInt64, most: Int) {
    let length = Double(max(1, length))
    let step =
      Self.timeSteps.first { length / $0 <= Double(most) } ?? (length / Double(most)).rounded(.up)
    range = 0...length
    ticks = (0...Int(length / step)).map { index in
      Tick(value: Double(index) * step, text: Self.time(Double(index) * step, step: step))
    }
  }

  private static func time(_ nanoseconds: Double, step: Double) -> String {
    if nanoseconds == 0 { return "0 s" }
    let (unit, size): (String, Double) =
      switch step {
      case ..<1e3: ("ns", 1)
      case ..<1e6: ("µs", 1e3)
      case ..<1e9: ("ms", 1e6)
      case ..<60e9: ("s", 1e9)
      case ..<3600e9: ("min", 60e9)
      default: ("h", 3600e9)
      }
    return "\(Readable.fixed(nanoseconds / size, 0)) \(unit)"
  }

  /// An axis for values from `low` to `high` in `unit` with at most `most` steps. It includes zero
  /// unless the values are far from it.
  init(_ low: Double, _ high: Double, unit: String, most: Int) {
    let isBytes = unit == "bytes" || unit == "bytes/s"
    var (low, high) = (low, high)
    if low >= 0, low < high / 2 || low == high { low = 0 }
    if high <= low { high = low == 0 ? 1 : low + low.magnitude }
    let step = Self.step((high - low) / Double(most), ofBytes: isBytes)
    let (first, last) = ((low / step).rounded(.down), (high / step).rounded(.up))
    range = first * step...last * step
    ticks = (0...Int(last - first)).map { index in
      let value = (first + Double(index)) * step
      return Tick(
        value: value,
        text: isBytes ? Self.bytes(value, step: step) : Self.number(value, step: step))
    }
  }

  /// Bytes with a binary prefix and enough decimals to distinguish neighbouring ticks.
  private static func bytes(_ value: Double, step: Double) -> String {
    var (unit, index) = (1.0, 0)
    while value.magnitude >= unit * 1024, index < prefixes.count - 1 {
      (unit, index) = (unit * 1024, index + 1)
    }
    let decimals = (0..<4).first { count in
      let scaled = step / unit * Self.power(10, count)
      return scaled >= 1 && scaled == scaled.rounded()
    }
    return Readable.fixed(value / unit, decimals ?? 3) + prefixes[index]
  }

  private static let prefixes = ["", "K", "M", "G", "T", "P"]

  /// The smallest round step of at least `least`.
  private static func step(_ least: Double, ofBytes: Bool) -> Double {
    guard least.isFinite, least > 0 else { return 1 }
    if ofBytes {
      var step = 1.0
      while step < least { step *= 2 }
      return step
    }
    var power = 1.0
    while power > least { power /= 10 }
    while power * 10 <= least { power *= 10 }
    return [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= least } ?? power * 10
  }

  private static func number(_ value: Double, step: Double) -> String {
    guard step < 1 else { return Readable.count(value) }
    var (decimals, rest) = (0, step)
    while rest < 0.999, decimals < 9 { (decimals, rest) = (decimals + 1, rest * 10) }
    return Readable.fixed(value, decimals)
  }
}
