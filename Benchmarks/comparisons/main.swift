// How often comparisons find what is not there, how often they find what is, and what intervals
// cover, for simulated repetitions, as one table in Markdown: comparisons [COUNT]
//
// Ends with code 1 where a target is missed.
import Glibc
import RunAnalysis
import TestSupport

extension Noise {
  /// Poisson's, by products of uniform numbers.
  mutating func count(_ mean: Double) -> Double {
    let limit = exp(-mean)
    var product = uniform()
    var count = 0.0
    while product > limit {
      product *= uniform()
      count += 1
    }
    return count
  }
}

/// What values are like.
enum Kind: String, CaseIterable {
  case normal
  case logNormal = "log-normal"
  case ticks = "10 ms ticks"
  case heavy = "heavy tails"
  case counts
  case mixed = "all of these"
  case drift = "shared drift"
}

/// How the repetitions of both sides are taken.
enum Design: String, CaseIterable {
  case inTurns = "in turns"
  case twoRuns = "two runs"
  /// Of which each is a session: what lasts as long as one differs between them by 1 %.
  case severalRuns = "5 + 5 runs"

  /// Runs a side, and repetitions of each.
  var runs: Int { self == .severalRuns ? 5 : 1 }
  var repetitions: Int { self == .severalRuns ? 3 : 10 }
}

/// One metric's distribution.
struct Source {
  let kind: Kind
  let mean: Double
  let spread: Double

  init(_ kind: Kind, _ place: Int, _ noise: inout Noise) {
    let plain: [Kind] = [.normal, .logNormal, .ticks, .heavy, .counts]
    self.kind = kind == .mixed ? plain[place % plain.count] : kind
    spread = min(0.2, exp(noise.normal() - 4))
    switch self.kind {
    case .counts: mean = exp(6 * noise.uniform() - 2)
    case .ticks: mean = 5e6 + 95e6 * noise.uniform()
    case .normal, .logNormal, .heavy, .mixed, .drift: mean = exp(8 + 2 * noise.normal())
    }
  }

  /// A repetition's value, of which the mean is `factor` times as large, under a drift of the host.
  func value(_ factor: Double, drift: Double, _ noise: inout Noise) -> Double {
    let mean = mean * factor
    switch kind {
    case .normal, .mixed: return mean * (1 + spread * noise.normal())
    case .logNormal: return mean * exp((0.1 + 3 * spread) * noise.normal())
    case .ticks:
      let time = max(0, mean + 8e6 * noise.normal())
      return ((time / 1e7).rounded(.down) + (noise.uniform() < 0.5 ? 1 : 0)) * 1e7
    case .heavy:
      // Student's t with two degrees of freedom.
      let t = noise.normal() / (-log(noise.uniform())).squareRoot()
      return mean * max(0.001, 1 + 0.02 * t)
    case .counts: return noise.count(mean)
    case .drift: return mean * (1 + 0.01 * noise.normal() + drift)
    }
  }

  /// The step in which its source counts.
  var resolution: Double? { kind == .ticks ? 1e7 : nil }
}

/// Two sides of one design.
struct Simulation {
  let kind: Kind
  let design: Design
  /// Repetitions of each run.
  let count: Int
  let metrics: Int
  /// So many metrics beside the primary ones are `factor` times as large on the other side.
  var changed = 0
  var factor = 1.0
  /// Primary metrics, and what the first of them is multiplied by on the other side.
  var primary = 1
  var primaryFactor = 1.0
  /// The primary metrics' spread; nil for that of the others.
  var primarySpread: Double?

  /// Repetitions of a design, `count` or as many as it usually has.
  init(_ kind: Kind, _ design: Design, count: Int? = nil, metrics: Int) {
    self.kind = kind
    self.design = design
    self.count = count ?? design.repetitions
    self.metrics = metrics
  }

  static func name(_ place: Int) -> String { "c\(place % 10).m\(place)" }

  /// Both sides.
  func sides(seed: UInt64) -> [ComparedSide] {
    var noise = Noise(seed: seed &* 0x9E37_79B9 &+ 12345)
    let primaries = (0..<primary).map { place in
      (name: place == 0 ? "wall_time" : "workload.m\(place)", source: Source(kind, 0, &noise))
    }
    let others = (0..<metrics).map { place in
      (name: Self.name(place), source: Source(kind, place, &noise))
    }
    let steps = Dictionary(
      others.compactMap { one in one.source.resolution.map { (one.name, $0) } }
    ) { first, _ in first }
    var drift = 0.0
    var phases: [[ComparedPhase]] = [[], []]
    for run in 1...design.runs {
      // What lasts as long as a session does, of each metric on each side.
      let sessions = (0...1).map { _ in
        (0..<primary + metrics).map { _ in
          design == .severalRuns ? exp(0.01 * noise.normal()) : 1
        }
      }
      var repetitions: [[ComparedRepetition]] = [[], []]
      for number in 1...count {
        for side in 0...1 {
          drift += kind == .drift ? 0.01 * noise.normal() : 0
          var values: [String: Double] = [:]
          values.reserveCapacity(primary + metrics)
          for (place, one) in primaries.enumerated() {
            let factor = (side == 1 && place == 0 ? primaryFactor : 1) * sessions[side][place]
            if let primarySpread {
              values[one.name] = 1e9 * factor * (1 + primarySpread * noise.normal())
            } else {
              values[one.name] = one.source.value(factor, drift: drift, &noise)
            }
          }
          for (place, one) in others.enumerated() {
            let factor =
              (side == 1 && place < changed ? self.factor : 1) * sessions[side][primary + place]
            values[one.name] = one.source.value(factor, drift: drift, &noise)
          }
          repetitions[side].append(
            ComparedRepetition(
              number: number, order: design == .inTurns ? UInt64(2 * number + side) : nil,
              values: values))
        }
      }
      for side in 0...1 {
        phases[side].append(
          ComparedPhase(
            run: design == .inTurns ? "r" : "r\(side)-\(run)",
            phase: design == .inTurns ? "p\(side)" : "p", repetitions: repetitions[side],
            resolutions: steps))
      }
    }
    return phases.enumerated().map { ComparedSide(name: "\($0)", phases: $1) }
  }

  /// What their comparison says; nil where it is refused, which is told.
  func comparison(of sides: [ComparedSide]) -> Comparison? {
    do {
      return try Comparison(base: sides[0], others: [sides[1]])
    } catch {
      print("comparisons: \(error)")
      return nil
    }
  }

  func comparison(seed: UInt64) -> Comparison? { comparison(of: sides(seed: seed)) }
}

/// What many comparisons of one design came to.
struct Tally {
  var comparisons = 0
  var withPrimary = 0
  var withWallTime = 0
  var withFinding = 0
  var falseShares = 0.0
  var found = 0.0

  mutating func add(_ comparison: Comparison, changed: Int) {
    comparisons += 1
    guard let pair = comparison.pairs.first else { return }
    let primary = pair.rows(.changed, primary: true).map(\.metric)
    if !primary.isEmpty { withPrimary += 1 }
    if primary.contains("wall_time") { withWallTime += 1 }
    let findings = pair.rows(.changed, primary: false).map(\.metric)
    if !findings.isEmpty { withFinding += 1 }
    let right = Set((0..<changed).map(Simulation.name)).intersection(findings).count
    falseShares += Double(findings.count - right) / Double(max(1, findings.count))
    found += Double(right) / Double(max(1, changed))
  }
}

func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }

/// Whether every target is met.
var areMet = true

/// Prints a row: what was simulated, what came of it, and whether that is the target.
@MainActor
func row(_ what: String, _ result: String, _ target: String, met isMet: Bool) {
  print("| \(what) | \(result) | \(target) | \(isMet ? "met" : "MISSED") |")
  areMet = areMet && isMet
  fflush(nil)
}

let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1000
guard count > 0 else {
  print("comparisons: expected a number of comparisons above 0")
  exit(2)
}
/// At 5 %, with two standard deviations of chance: of 1,000 no more than 63.
let most = Int(0.05 * Double(count) + 2 * (0.05 * 0.95 * Double(count)).squareRoot())

print("| \(count) simulated comparisons | result | target | |\n|---|---|---|---|")
for kind in Kind.allCases {
  // A drift of the host is a difference between two runs: such a comparison says so.
  for design in Design.allCases where kind != .drift || design == .inTurns {
    var same = Tally()
    var different = Tally()
    var simulation = Simulation(kind, design, metrics: 500)
    for seed in 0..<count {
      if let comparison = simulation.comparison(seed: UInt64(seed)) {
        same.add(comparison, changed: 0)
      }
    }
    simulation.changed = 50
    simulation.factor = 1.3
    for seed in 0..<max(1, count / 4) {
      if let comparison = simulation.comparison(seed: UInt64(1_000_000 + seed)) {
        different.add(comparison, changed: 50)
      }
    }
    let name = "500 metrics, \(kind.rawValue), \(design.rawValue)"
    row(
      "\(name): the same twice",
      "\(same.withPrimary) with a primary change, \(same.withFinding) with any other",
      "at most \(most) each",
      met: same.comparisons == count && max(same.withPrimary, same.withFinding) <= most)
    let share = different.falseShares / Double(max(1, different.comparisons))
    let found = different.found / Double(max(1, different.comparisons))
    row(
      "\(name): 50 are 30 % more",
      "\(percent(share)) of the findings false, "
        + "\(percent(found)) of the 50 found", "at most 5 % false", met: share <= 0.05)
  }
}

for (primary, least) in [(1, 0.95), (3, 0.85)] {
  var simulation = Simulation(.normal, .inTurns, metrics: 0)
  simulation.primary = primary
  simulation.primarySpread = 0.01
  simulation.primaryFactor = 1.02
  var tally = Tally()
  for seed in 0..<count {
    if let comparison = simulation.comparison(seed: UInt64(2_000_000 + seed)) {
      tally.add(comparison, changed: 0)
    }
  }
  let found = Double(tally.withWallTime) / Double(max(1, tally.comparisons))
  row(
    "2 % more under noise of 1 %, \(primary) primary, in turns", "found in \(percent(found))",
    "at least \(percent(least))", met: found >= least)
}

let draws = 10 * count
/// With two standard deviations of chance.
let leastCovered = 0.95 - 2 * (0.05 * 0.95 / Double(draws)).squareRoot()
for size in [6, 8, 10, 20] {
  var noise = Noise(seed: UInt64(size))
  var paired = 0
  var unpaired = 0
  var medians = 0
  for _ in 0..<draws {
    let a = (0..<size).map { _ in exp(noise.normal()) }
    let b = (0..<size).map { _ in 3 * exp(noise.normal()) }
    let shift = log(3.0)
    let ratios = zip(a, b).map { log($1) - log($0) }
    func covers(_ interval: Statistics.Interval?, _ truth: Double) -> Int {
      guard let interval else { return 0 }
      return interval.low <= truth && truth <= interval.high ? 1 : 0
    }
    paired += covers(HodgesLehmann(differences: ratios)?.interval(), shift)
    unpaired += covers(
      HodgesLehmann(from: a.map { log($0) }, to: b.map { log($0) })?.interval(), shift)
    medians += covers(Statistics.medianInterval(a), 1)
  }
  for (name, covered) in [
    ("the effect, \(size) pairs", paired), ("the effect, \(size) + \(size)", unpaired),
    ("a median of \(size)", medians),
  ] {
    let share = Double(covered) / Double(draws)
    row(
      "95 % interval of \(name)", "covers in \(percent(share)) of \(draws)",
      "at least \(percent(leastCovered))", met: share >= leastCovered)
  }
}

for design in [Design.inTurns, .twoRuns] {
  var large = Simulation(.mixed, design, count: 100, metrics: 2000)
  large.changed = 500
  large.factor = 1.3
  let sides = large.sides(seed: 3_000_000)
  let start = ContinuousClock.now
  let comparison = large.comparison(of: sides)
  let time = ContinuousClock.now - start
  row(
    "2,000 metrics of 100 + 100 repetitions, \(design.rawValue)", "\(time)", "below 2 s",
    met: comparison != nil && time < .seconds(2))
}
exit(areMet ? 0 : 1)
